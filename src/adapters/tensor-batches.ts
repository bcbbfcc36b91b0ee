/** @module Calls whose inputs are tensors by name: which share a batch, their join, their split, and their padding. */

import type { ModelCall } from '../call.ts';
import { isPlainObject } from '../portable.ts';
import { isTensorLike } from '../tensor.ts';
import type { TensorData, TensorLike } from '../tensor.ts';
import type { BatchKeyParts, BatchRefusal, ModelInfo, TensorInfo } from './adapter.ts';
import { joinRows, makeOwn, splitRows } from './rows.ts';
import type { MakeTensor } from './rows.ts';

export type Feeds = Readonly<Record<string, TensorLike>>;
/** What a model says of its inputs and outputs. */
export type Signature = Pick<ModelInfo, 'inputs' | 'outputs'>;

/** Names of first dimensions along which a model computes across, and not row by row. */
const NO_BATCH = /seq|len|time|frame|token|step|height|width|chan|point|box|num|position/i;
/** The input that says which elements of a sequence count. */
const MASK = /mask/i;

/**
 * Calls share a batch where every input and output declares an open first dimension that is no sequence's, all feeds are in
 * memory with the same number of rows, and nothing but feeds was given.
 */
export function tensorBatchKey(
  { inputs, outputs }: Signature,
  { entryPoint, args }: ModelCall,
): BatchKeyParts | BatchRefusal {
  if (inputs.length === 0 || outputs.length === 0) return 'unknown';
  if (![...inputs, ...outputs].every(hasRows)) return 'fixed_batch_dimension';
  if (new Set(inputs.map(({ dims }) => dims?.[0])).size !== 1) return 'fixed_batch_dimension';
  if (args.slice(1).some((arg) => arg !== undefined)) return 'more_than_inputs';
  const values = valuesByName(inputs, args[0]);
  if (values === undefined) return 'unfit_inputs';
  return {
    endpoint: entryPoint,
    inputShapeBucket: values.flatMap(({ dims }) => [-1, ...dims.slice(1)]),
    dtype: values.map(({ type }) => type).join(),
  };
}

/** The tensors in the order of their names; undefined where they are not all there, in memory, and of as many rows. */
function valuesByName(inputs: readonly TensorInfo[], feeds: unknown): readonly TensorLike[] | undefined {
  if (!isPlainObject(feeds) || Object.keys(feeds).length !== inputs.length) return undefined;
  const names = inputs.map(({ name }) => name).toSorted();
  const values: TensorLike[] = [];
  for (const name of names) {
    const value: unknown = feeds[name];
    if (!isTensorLike(value)) return undefined;
    values.push(value);
  }
  const rows = values[0]?.dims[0];
  if (rows === undefined || rows === 0) return undefined;
  return values.every(({ dims }) => dims[0] === rows) ? values : undefined;
}

function hasRows({ dims }: TensorInfo): boolean {
  const first = dims?.[0];
  return first === -1 || (typeof first === 'string' && !NO_BATCH.test(first));
}

/** The keys of a model's calls: most have that of the call before, which costs a comparison to see. */
export class BatchKeyMemo {
  readonly #last = new WeakMap<object, { readonly call: ModelCall; readonly key: BatchKeyParts }>();

  key(model: object, signature: Signature, call: ModelCall): BatchKeyParts | BatchRefusal {
    const last = this.#last.get(model);
    if (last !== undefined && isAlike(signature.inputs, last.call, call)) return last.key;
    const key = tensorBatchKey(signature, call);
    if (typeof key !== 'string') this.#last.set(model, { call: shapeOf(call), key });
    return key;
  }
}

/** What of a call makes its key: types and dims, without the data. */
function shapeOf({ entryPoint, args }: ModelCall): ModelCall {
  const shapes = Object.entries(args[0] as Feeds).map(([name, { type, dims }]) => [name, { type, dims: dims.slice() }]);
  return { entryPoint, args: [Object.fromEntries(shapes)] };
}

/** Whether two calls with nothing but feeds have equal types, and equal dims but for their rows. */
function isAlike(inputs: readonly TensorInfo[], one: ModelCall, other: ModelCall): boolean {
  if (one.entryPoint !== other.entryPoint || other.args.length !== 1) return false;
  const [a, b] = [one.args[0] as Feeds, other.args[0]];
  if (!isPlainObject(b)) return false;
  if (Object.keys(b).length !== inputs.length) return false;
  let rows: number | undefined;
  for (const { name } of inputs) {
    const [known, given] = [a[name] as TensorLike, b[name]];
    if (!isTensorLike(given) || given.type !== known.type || given.dims.length !== known.dims.length) return false;
    for (let axis = 1; axis < given.dims.length; axis++) if (given.dims[axis] !== known.dims[axis]) return false;
    rows ??= given.dims[0] as number;
    if (rows === 0 || given.dims[0] !== rows) return false;
  }
  return true;
}

/** The rows of a call that has a batch key. */
export function rowsOfFeeds({ args }: ModelCall): number {
  const [feeds] = args;
  if (!isPlainObject(feeds)) return 1;
  for (const name in feeds) {
    const value: unknown = feeds[name];
    return isTensorLike(value) ? (value.dims[0] ?? 1) : 1;
  }
  return 1;
}

