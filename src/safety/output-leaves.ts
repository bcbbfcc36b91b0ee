/** @module Two answers side by side: their numbers, texts and ranked lists, and where one has what the other lacks. */

import { float16Values } from '../float16.ts';
import { isPlainObject, isTypedArray, MAX_PORTABLE_DEPTH } from '../portable.ts';
import type { TypedArray } from '../portable.ts';
import { isTensorLike } from '../tensor.ts';
import type { TensorLike } from '../tensor.ts';

export type Numbers = ArrayLike<number | bigint>;

/** Numbers at one place of both answers, not necessarily of the same count. */
export interface NumbersLeaf {
  readonly kind: 'numbers';
  /** Such as '[0].logits'; '' for an answer that is all numbers. */
  readonly path: string;
  /** The last key on the path; '' where there is none. */
  readonly name: string;
  readonly expected: Numbers;
  readonly actual: Numbers;
  /** Sizes of the dimensions of both, outermost first. */
  readonly dims: readonly number[];
  readonly actualDims: readonly number[];
  /** Whether they are whole numbers or booleans by their type. Numbers of JavaScript are not. */
  readonly isDiscrete: boolean;
}

/** Texts at one place of both answers: one, or those of a string tensor. */
export interface TextsLeaf {
  readonly kind: 'texts';
  readonly path: string;
  readonly name: string;
  readonly expected: readonly string[];
  readonly actual: readonly string[];
}

/** Scores by label, as pipelines of transformers.js give them: sorted, and often only the highest. */
export interface RankingLeaf {
  readonly kind: 'ranking';
  readonly path: string;
  readonly name: string;
  readonly expected: ReadonlyMap<string | number, number>;
  readonly actual: ReadonlyMap<string | number, number>;
}

/** Two parts that stand at the same place: numbers, texts or a ranking. */
export type Leaf = NumbersLeaf | TextsLeaf | RankingLeaf;

/** A place where the answers are not built alike. */
export interface Difference {
  readonly path: string;
  /** Whether only sizes differ: dims, or the length of a list. */
  readonly isSize: boolean;
}

/** Two answers, part beside part. */
export interface Alignment {
  readonly leaves: readonly Leaf[];
  readonly differences: readonly Difference[];
}

/** Takes two answers apart, in time linear in their size. Never throws for portable values. */
export function alignOutputs(expected: unknown, actual: unknown): Alignment {
  const leaves: Leaf[] = [];
  const differences: Difference[] = [];

  const visit = (path: string, name: string, one: unknown, other: unknown, depth: number): void => {
    const differ = (isSize: boolean): void => void differences.push({ path, isSize });
    const numbers = numbersOf(one);
    if (numbers !== undefined) {
      const others = numbersOf(other);
      if (others?.type !== numbers.type || isTensorLike(one) !== isTensorLike(other)) return differ(false);
      if (!equalDims(numbers.dims, others.dims)) differ(true);
      leaves.push({
        kind: 'numbers',
        path,
        name,
        expected: numbers.data,
        actual: others.data,
        dims: numbers.dims,
        actualDims: others.dims,
        isDiscrete: /^(u?int|bigint|bool)/.test(numbers.type),
      });
      return;
    }
    const texts = textsOf(one);
    if (texts !== undefined) {
      const others = textsOf(other);
      if (others === undefined || isTensorLike(one) !== isTensorLike(other)) return differ(false);
      if (texts.length !== others.length) differ(true);
      leaves.push({ kind: 'texts', path, name, expected: texts, actual: others });
      return;
    }
    const ranking = rankingOf(one);
    if (ranking !== undefined) {
      const others = rankingOf(other);
      if (others === undefined) return differ(false);
      if (ranking.size !== others.size) differ(true);
      leaves.push({ kind: 'ranking', path, name, expected: ranking, actual: others });
      return;
    }
    if (depth >= MAX_PORTABLE_DEPTH) return differ(false);
    if (Array.isArray(one)) {
      if (!Array.isArray(other)) return differ(false);
      if (one.length !== other.length) differ(true);
      for (let i = 0; i < Math.min(one.length, other.length); i++)
        visit(`${path}[${i}]`, name, one[i], other[i], depth + 1);
      return;
    }
    if (isPlainObject(one)) {
      if (!isPlainObject(other)) return differ(false);
      if (Object.keys(other).some((key) => !Object.hasOwn(one, key))) differ(false);
      for (const key of Object.keys(one)) {
        if (Object.hasOwn(other, key))
          visit(path === '' ? key : `${path}.${key}`, key, one[key], other[key], depth + 1);
        else differ(false);
      }
      return;
    }
    if (!Object.is(one, other)) differ(false);
  };

  visit('', '', expected, actual, 0);
  return { leaves, differences };
}

