/** @module Metrics of all workloads: whether answers are built alike, and finite. */

import { nonFiniteFaults } from './distances.ts';
import type { Leaf, NumbersLeaf, TextsLeaf } from './output-leaves.ts';
import type { Metric, Sample } from './output-validator.ts';

/** Whether an answer has the reference's structure, types and dims, and the same texts and whole numbers: 1, or 0. */
export const structure: Metric = {
  name: 'structure',
  bound: 1,
  direction: 'at_least',
  every: true,
  measure: ({ differences, leaves }) => (differences.length === 0 && leaves.every(isEqualIfDiscrete) ? 1 : 0),
};

/** How many numbers are not finite that the reference has finite. */
export const nonFinite: Metric = {
  name: 'non_finite',
  bound: 0,
  direction: 'at_most',
  every: true,
  optional: true,
  measure({ leaves }) {
    let faults: number | undefined;
    for (const leaf of leaves) {
      if (leaf.kind === 'numbers') faults = (faults ?? 0) + nonFiniteFaults(leaf.expected, leaf.actual);
      if (leaf.kind !== 'ranking') continue;
      const labels = [...leaf.expected.keys()].filter((label) => leaf.actual.has(label));
      const [expected, actual] = [leaf.expected, leaf.actual].map((scores) => labels.map((label) => scores.get(label)));
      faults = (faults ?? 0) + nonFiniteFaults(expected as number[], actual as number[]);
    }
    return faults;
  },
};

/** Numbers that are no whole ones by their type: what a model computes rather than chooses. */
export function isReal(leaf: Leaf): leaf is NumbersLeaf {
  return leaf.kind === 'numbers' && !leaf.isDiscrete;
}

/** Whether a leaf is no text and no whole numbers, or else equal. */
export function isEqualIfDiscrete(leaf: Leaf): boolean {
  return leaf.kind === 'ranking' || isReal(leaf) || isEqual(leaf);
}

/** Whether both answers have the same texts or numbers at a place. */
export function isEqual({ expected, actual }: TextsLeaf | NumbersLeaf): boolean {
  if (expected.length !== actual.length) return false;
  for (let i = 0; i < expected.length; i++) if (expected[i] !== actual[i]) return false;
  return true;
}

/** Rows of the last dimension, those of both answers; views on the same memory. One row where there is no dimension. */
export function rowsOf({
  expected,
  actual,
  dims,
}: NumbersLeaf): readonly (readonly [readonly number[], readonly number[]])[] {
  const width = dims.at(-1) ?? 1;
  const rows: (readonly [readonly number[], readonly number[]])[] = [];
  if (width === 0) return rows;
  for (let from = 0; from < expected.length; from += width)
    rows.push([part(expected, from, width), part(actual, from, width)]);
  return rows;
}

/** Typed arrays are not copied. */
function part(values: ArrayLike<number | bigint>, from: number, count: number): readonly number[] {
  const array = values as unknown as readonly number[] & { subarray?(from: number, to: number): readonly number[] };
  return array.subarray?.(from, from + count) ?? array.slice(from, from + count);
}

/** The worst of what is measured at several places of a sample; undefined where there is none, NaN where one is. */
export function worstOf(values: readonly number[], direction: Metric['direction']): number | undefined {
  const pick = direction === 'at_least' ? Math.min : Math.max;
  // Not spread: an answer may have more rows than a call can have arguments.
  return values.length === 0 ? undefined : values.reduce((worst, value) => pick(worst, value));
}

/** Leaves of real numbers of the same dims in both answers. */
export function realLeaves({ leaves }: Sample): readonly NumbersLeaf[] {
  return leaves.filter(isReal).filter(({ expected, actual }) => expected.length === actual.length);
}
