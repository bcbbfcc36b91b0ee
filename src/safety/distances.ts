/** @module How far apart numbers are. What the reference has not finite is left out: there, anything goes. */

import type { Numbers } from './output-leaves.ts';

/**
 * How far two backends may be apart that compute the same in 32 bits, relative to the largest absolute value: differences in order
 * come from rounding. A sum of n products is off by n units of 6e-8 at most, and by their square root as a rule (N. J. Higham and
 * T. Mary 2019, "A new approach to probabilistic rounding error analysis", SIAM J. Sci. Comput. 41): 2e-6 for n = 1000. The rest is for
 * the layers of a model.
 */
export const ROUNDING = 1e-4;

/** Two values that differ by rounding alone can change places where the reference has them this close, relative to the largest. */
export const TIE: number = 2 * ROUNDING;

/** Largest finite absolute value; 0 where there is none. */
export function scaleOf(values: Numbers): number {
  let scale = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(Number(values[i]));
    if (size > scale && size !== Infinity) scale = size;
  }
  return scale;
}

/**
 * The largest difference relative to the largest absolute value of the expected numbers; Infinity where those are all 0 and the
 * others are not, NaN where a finite number came out as none or there are fewer.
 */
export function relativeError(expected: Numbers, actual: Numbers): number {
  const largest = largestDifference(expected, actual);
  return largest === 0 ? 0 : largest / scaleOf(expected);
}

/** The largest absolute difference; NaN where a finite number came out as none or there are fewer. */
export function largestDifference(expected: Numbers, actual: Numbers): number {
  if (actual.length !== expected.length) return NaN;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const wanted = expected[i] as number | bigint;
    const got = actual[i] as number | bigint;
    if (wanted === got) continue;
    // The difference of large 64-bit integers is lost where they are made doubles first.
    const difference = Math.abs(
      typeof wanted === 'bigint' && typeof got === 'bigint' ? Number(wanted - got) : Number(wanted) - Number(got),
    );
    if (difference <= largest) continue;
    if (!Number.isFinite(Number(wanted))) continue;
    if (!Number.isFinite(difference)) return NaN;
    largest = difference;
  }
  return largest;
}

/** How many numbers are not finite that the reference has finite. */
export function nonFiniteFaults(expected: Numbers, actual: Numbers): number {
  let faults = 0;
  for (let i = 0; i < Math.min(expected.length, actual.length); i++)
    if (!Number.isFinite(Number(actual[i])) && Number.isFinite(Number(expected[i]))) faults++;
  return faults;
}

/**
 * The cosine of the angle between two vectors, and how far their lengths are apart, relative to the first's. Two vectors of zeros
 * are equal; of one only, the cosine is 0.
 */
export function compareVectors(
  expected: Numbers,
  actual: Numbers,
): { readonly cosine: number; readonly lengths: number } {
  if (actual.length !== expected.length) return { cosine: NaN, lengths: NaN };
  // Scaled, so that no square is too large or too small for a double.
  const scale = Math.max(scaleOf(expected), scaleOf(actual)) || 1;
  let product = 0;
  let one = 0;
  let other = 0;
  for (let i = 0; i < expected.length; i++) {
    const wanted = Number(expected[i]) / scale;
    if (!Number.isFinite(wanted)) continue;
    const got = Number(actual[i]) / scale;
    product += wanted * got;
    one += wanted * wanted;
    other += got * got;
  }
  if (one === 0 || other === 0)
    return one === other ? { cosine: 1, lengths: 0 } : { cosine: 0, lengths: one === 0 ? Infinity : 1 };
  return {
    // Exactly 1 for equal vectors: the root of a rounded square is the number itself.
    cosine: Math.min(1, product / Math.sqrt(one * other)),
    lengths: Math.abs(Math.sqrt(other / one) - 1),
  };
}
