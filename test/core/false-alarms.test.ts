/** How often a right backend is taken for a wrong one. A million comparisons of each are in test/bench/false-alarms.bench.mjs. */

import { expect, test } from 'vitest';
import { judge } from '../../src/safety/judge.ts';
import { ValidatorRegistry } from '../../src/safety/validator-registry.ts';
import { createRandom } from '../helpers/cache-traces.ts';
import { healthyPairs } from '../helpers/healthy-outputs.ts';
import type { Workload } from '../helpers/healthy-outputs.ts';

const registry = new ValidatorRegistry();

test.each(registry.listRegistered())('of thousands of right answers none is an alarm: %s', (workload) => {
  const random = createRandom(11);
  for (let i = 0; i < 40; i++) {
    const report = registry.validate(workload, healthyPairs(workload as Workload, 64, random));
    expect(report).not.toMatchObject({ verdict: 'failed' });
  }
});

/** The chances of 0 to n successes, exactly; from n down, where they are not too small for a double. */
function binomial(n: number, share: number): readonly number[] {
  const chances = [share ** n];
  for (let k = n; k > 0; k--) chances.unshift((chances[0] as number) * (k / (n - k + 1)) * ((1 - share) / share));
  return chances;
}

function chanceOf(verdict: string, samples: number, share: number, required: number): number {
  const options = { share: required };
  return binomial(samples, share).reduce((sum, chance, within) => {
    const values = Array.from({ length: samples }, (_, i) => (i < within ? 1 : 0));
    const labels = Array.from({ length: samples }, () => undefined);
    const report = judge('x', labels, [{ name: 'x', bound: 1, direction: 'at_least', values }], options);
    return report.verdict === verdict ? sum + chance : sum;
  }, 0);
}

test('the chances are those of all there is', () => {
  expect(binomial(300, 0.95).reduce((sum, each) => sum + each)).toBeCloseTo(1, 12);
});

test.each([0.9, 0.95])(
  'with just the share of %f that is required, the chance of an alarm is below 1 in a million',
  (share) => {
    for (const samples of [1, 3, 5, 10, 29, 59, 64, 100, 300])
      expect(chanceOf('failed', samples, share, share)).toBeLessThanOrEqual(1e-6);
  },
);

test('texts of which one in a hundred diverges are an alarm less than once in 10 ** 12', () => {
  expect(chanceOf('failed', 64, 0.99, 0.9)).toBeLessThan(1e-12);
});

test.each([0.9, 0.95])('with a share just below %f, the chance to pass is at most one in twenty', (share) => {
  for (const samples of [29, 59, 64, 93, 100, 300])
    expect(chanceOf('passed', samples, share - 1e-9, share)).toBeLessThanOrEqual(0.05);
});

test('a path that is wrong in half of its answers is found with 30 of them', () => {
  expect(chanceOf('failed', 30, 0.5, 0.95)).toBeGreaterThan(0.95);
});