export function joinFeeds(
  calls: readonly ModelCall[],
  make: MakeTensor = makeOwn,
): { readonly feeds: Feeds; readonly sizes: readonly number[] } {
  const all = calls.map(({ args }) => args[0] as Feeds);
  const names = Object.keys(all[0] as Feeds);
  const feeds = Object.fromEntries(
    names.map((name) => [
      name,
      joinRows(
        all.map((each) => each[name] as TensorLike),
        make,
      ),
    ]),
  );
  return { feeds, sizes: calls.map(rowsOfFeeds) };
}

/** @throws RangeError where the answer is no tensors by name with a row for each row of the joined call. */
export function splitAnswer(
  output: unknown,
  sizes: readonly number[],
  make: MakeTensor = makeOwn,
): readonly Record<string, TensorLike>[] {
  const answers = sizes.map((): Record<string, TensorLike> => ({}));
  for (const [name, value] of Object.entries(output as Feeds)) {
    const rows = splitRows(value, sizes, make);
    for (let i = 0; i < sizes.length; i++) (answers[i] as Record<string, TensorLike>)[name] = rows[i] as TensorLike;
  }
  return answers;
}

/**
 * The key that calls share whose sequences are padded to `bucketOf(length)`: of models all of whose inputs are matrices of
 * rows by one open length, one of them a mask. Padding is zeros, in the mask as well.
 */
export function paddedKey(
  { inputs }: Signature,
  call: ModelCall,
  keyOf: (call: ModelCall) => BatchKeyParts | BatchRefusal,
  bucketOf: (length: number) => number,
): { readonly key: BatchKeyParts; readonly length: number; readonly bucket: number } | undefined {
  if (inputs.length < 2 || !inputs.some(({ name }) => MASK.test(name))) return undefined;
  if (!inputs.every(({ dims }) => dims?.length === 2 && isOpen(dims[1]))) return undefined;
  const key = keyOf(call);
  if (typeof key === 'string') return undefined;
  const [first, ...others] = Object.values(call.args[0] as Feeds);
  const length = first?.dims[1] ?? 0;
  if (length === 0 || others.some(({ dims }) => dims[1] !== length)) return undefined;
  const bucket = bucketOf(length);
  return { key: paddedKeyOf(key, inputs.length, bucket), length, bucket };
}

const paddedKeys = new Map<string, BatchKeyParts>();

/** One object for equal keys: they are told apart by what they are, without a look inside. */
function paddedKeyOf(key: BatchKeyParts, inputs: number, bucket: number): BatchKeyParts {
  const text = `${key.endpoint} ${key.dtype} ${inputs} ${bucket}`;
  let padded = paddedKeys.get(text);
  if (padded === undefined) {
    padded = { ...key, inputShapeBucket: Array.from({ length: inputs }, () => [-1, bucket]).flat() };
    paddedKeys.set(text, padded);
  }
  return padded;
}

function isOpen(dim: number | string | undefined): boolean {
  return dim === -1 || typeof dim === 'string';
}

/** The call with each row padded with zeros to `length`. */
export function padFeeds(call: ModelCall, length: number, make: MakeTensor = makeOwn): ModelCall {
  const padded = Object.entries(call.args[0] as Feeds).map(([name, value]) => [
    name,
    resizeRows(value, 1, length, make),
  ]);
  return { ...call, args: [Object.fromEntries(padded), ...call.args.slice(1)] };
}

/** The answer without what the padding gave: every dimension that the model names as the sequence's is cut to its length. */
export function unpadAnswer(
  { inputs, outputs }: Signature,
  call: ModelCall,
  answer: Readonly<Record<string, TensorLike>>,
  paddedTo: number,
  make: MakeTensor = makeOwn,
): Record<string, TensorLike> {
  const name = inputs[0]?.dims?.[1];
  const [first] = Object.values(call.args[0] as Feeds);
  const length = first?.dims[1] as number;
  const cut = Object.entries(answer).map(([output, value]): [string, TensorLike] => {
    const declared = outputs.find((each) => each.name === output)?.dims;
    let result = value;
    value.dims.forEach((dim, axis) => {
      const itsName = declared?.[axis];
      if (axis > 0 && dim === paddedTo && isOpen(itsName) && itsName === name) {
        result = resizeRows(result, axis, length, make);
      }
    });
    return [output, result];
  });
  return Object.fromEntries(cut);
}

/** A tensor whose dimension `axis` is cut, or grown with zeros, to `size`. */
function resizeRows(value: TensorLike, axis: number, size: number, make: MakeTensor): TensorLike {
  const { data, dims, type } = value;
  const from = dims[axis] as number;
  if (from === size) return value;
  const inner = dims.slice(axis + 1).reduce((product, each) => product * each, 1);
  const outer = dims.slice(0, axis).reduce((product, each) => product * each, 1);
  const kept = Math.min(from, size) * inner;
  const resized = zeros(data, outer * size * inner);
  for (let i = 0; i < outer; i++) {
    const part = data.slice(i * from * inner, i * from * inner + kept);
    if (Array.isArray(resized)) part.forEach((each, k) => (resized[i * size * inner + k] = each as string));
    else (resized as Float32Array).set(part as Float32Array, i * size * inner);
  }
  return make(type, resized, [...dims.slice(0, axis), size, ...dims.slice(axis + 1)]);
}

function zeros(like: TensorData, length: number): TensorData | string[] {
  return Array.isArray(like)
    ? Array.from({ length }, () => '')
    : new (like.constructor as new (length: number) => Float32Array)(length);
}
