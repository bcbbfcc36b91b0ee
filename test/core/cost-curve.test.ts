import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nearestSize, sizeAbove, sizeBelow, sizeWithin } from '../../src/batching/batch-sizes.ts';
import { CostCurve } from '../../src/batching/cost-curve.ts';
import { createRandom } from '../helpers/cache-traces.ts';

/** A curve on which each size was run often enough to count. */
function curveOf(costs: Readonly<Record<number, number>>): CostCurve {
  const curve = new CostCurve();
  for (const [size, cost] of Object.entries(costs)) for (let i = 0; i < 3; i++) curve.observe(Number(size), cost, 0);
  return curve;
}

describe('sizes', () => {
  test('are each up to 8, then four a doubling', () => {
    const sizes: number[] = [];
    for (let size = 1; size <= 128; size = sizeAbove(size)) sizes.push(size);
    expect(sizes).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128]);
  });

  test('are near the rows that they stand for, and know their neighbours', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), (rows) => {
        const [near, within] = [nearestSize(rows), sizeWithin(rows)];
        expect(Math.abs(near - rows) / rows).toBeLessThanOrEqual(1 / 8);
        expect(within).toBeLessThanOrEqual(rows);
        expect(sizeAbove(within)).toBeGreaterThan(rows);
        expect(nearestSize(near)).toBe(near);
        expect(sizeBelow(sizeAbove(near))).toBe(near);
      }),
    );
    expect(sizeBelow(1)).toBeUndefined();
  });
});

test('nothing is known before the first batch', () => {
  const curve = new CostCurve();
  expect([curve.costOf(1), curve.knownSizes(), curve.points, curve.lastObserved(1)]).toEqual([
    undefined,
    [],
    [],
    undefined,
  ]);
});

test('of one size alone no gain is expected of a larger one', () => {
  const curve = curveOf({ 4: 10 });
  expect([1, 4, 8].map((rows) => curve.costOf(rows))).toEqual([10, 10, 20]);
});

test('between sizes the cost lies on a straight line, beyond the largest on the last one', () => {
  const curve = curveOf({ 1: 11, 2: 12, 8: 18 });
  const costs = [1, 2, 5, 8, 16].map((rows) => curve.costOf(rows) as number);
  for (const [i, cost] of [11, 12, 15, 18, 26].entries()) expect(costs[i]).toBeCloseTo(cost, 9);
});

test('a larger batch is never expected to be cheaper than the largest that was seen', () => {
  const curve = curveOf({ 1: 11, 2: 12, 8: 9 });
  expect(curve.costOf(64)).toBe(curve.costOf(8));
});

test('the first batch of a size, which pays for what is done once, does not count', () => {
  const curve = new CostCurve();
  curve.observe(1, 600, 0);
  expect([curve.costOf(1), curve.isKnown(1)]).toEqual([600, false]);
  curve.observe(1, 10, 1);
  expect([curve.costOf(1), curve.isKnown(1)]).toEqual([10, true]);
});

test('what it costs is the mean, in which a batch that was held up counts for thrice the mean at most', () => {
  const curve = curveOf({ 1: 10 });
  for (let i = 0; i < 200; i++) {
    curve.observe(1, 10, 0);
    curve.observe(1, 20, 0);
  }
  expect(curve.costOf(1)).toBeGreaterThan(14);
  expect(curve.costOf(1)).toBeLessThan(16);
  const heldUp = curveOf({ 1: 10 });
  for (let i = 0; i < 200; i++) {
    for (let k = 0; k < 9; k++) heldUp.observe(1, 10, 0);
    heldUp.observe(1, 1e6, 0);
  }
  expect(heldUp.costOf(1)).toBeGreaterThan(11);
  expect(heldUp.costOf(1)).toBeLessThan(15);
});

test('where costs vary much, sizes that were seen seldom are taken to lie where the others let expect', () => {
  const random = createRandom(1);
  const pause = (): number => (random() < 0.3 ? 20 : 0);
  const errors = Array.from({ length: 50 }, () => {
    const curve = new CostCurve();
    for (let i = 0; i < 100; i++) for (const size of [1, 4, 8]) curve.observe(size, 10 + size + pause(), 0);
    for (let i = 0; i < 3; i++) curve.observe(16, 26 + pause(), 0);
    return (curve.costOf(16) as number) - 32;
  });
  const spread = Math.sqrt(errors.reduce((sum, each) => sum + each * each, 0) / errors.length);
  // Its own mean of two is off by 6.5.
  expect(spread).toBeLessThan(4);
});

test('where they do not, a size that is off the line is believed', () => {
  const curve = curveOf({ 1: 11, 2: 12, 4: 14, 8: 18, 16: 60 });
  expect(curve.costOf(16)).toBeGreaterThan(57);
  expect(curve.costOf(8)).toBeLessThan(19);
});

test('a size that is kept under its neighbour’s is counted as the neighbour', () => {
  const curve = curveOf({ 8: 8, 16: 16 });
  for (let i = 0; i < 2; i++) curve.observe(9, 18, 0);
  // 9 rows took twice what was expected: so will 10, which they are kept under.
  expect(nearestSize(9)).toBe(10);
  expect(curve.costOf(10)).toBeGreaterThan(18);
  expect(curve.costOf(10)).toBeLessThan(20.1);
});

test('when the machine changes, what is known of all sizes changes with it', () => {
  const curve = curveOf({ 1: 10, 8: 20, 16: 30 });
  for (let i = 0; i < 5; i++) curve.observe(8, 60, 50 * i);
  const costs = [1, 8, 16].map((size) => curve.costOf(size) as number);
  for (const [i, cost] of [30, 60, 90].entries()) expect(Math.abs((costs[i] as number) / cost - 1)).toBeLessThan(0.05);
  expect(curve.lastObserved(16)).toBe(-Infinity);
  expect(curve.lastObserved(8)).toBe(200);
});

test('a pause that makes a few batches slow changes nothing', () => {
  const curve = curveOf({ 1: 10, 8: 20 });
  for (let i = 0; i < 6; i++) curve.observe(8, 60, 10 * i);
  curve.observe(8, 20, 60);
  expect(curve.costOf(1)).toBe(10);
});

test('costs stay finite and positive, whatever is observed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 200 }), fc.double({ min: 0, max: 1e6, noNaN: true })), {
        minLength: 1,
      }),
      (observations) => {
        const curve = new CostCurve();
        for (const [rows, cost] of observations) curve.observe(rows, cost, 0);
        for (const rows of [1, 2, 7, 64, 1000]) {
          const cost = curve.costOf(rows) as number;
          expect(Number.isFinite(cost) && cost >= 0).toBe(true);
        }
        const sizes = curve.points.map(({ size }) => size);
        expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
      },
    ),
  );
});

test('a clock that is too coarse to see a run is no end of the curve', () => {
  const curve = curveOf({ 1: 0, 2: 0, 8: 1 });
  // A machine that got slower, and then faster again.
  for (const cost of [1, 0]) {
    for (let i = 0; i < 8; i++) for (const size of [1, 2, 8]) curve.observe(size, cost, 100 * i);
    for (const size of [1, 2, 8]) expect(curve.costOf(size)).toBeLessThan(10);
  }
  for (let i = 0; i < 200; i++) for (const size of [1, 2, 8]) curve.observe(size, size, 10_000 + 100 * i);
  for (const size of [1, 2, 8]) expect(curve.costOf(size)).toBeCloseTo(size, 1);
});
