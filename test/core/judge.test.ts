import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { evidenceOf, judge } from '../../src/safety/judge.ts';
import type { Measured } from '../../src/safety/judge.ts';
import type { ValidationReport } from '../../src/safety/validation-report.ts';
import { createRandom } from '../helpers/cache-traces.ts';

function report(...measured: readonly Measured[]): ValidationReport {
  const count = Math.max(0, ...measured.map(({ values }) => values.length));
  return judge('custom', Array<undefined>(count).fill(undefined), measured);
}

function agreement(good: number, bad: number, rest: Partial<Measured> = {}): Measured {
  const values = [...Array<number>(good).fill(1), ...Array<number>(bad).fill(0)];
  return { name: 'agreement', bound: 0.9, direction: 'at_least', values, ...rest };
}

test.each([
  [0, 0, 'undecided'],
  [1, 0, 'undecided'],
  [58, 0, 'undecided'],
  [59, 0, 'passed'],
  [59, 1, 'undecided'],
  [92, 1, 'passed'],
  [91, 1, 'undecided'],
  [0, 4, 'undecided'],
  [0, 5, 'failed'],
  [900, 100, 'failed'],
])('%i samples within the bound and %i beyond it: %s', (good, bad, verdict) => {
  expect(report(agreement(good, bad)).verdict).toBe(verdict);
});

test('a metric that holds for every answer fails with one that is out of bounds, and passes with no fewer samples', () => {
  expect(report(agreement(10_000, 1, { every: true })).verdict).toBe('failed');
  expect(report(agreement(0, 1, { every: true })).verdict).toBe('failed');
  expect(report(agreement(58, 0, { every: true })).verdict).toBe('undecided');
  expect(report(agreement(59, 0, { every: true })).verdict).toBe('passed');
});

test('the chance of a false alarm is split among the metrics that can have one', () => {
  const fine = (name: string, every: boolean): Measured => ({ ...agreement(5, 0), name, every });
  expect(report(agreement(0, 5), fine('a', true), fine('b', true), fine('c', true)).verdict).toBe('failed');
  expect(report(agreement(0, 5), fine('a', false), fine('b', false), fine('c', false)).verdict).toBe('undecided');
});

test('NaN is out of bounds either way, and the worst there is', () => {
  for (const direction of ['at_least', 'at_most'] as const) {
    const { verdict, worst, metrics } = report({
      name: 'x',
      bound: 0.5,
      direction,
      every: true,
      values: [NaN, 0.5, 0, 1],
    });
    expect([verdict, worst?.index, metrics[0]?.value]).toEqual(['failed', 0, NaN]);
  }
});

test('what no sample has is left out where it is optional, and undecided where it is not', () => {
  const nothing = { name: 'nothing', bound: 1, direction: 'at_least', values: Array<undefined>(60) } as const;
  expect(report(agreement(60, 0), { ...nothing, optional: true })).toMatchObject({
    verdict: 'passed',
    metrics: [{ name: 'agreement' }],
  });
  expect(report(agreement(60, 0), nothing).verdict).toBe('undecided');
  expect(report({ ...nothing, optional: true }).verdict).toBe('undecided');
  expect(report().verdict).toBe('undecided');
});

test('a report says what was measured, of how many samples, and what is missing', () => {
  const { metrics, message, worst } = judge(
    'custom',
    ['1x8', '1x16', '1x32'],
    [{ name: 'cosine', bound: 0.99, direction: 'at_least', every: true, values: [1, 0.5, 0.995] }],
  );
  expect(metrics).toEqual([
    {
      name: 'cosine',
      verdict: 'failed',
      met: false,
      value: 0.5,
      mean: (1 + 0.5 + 0.995) / 3,
      bound: 0.99,
      direction: 'at_least',
      every: true,
      samples: 3,
      within: 2,
      requiredShare: 0.95,
      shareAtLeast: expect.closeTo(0.1354, 4) as number,
      shareAtMost: expect.closeTo(0.99999967, 7) as number,
      samplesNeeded: 59,
      worst: { index: 1, label: '1x16', metric: 'cosine', value: 0.5 },
    },
  ]);
  expect(message).toBe('cosine: 2 of 3 samples are at least 0.99, where all must be; the worst, 1x16, has 0.5.');
  expect(worst).toEqual(metrics[0]?.worst);
  expect(report(agreement(20, 0)).message).toBe(
    'agreement: 20 of 20 samples are at least 0.9; the worst, number 0, has 1; ' +
      'that is too few to say that 95 % of the answers are (at least 59).',
  );
  expect(report(agreement(60, 0)).message).toBe('');
});

test('the worst sample is that which uses up most of a bound', () => {
  const { worst } = report(
    { name: 'near', bound: 0.9, direction: 'at_least', values: [0.91, 1] },
    { name: 'beyond', bound: 0.1, direction: 'at_most', values: [0, 0.2] },
  );
  expect(worst).toMatchObject({ metric: 'beyond', index: 1 });
});

test('a path whose share is too small passes no oftener than one in twenty, and one whose share is right never fails', () => {
  const random = createRandom(5);
  const run = (share: number, samples: number): string =>
    report({ ...agreement(0, 0), values: Array.from({ length: samples }, () => (random() < share ? 1 : 0)) }).verdict;
  const outcomes = (share: number, samples: number): readonly string[] =>
    Array.from({ length: 2000 }, () => run(share, samples));
  for (const samples of [59, 93, 300]) {
    const passed = outcomes(0.949, samples).filter((verdict) => verdict === 'passed').length;
    expect(passed).toBeLessThan(2000 * 0.05 + 3 * Math.sqrt(2000 * 0.05));
    expect(outcomes(0.95, samples)).not.toContain('failed');
  }
  expect(new Set(outcomes(0.5, 60))).toEqual(new Set(['failed']));
});

test('more samples within the bound never make a verdict worse, and more beyond it never better', () => {
  const order = ['failed', 'undecided', 'passed'];
  fc.assert(
    fc.property(fc.nat(400), fc.nat(40), fc.boolean(), (good, bad, every) => {
      const rank = (more: number, worse: number): number =>
        order.indexOf(report(agreement(good + more, bad + worse, { every })).verdict);
      expect(rank(1, 0)).toBeGreaterThanOrEqual(rank(0, 0));
      expect(rank(0, 1)).toBeLessThanOrEqual(rank(0, 0));
    }),
  );
});

test.each([
  ['share', 1],
  ['share', 0],
  ['confidence', 1.5],
  ['falseAlarmRate', NaN],
])('%s of %f is refused', (name, value) => {
  expect(() => evidenceOf({ [name]: value })).toThrow(ConfigError);
});
