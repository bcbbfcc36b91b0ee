import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { editDistance, tokenAgreement, tokensOfText } from '../../src/safety/token-distance.ts';

/** The definition, without shortcuts. */
function levenshtein(one: readonly number[], other: readonly number[]): number {
  if (one.length === 0 || other.length === 0) return Math.max(one.length, other.length);
  const [[a, ...rest], [b, ...otherRest]] = [one, other] as [[number, ...number[]], [number, ...number[]]];
  if (a === b) return levenshtein(rest, otherRest);
  return 1 + Math.min(levenshtein(rest, other), levenshtein(one, otherRest), levenshtein(rest, otherRest));
}

const tokens = fc.array(fc.nat(3), { maxLength: 7 });

test('the edit distance is that of its definition', () => {
  fc.assert(
    fc.property(tokens, tokens, (one, other) => {
      const longer = Math.max(1, one.length, other.length);
      expect(editDistance(one, other) * longer).toBeCloseTo(levenshtein(one, other), 9);
      expect(editDistance(one, other)).toBeLessThanOrEqual(1 - tokenAgreement(one, other) + 1e-12);
    }),
  );
});

test.each([
  ['kitten', 'sitting', 3 / 7],
  ['', '', 0],
  ['', 'abc', 1],
  ['abc', 'abc', 0],
  ['xabc', 'abc', 1 / 4],
])('from %j to %j', (one, other, distance) => {
  expect(editDistance([...one], [...other])).toBe(distance);
});

test('sequences that are too long for a table are compared place by place, which is never less', () => {
  const one = Array.from({ length: 100_000 }, (_, i) => i);
  const other = [...one.slice(1, -1), -1, -2];
  expect(editDistance(one, other)).toBe(1);
  // Equal ends take nothing, however long.
  expect(editDistance([...one, 1, ...one], [...one, 2, ...one])).toBeCloseTo(1 / 200_001, 12);
});

test('agreement is counted place by place, of the longer', () => {
  expect(tokenAgreement([1, 2, 3], [1, 2, 3])).toBe(1);
  expect(tokenAgreement([1, 2, 3, 4], [1, 9])).toBe(0.25);
  expect(tokenAgreement([], [])).toBe(1);
  expect(tokenAgreement([], [1])).toBe(0);
});

test.each([
  ['Hello, wide  world!', ['Hello', ',', 'wide', 'world', '!']],
  ['今天好', ['今', '天', '好']],
  ['naïve Ünï 3.5', ['naïve', 'Ünï', '3', '.', '5']],
  [' \n', []],
  ['👍🏽', ['👍', '🏽']],
])('%j as tokens', (text, expected) => {
  expect(tokensOfText(text)).toEqual(expected);
});
