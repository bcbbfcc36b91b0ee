/** @module How far two lists of scores put the same things in the same order. What rounding alone could swap counts as equal. */

import { TIE } from './distances.ts';
import type { Numbers } from './output-leaves.ts';

/** exp(−745) is the last that is above 0 in a double. */
const LEAST_LOGIT = 745;

/**
 * How far scores may be apart for rounding alone to swap them: relative to the largest absolute value. Not counted are those so far below the
 * highest one that, as logits, they have no probability: masks are written so, and next to −3e38 all others would be level.
 */
export function tieOf(scores: Numbers): number {
  let highest = -Infinity;
  for (let i = 0; i < scores.length; i++) {
    const score = Number(scores[i]);
    if (score > highest && score !== Infinity) highest = score;
  }
  let scale = 0;
  for (let i = 0; i < scores.length; i++) {
    const score = Number(scores[i]);
    if (score >= highest - LEAST_LOGIT && score !== Infinity) scale = Math.max(scale, Math.abs(score));
  }
  return TIE * scale;
}

/**
 * The share of the `k` highest by the other scores that are among the `k` highest by the expected ones too, or no more than `tie`
 * below them, 0 to 1.
 *
 * No rounding is taken for a fault: where no score is off by more than d, the k-th highest of the others is not below the k-th highest
 * expected one less d, so what is among the others' highest is expected to be no lower than that less 2d, and a tie is no
 * less than that.
 */
export function topAgreement(
  expected: readonly number[],
  actual: readonly number[],
  k: number,
  tie: number = tieOf(expected),
): number {
  const [one, other] = whereFinite(expected, actual);
  if (one.length === 0) return 1;
  const bound = (one[topOf(one, k).at(-1) as number] as number) - tie;
  const top = topOf(other, k);
  return top.filter((i) => (one[i] as number) >= bound).length / top.length;
}

/** The scores that are finite in the reference: of the others nothing is known. */
function whereFinite(
  expected: readonly number[],
  actual: readonly number[],
): readonly [readonly number[], readonly number[]] {
  if (expected.every(Number.isFinite)) return [expected, actual];
  const isKept = (_: number, i: number): boolean => Number.isFinite(expected[i]);
  return [expected.filter(isKept), actual.filter(isKept)];
}

/** Places of the `k` highest scores, from the highest on, in one pass; NaN comes last. */
function topOf(scores: readonly number[], k: number): readonly number[] {
  const top: number[] = [];
  const size = Math.min(k, scores.length);
  for (let i = 0; i < scores.length; i++) {
    let place = top.length;
    while (place > 0 && isAbove(scores[i] as number, scores[top[place - 1] as number] as number)) place--;
    if (place < size) top.splice(place, 0, i);
    if (top.length > size) top.pop();
  }
  return top;
}

function isAbove(score: number, other: number): boolean {
  return score > other || (Number.isNaN(other) && !Number.isNaN(score));
}

/** Most things that are compared in pairs; of more, so many are taken, spread over the expected order. */
const PAIRED = 512;

/**
 * Kendall's tau (M. G. Kendall 1938, "A new measure of rank correlation", Biometrika 30) over the pairs that the expected scores tell
 * apart: 1 in the same order, −1 in the reverse one; undefined where there is no such pair. Pairs that the other scores do not tell apart are
 * half agreeing.
 */
export function kendallTau(expected: readonly number[], actual: readonly number[]): number | undefined {
  const [one, other] = whereFinite(expected, actual);
  const tie = tieOf(one);
  const order = byScore(one);
  const step = Math.max(1, order.length / PAIRED);
  let pairs = 0;
  let sum = 0;
  for (let i = 0; i < order.length; i += step) {
    const high = order[Math.floor(i)] as number;
    for (let j = i + step; j < order.length; j += step) {
      const low = order[Math.floor(j)] as number;
      if (!((one[high] as number) - (one[low] as number) > tie)) continue;
      pairs++;
      // NaN, of an answer that is none, makes NaN of the whole.
      sum += Math.sign((other[high] as number) - (other[low] as number));
    }
  }
  return pairs === 0 ? undefined : sum / pairs;
}

/**
 * Normalised discounted cumulative gain of the first `k` (K. Järvelin and J. Kekäläinen 2002, "Cumulated gain-based evaluation of IR
 * techniques", ACM TOIS 20), 0 to 1. What a thing gains is its expected score above the lowest one; undefined where all are level. At
 * each place, a thing that is level with what should be there gains the same, so that no rounding lowers it.
 */
export function ndcg(scores: readonly number[], others: readonly number[], k: number): number | undefined {
  const [expected, actual] = whereFinite(scores, others);
  if (expected.length === 0) return undefined;
  const tie = tieOf(expected);
  const ideal = byScore(expected);
  const lowest = expected[ideal.at(-1) as number] as number;
  const highest = expected[ideal[0] as number] as number;
  if (!(highest - lowest > tie)) return undefined;
  if (actual.some(Number.isNaN)) return NaN;
  const order = byScore(actual);
  // As shares of the largest, for sums of the largest there are would be none.
  const scale = Math.max(Math.abs(highest), Math.abs(lowest));
  const gainOf = (score: number): number => score / scale - lowest / scale;
  let gained = 0;
  let possible = 0;
  for (let place = 0; place < Math.min(k, ideal.length); place++) {
    const discount = Math.log2(place + 2);
    const best = expected[ideal[place] as number] as number;
    const there = expected[order[place] as number] as number;
    possible += gainOf(best) / discount;
    gained += gainOf(Math.abs(best - there) <= tie ? best : there) / discount;
  }
  return gained / possible;
}

/** Places in the order of falling scores, NaN last. */
function byScore(scores: readonly number[]): readonly number[] {
  const rank = (score: number): number => (Number.isNaN(score) ? -Infinity : score);
  return Array.from(scores, (_, i) => i).toSorted((a, b) => {
    const [one, other] = [rank(scores[a] as number), rank(scores[b] as number)];
    return one === other ? 0 : other - one;
  });
}
