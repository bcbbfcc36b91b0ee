/** Answers that are nearly zero: what rounding leaves there is no difference, what a fault leaves is. */

import { describe, expect, test } from 'vitest';
import { roundingNoise } from '../../src/safety/rounding-noise.ts';
import { encoderValidator } from '../../src/safety/validators/encoder.ts';
import { tensor } from '../../src/tensor.ts';
import type { Portable } from '../../src/portable.ts';

const map = (...data: number[]): Portable =>
  ({ map: tensor('float32', data), count: tensor('int64', [7]) }) as Portable;
/** A picture with something in it, and one without. */
const usual = [map(0.9, 0.2, 1e-7), map(1.5e-7, 0, 6e-8)];

describe('the noise of rounding', () => {
  test('is four units in the last place of the largest that was answered at a place', () => {
    expect(roundingNoise(usual, 'map')).toBeCloseTo((4 * 0.9) / 2 ** 23, 12);
    expect(roundingNoise([map(1e-7)], 'map')).toBeLessThan(1e-13);
  });

  test('is none of whole numbers, of what is not there, and of no answers', () => {
    expect(roundingNoise(usual, 'count')).toBe(0);
    expect(roundingNoise(usual, 'other')).toBe(0);
    expect(roundingNoise([], 'map')).toBe(0);
  });
});

describe('an encoder that answers nearly nothing', () => {
  const validate = (goldens: readonly Portable[], expected: Portable, actual: Portable): string =>
    encoderValidator({ tolerance: 1e-5, noise: (path) => roundingNoise(goldens, path) }).validate([
      { expected, actual },
    ]).verdict;
  const failed = (...args: Parameters<typeof validate>): boolean => validate(...args) === 'failed';

  test('may be off by rounding, as far as its other answers say what that is', () => {
    expect(failed(usual, map(1.5e-7, 0), map(6e-8, 1.2e-7))).toBe(false);
    expect(failed(usual, map(0, 0), map(6e-8, 0))).toBe(false);
    expect(failed([map(1.5e-7, 0)], map(1.5e-7, 0), map(6e-8, 1.2e-7))).toBe(true);
  });

  test('may not be off by more, nor where its answers are large', () => {
    expect(failed(usual, map(1.5e-7, 0), map(1.5e-7, 1e-6))).toBe(true);
    expect(failed(usual, map(0, 0), map(0.5, 0))).toBe(true);
    expect(failed(usual, map(0.9, 0.2), map(0.9, 0.2001))).toBe(true);
    expect(failed(usual, map(1e-7, 0), map(NaN, 0))).toBe(true);
  });
});
