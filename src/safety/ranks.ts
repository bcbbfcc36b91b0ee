/** @module How far two lists of scores put the same things in the same order. What rounding alone could swap counts as equal. */

import { scaleOf, TIE } from './distances.ts';

/**
 * The share of the `k` highest by the other scores that are among the `k` highest by the expected ones too, or level with them, 0 to 1.
 *
 * No rounding is taken for a fault: where no score is off by more than d, the k-th highest of the others is not below the k-th highest
 * expected one less d, so what is among the others' highest is expected to be no lower than that less 2d, which is a tie.
 */
export function topAgreement(expected: readonly number[], actual: readonly number[], k: number): number {
  const [kth] = topOf(expected, k).slice(-1);
  const bound = (expected[kth as number] as number) - TIE * scaleOf(expected);
  const top = topOf(actual, k);
  // A score that is not finite in the reference says nothing of its place.
  return top.filter((i) => (expected[i] as number) >= bound || !Number.isFinite(expected[i])).length / top.length;
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
  const tie = TIE * scaleOf(expected);
  const order = byScore(expected);
  const step = Math.max(1, order.length / PAIRED);
  let pairs = 0;
  let sum = 0;
  for (let i = 0; i < order.length; i += step) {
    const high = order[Math.floor(i)] as number;
    for (let j = i + step; j < order.length; j += step) {
      const low = order[Math.floor(j)] as number;
      const gap = (expected[high] as number) - (expected[low] as number);
      if (!(gap > tie) || gap === Infinity) continue;
      pairs++;
      // NaN, of an answer that is none, makes NaN of the whole.
      sum += Math.sign((actual[high] as number) - (actual[low] as number));
    }
  }
  return pairs === 0 ? undefined : sum / pairs;
}

/**
 * Normalised discounted cumulative gain of the first `k` (K. Järvelin and J. Kekäläinen 2002, "Cumulated gain-based evaluation of IR
 * techniques", ACM TOIS 20), 0 to 1. What a thing gains is its expected score above the lowest one; undefined where all are level. At
 * each place, a thing that is level with what should be there gains the same, so that no rounding lowers it.
 */
export function ndcg(expected: readonly number[], actual: readonly number[], k: number): number | undefined {
  const tie = TIE * scaleOf(expected);
  const ideal = byScore(expected);
  const lowest = expected[ideal.at(-1) as number] as number;
  const highest = expected[ideal[0] as number] as number;
  if (!(highest - lowest > tie)) return undefined;
  if (actual.some((score, i) => Number.isNaN(score) && !Number.isNaN(expected[i]))) return NaN;
  const order = byScore(actual);
  let gained = 0;
  let possible = 0;
  for (let place = 0; place < Math.min(k, ideal.length); place++) {
    const discount = Math.log2(place + 2);
    const best = expected[ideal[place] as number] as number;
    const there = expected[order[place] as number] as number;
    possible += (best - lowest) / discount;
    gained += ((Math.abs(best - there) <= tie ? best : there) - lowest) / discount;
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