interface TypedNumbers {
  /** The element type; 'number' for numbers of JavaScript. */
  readonly type: string;
  readonly data: Numbers;
  readonly dims: readonly number[];
}

function numbersOf(value: unknown): TypedNumbers | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return { type: typeof value, data: [value], dims: [] };
  if (typeof value !== 'object' || value === null) return undefined;
  if (isTensorLike(value)) {
    if (value.type === 'string' || !hasFittingDims(value)) return undefined;
    const data = value.type === 'float16' ? float16Values(value.data) : value.data;
    return { type: value.type, data: data as Numbers, dims: value.dims };
  }
  if (isTypedArray(value)) {
    const type = (value as TypedArray)[Symbol.toStringTag]
      .replace('Array', '')
      .replace('Clamped', '')
      .replace('Big', '');
    return { type: type.toLowerCase(), data: value, dims: [value.length] };
  }
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const kind = typeof value[0];
  if ((kind !== 'number' && kind !== 'bigint') || !value.every((each) => typeof each === kind)) return undefined;
  return { type: kind, data: value as number[], dims: [value.length] };
}

function textsOf(value: unknown): readonly string[] | undefined {
  if (typeof value === 'string') return [value];
  if (!isTensorLike(value) || value.type !== 'string' || !hasFittingDims(value)) return undefined;
  return (value as TensorLike<'string'>).data;
}

/** Whether dims are sizes, and those of the data: rows are cut by them. */
function hasFittingDims({ dims, data }: TensorLike): boolean {
  return (
    dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0) &&
    dims.reduce((product, dim) => product * dim, 1) === data.length
  );
}

const LABELS = ['label', 'corpus_id', 'token', 'index'] as const;
/** What may be in an entry of a ranked list. A list whose entries say more (a box, a word's place) is not about ranks. */
const ENTRY_FIELDS: ReadonlySet<string> = new Set([...LABELS, 'score', 'text', 'document', 'token_str', 'sequence']);

function rankingOf(value: unknown): ReadonlyMap<string | number, number> | undefined {
  if (isPlainObject(value)) return zeroShotRanking(value);
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const scores = new Map<string | number, number>();
  for (const each of value as readonly unknown[]) {
    if (!isPlainObject(each) || typeof each['score'] !== 'number') return undefined;
    if (!Object.keys(each).every((key) => ENTRY_FIELDS.has(key))) return undefined;
    const label = LABELS.map((key) => each[key]).find((id) => typeof id === 'string' || typeof id === 'number');
    if (label === undefined) return undefined;
    scores.set(label as string | number, each['score']);
  }
  return scores.size === value.length ? scores : undefined;
}

/** The answer of a zero-shot pipeline: `{ sequence, labels, scores }`, sorted by score, and no more (a detector's has boxes). */
function zeroShotRanking(value: Record<string, unknown>): ReadonlyMap<string, number> | undefined {
  const { labels, scores } = value;
  if (!Array.isArray(labels) || !Array.isArray(scores) || labels.length !== scores.length) return undefined;
  if (!Object.keys(value).every((key) => ['sequence', 'labels', 'scores'].includes(key))) return undefined;
  if (!labels.every((each) => typeof each === 'string') || !scores.every((each) => typeof each === 'number'))
    return undefined;
  const ranking = new Map(labels.map((label: string, i) => [label, scores[i] as number]));
  return ranking.size === labels.length ? ranking : undefined;
}

function equalDims(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((dim, i) => dim === other[i]);
}
