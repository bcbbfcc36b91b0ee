import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { samplesNeeded, shareAtLeast, shareAtMost } from '../../src/safety/confidence.ts';
import { createRandom } from '../helpers/cache-traces.ts';

/** Made with scipy.stats.beta.ppf of SciPy 1.17.1. */
test.each([
  [0, 1, 0.05, 0, 0.95],
  [1, 1, 0.05, 0.05, 1],
  [58, 59, 0.05, 0.9221020784811816, 0.9991309999284744],
  [59, 59, 0.05, 0.950492390111773, 1],
  [92, 93, 0.05, 0.9500060216120116, 0.9994486112708019],
  [5, 10, 0.05, 0.2224411010081294, 0.7775588989918706],
  [3, 20, 1e-6, 0.0009611823251871405, 0.6881563421341366],
  [990, 1000, 0.01, 0.9799573940991211, 0.9958597019348553],
  [99995, 100000, 0.05, 0.9998948725488276, 0.99998029830436],
  [1, 100000, 1e-6, 1.0000004999953333e-11, 0.00016687111781312663],
  [500000, 1000000, 0.001, 0.4984543879253213, 0.5015456120746786],
])('%i of %i at %f', (successes, samples, alpha, lower, upper) => {
  expect(shareAtLeast(successes, samples, alpha)).toBeCloseTo(lower, 9);
  expect(shareAtMost(successes, samples, alpha)).toBeCloseTo(upper, 9);
  if (lower > 0) expect(shareAtLeast(successes, samples, alpha) / lower).toBeCloseTo(1, 6);
});

test('more successes never lower a bound, and the bounds hold the share between them', () => {
  const alpha = fc.double({ min: 1e-9, max: 0.5, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), alpha, (samples, draw, each) => {
      const successes = draw % samples;
      const low = shareAtLeast(successes, samples, each);
      const high = shareAtMost(successes, samples, each);
      expect(low).toBeGreaterThanOrEqual(0);
      expect(high).toBeLessThanOrEqual(1);
      expect(low).toBeLessThanOrEqual(successes / samples);
      expect(high).toBeGreaterThanOrEqual(successes / samples);
      expect(shareAtLeast(successes + 1, samples, each)).toBeGreaterThan(low);
      expect(shareAtMost(successes + 1, samples, each)).toBeGreaterThan(high);
    }),
  );
});

test('the lower bound is above the true share no oftener than alpha says', () => {
  const random = createRandom(1);
  const alpha = 0.05;
  for (const share of [0.5, 0.9, 0.949, 0.99]) {
    let above = 0;
    for (let i = 0; i < 5000; i++) {
      let successes = 0;
      for (let n = 0; n < 60; n++) if (random() < share) successes++;
      if (shareAtLeast(successes, 60, alpha) > share) above++;
    }
    // Three standard deviations of the count.
    expect(above).toBeLessThan(5000 * alpha + 3 * Math.sqrt(5000 * alpha));
  }
});

test.each([
  [0.95, 0.95, 59],
  [0.9, 0.95, 29],
  [0.99, 0.95, 299],
  [0.5, 0.75, 2],
  [0, 0.95, 0],
])('a share of %f with a confidence of %f takes %i samples', (share, confidence, needed) => {
  expect(samplesNeeded(share, confidence)).toBe(needed);
  if (needed > 1) {
    expect(shareAtLeast(needed, needed, 1 - confidence)).toBeGreaterThanOrEqual(share);
    expect(shareAtLeast(needed - 1, needed - 1, 1 - confidence)).toBeLessThan(share);
  }
});

test('counts that are none are refused', () => {
  expect(() => shareAtLeast(2, 1, 0.05)).toThrow(RangeError);
  expect(() => shareAtLeast(0.5, 1, 0.05)).toThrow(RangeError);
  expect(() => shareAtLeast(1, 1, 0)).toThrow(RangeError);
  expect(() => shareAtMost(-1, 1, 0.05)).toThrow(RangeError);
});
