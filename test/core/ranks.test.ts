import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { relativeError, ROUNDING, scaleOf } from '../../src/safety/distances.ts';
import { kendallTau, ndcg, tieOf, topAgreement } from '../../src/safety/ranks.ts';

/** Scores of which many are nearly level, and the same with as much rounding as there may be. */
const rounded = fc
  .array(
    fc.tuple(
      fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 20_000 })),
      fc.oneof(fc.constantFrom(-1, 1), fc.double({ min: -1, max: 1, noNaN: true })),
    ),
    { minLength: 1 },
  )
  .map((rows) => {
    // Steps of a fiftieth of the largest rounding.
    const expected = rows.map(([steps]) => 1 - steps * (ROUNDING / 50));
    const scale = scaleOf(expected);
    return { expected, actual: rows.map(([, part], i) => (expected[i] as number) + part * 0.999 * ROUNDING * scale) };
  });

test('no rounding lowers what is measured of an order', () => {
  fc.assert(
    fc.property(rounded, fc.integer({ min: 1, max: 12 }), ({ expected, actual }, k) => {
      expect(relativeError(expected, actual)).toBeLessThanOrEqual(ROUNDING);
      expect(topAgreement(expected, actual, k)).toBe(1);
      expect(kendallTau(expected, actual) ?? 1).toBe(1);
      expect(ndcg(expected, actual, k) ?? 1).toBeCloseTo(1, 12);
    }),
    { numRuns: 2000 },
  );
});

test('with gaps wider than a tie, tau and the agreement are those of their definitions', () => {
  const scores = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 20 });
  fc.assert(
    fc.property(scores, fc.infiniteStream(fc.nat()), fc.integer({ min: 1, max: 20 }), (expected, draws, k) => {
      const actual = expected.map(() => draws.next().value as number);
      let sum = 0;
      let pairs = 0;
      for (let i = 0; i < expected.length; i++) {
        for (let j = 0; j < i; j++) {
          pairs++;
          sum += Math.sign(
            ((expected[i] as number) - (expected[j] as number)) * ((actual[i] as number) - (actual[j] as number)),
          );
        }
      }
      expect(kendallTau(expected, actual)).toBeCloseTo(sum / pairs, 12);
      const top = (all: readonly number[]): readonly number[] =>
        all
          .map((_, i) => i)
          .toSorted((a, b) => (all[b] as number) - (all[a] as number))
          .slice(0, k);
      const expectedTop = new Set(top(expected));
      const both = top(actual).filter((i) => expectedTop.has(i)).length;
      expect(topAgreement(expected, actual, k)).toBeCloseTo(both / Math.min(k, expected.length), 12);
    }),
  );
});

test('one thing has no order, and neither have things that are level', () => {
  expect([kendallTau([1], [2]), ndcg([1], [2], 10)]).toEqual([undefined, undefined]);
  expect([kendallTau([1, 1.0001], [2, 1]), ndcg([1, 1.0001], [2, 1], 10)]).toEqual([undefined, undefined]);
});

test('NaN in an answer is no order, and where the reference has it nothing is compared', () => {
  expect([kendallTau([1, 2], [NaN, 1]), ndcg([1, 2], [NaN, 1], 2), topAgreement([1, 2], [NaN, NaN], 1)]).toEqual([
    NaN,
    NaN,
    0,
  ]);
  for (const none of [NaN, Infinity, -Infinity]) {
    expect(kendallTau([1, none, 2], [1, 5, 2])).toBe(1);
    expect(ndcg([1, none, 2], [1, 5, 2], 2)).toBe(1);
    expect(topAgreement([1, none, 2], [1, 5, 2], 1)).toBe(1);
  }
});

test('many candidates are compared in a moment, the whole order still', () => {
  const expected = Float64Array.from({ length: 200_000 }, (_, i) => i) as unknown as number[];
  const reversed = expected.map((each) => -each);
  expect(kendallTau(expected, reversed)).toBe(-1);
  expect(kendallTau(expected, expected)).toBe(1);
});

test('scores without probability are not what others are level by', () => {
  expect(tieOf([5, -3e38])).toBe(tieOf([5]));
  expect(tieOf([5, -65_504])).toBe(tieOf([5]));
  expect(tieOf([-500, -3])).toBe(tieOf([500]));
  expect(tieOf([])).toBe(0);
});

test('scores as large as there are any are ranked like others', () => {
  const scores = [0, -1.1e308, 0, 1.7e308];
  expect(ndcg(scores, scores, 10)).toBe(1);
  expect(ndcg(scores, scores.toReversed(), 10)).toBeLessThan(1);
});
