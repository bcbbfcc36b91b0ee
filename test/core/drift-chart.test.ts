import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AlarmBudget } from '../../src/safety/alarm-budget.ts';
import { DriftChart } from '../../src/safety/drift-chart.ts';
import { RankHistory } from '../../src/safety/rank-history.ts';
import { createRandom } from '../helpers/cache-traces.ts';
import { DISTANCES } from '../helpers/distances.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

describe('ranks', () => {
  test.each(Object.entries(DISTANCES))(
    'of numbers %s are uniform and independent of those before, also where numbers were forgotten',
    (_, draw) => {
      const random = createRandom(11);
      const [cells, lag, rounds, length] = [6, 999, 30, 4500];
      const next = new Float64Array(cells * cells);
      const distant = new Float64Array(cells * cells);
      const add = (table: Float64Array, from: number, to: number): void => {
        const cell = Math.floor(from * cells) * cells + Math.floor(to * cells);
        table[cell] = (table[cell] as number) + 1;
      };
      for (let round = 0; round < rounds; round++) {
        const history = new RankHistory(random);
        const ranks = Array.from({ length }, () => history.observe(draw(random)));
        for (let i = 1; i < length; i++) add(next, ranks[i - 1] as number, ranks[i] as number);
        for (let i = lag; i < length; i++) add(distant, ranks[i - lag] as number, ranks[i] as number);
      }
      for (const table of [next, distant]) {
        const expected = table.reduce((sum, each) => sum + each, 0) / table.length;
        const chiSquared = table.reduce((sum, each) => sum + (each - expected) ** 2 / expected, 0);
        // 35 degrees of freedom: above 70 once in 2000 times.
        expect(chiSquared).toBeLessThan(70);
      }
    },
  );

  test('of four numbers are any of 1, 2, 3 and 4, each with any of those before', () => {
    const values = [0, 1, 2, 3];
    const orders = values.flatMap((a) =>
      values.flatMap((b) => values.flatMap((c) => (new Set([a, b, c]).size === 3 ? [[a, b, c, 6 - a - b - c]] : []))),
    );
    const seen = orders.map((order) => {
      const history = new RankHistory(() => 0);
      return order.map((each) => history.observe(each)).join();
    });
    expect(new Set(seen).size).toBe(24);
  });

  test('are below 1 whatever is drawn', () => {
    const history = new RankHistory(() => 1 - Number.EPSILON / 2);
    for (let i = 0; i < 5000; i++) expect(history.observe(i)).toBeLessThan(1);
  });

  test('are among late numbers: early ones are forgotten', () => {
    const history = new RankHistory(createRandom(3));
    expect(history.median).toBeUndefined();
    for (let i = 0; i < 6000; i++) history.observe(i);
    expect(history.median).toBeGreaterThan(4000);
  });
});

describe('a chart', () => {
  test.each([0.5, 0.1, 0.001])('alarms by chance no more often than it may, of %d each time', (chance) => {
    const [chart, random, allowed] = [new DriftChart(), createRandom(4), 2000];
    let alarms = 0;
    for (let i = 0; i < allowed / chance; i++) alarms += Number(chart.observe(random(), chance));
    expect(alarms).toBeLessThan(allowed);
    expect(alarms).toBeGreaterThan(allowed / 10);
  });

  test('nor where what it may differs from time to time', () => {
    const [chart, random] = [new DriftChart(), createRandom(5)];
    let [alarms, allowed] = [0, 0];
    while (allowed < 2000) {
      const chance = random() < 0.5 ? 1e-6 : random() ** 4;
      allowed += chance;
      alarms += Number(chart.observe(random(), chance));
    }
    expect(alarms).toBeLessThan(2000);
    expect(alarms).toBeGreaterThan(200);
  });

  test('what its bets pay is 1 on average', () => {
    // With a stake only at the first rank, the chart holds stake times what that rank pays. Where 1 - rank is v ** 8, the
    // average over ranks is an integral over v without a pole.
    const [count, stake] = [20_000, 1e-9];
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const v = (i + 0.5) / count;
      const chart = new DriftChart();
      chart.observe(1 - v ** 8, stake);
      sum += (chart.evidence / stake) * 8 * v ** 7;
    }
    expect(sum / count).toBeCloseTo(1, 3);
  });

  test('its score is the moving average of the ranks', () => {
    const chart = new DriftChart();
    expect([chart.score, chart.evidence]).toEqual([0.5, 0]);
    chart.observe(0.9, 1e-3);
    expect(chart.score).toBeCloseTo(0.54);
    for (let i = 0; i < 200; i++) chart.observe(0.75, 1e-9);
    expect(chart.score).toBeCloseTo(0.75);
  });

  test('after an alarm it begins anew', () => {
    const chart = new DriftChart();
    let count = 1;
    while (!chart.observe(0.999, 1e-6)) count++;
    expect([chart.evidence, count > 2]).toEqual([0, true]);
    let again = 1;
    while (!chart.observe(0.999, 1e-6)) again++;
    expect(again).toBe(count);
  });
});

describe('a budget', () => {
  /** What it allows for so many comparisons in one period. */
  const spend = (budget: AlarmBudget, count: number): number => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += budget.next();
    return sum;
  };

  test('is half spent on what was expected, evenly, and never exceeded however much comes', () => {
    const clock = createFakeClock();
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.integer({ min: 0, max: 200 }),
        (comparisons, falseAlarms, times) => {
          const budget = new AlarmBudget({ falseAlarms, periodMs: 1000, comparisons, clock });
          expect(budget.next()).toBeCloseTo(falseAlarms / comparisons / 2);
          const expected = falseAlarms / comparisons / 2 + spend(budget, comparisons - 1);
          expect(expected / falseAlarms).toBeCloseTo(0.5, 9);
          expect(expected + spend(budget, comparisons * Math.min(times, 20_000 / comparisons))).toBeLessThanOrEqual(
            falseAlarms,
          );
        },
      ),
    );
  });

  test('is a new one in each period', () => {
    const clock = createFakeClock();
    const budget = new AlarmBudget({ falseAlarms: 2, periodMs: 1000, comparisons: 10, clock });
    const first = budget.next();
    spend(budget, 500);
    expect(budget.next()).toBeLessThan(first / 1000);
    clock.advance(999);
    expect(budget.next()).toBeLessThan(first);
    clock.advance(1);
    expect(budget.next()).toBe(first);
  });
});
