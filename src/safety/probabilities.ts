/** @module What scores of classes say as probabilities, and how far two of them are apart. */

/** 'logits' and 'probabilities' are of classes of which one holds; 'independent' are probabilities of classes that may all hold. */
export type ScoreKind = 'logits' | 'probabilities' | 'independent';

/** Rounding that a sum of probabilities may show: that of 16-bit numbers, and of fp32 over large vocabularies. */
const SUM_ERROR = 0.01;

/** What scores are: from 0 to 1, they are probabilities of one class if their sum is 1, else independent ones; others are logits. */
export function kindOf(scores: readonly number[]): ScoreKind {
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (!(score >= 0 && score <= 1 + SUM_ERROR)) return 'logits';
    sum += score;
  }
  return Math.abs(sum - 1) <= SUM_ERROR && scores.length > 1 ? 'probabilities' : 'independent';
}

/**
 * How far probabilities are apart, 0 to 1: the total variation distance of those of which one class holds, which is the most by which the
 * probability of anything differs (D. A. Levin, Y. Peres, "Markov Chains and Mixing Times", 2017, proposition 4.2); of independent ones, or
 * of one logit (its sigmoid), the largest difference. NaN where what the reference has finite came out as none.
 */
export function probabilityDistance(expected: readonly number[], actual: readonly number[], kind: ScoreKind): number {
  const compared = kind === 'logits' && expected.length === 1 ? sigmoids : kind === 'logits' ? softmaxes : same;
  const [one, other] = compared(expected, actual);
  const isSum = expected.length > 1 && kind !== 'independent';
  let distance = 0;
  for (let i = 0; i < one.length; i++) {
    if (!Number.isFinite(expected[i]) && kind !== 'logits') continue;
    const difference = Math.abs((one[i] as number) - (other[i] as number));
    distance = isSum ? distance + difference / 2 : Math.max(distance, difference);
  }
  return distance;
}

type Rows = readonly [ArrayLike<number>, ArrayLike<number>];

const same = (expected: readonly number[], actual: readonly number[]): Rows => [expected, actual];

const sigmoids = (expected: readonly number[], actual: readonly number[]): Rows => {
  const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));
  const [one, other] = [expected[0] as number, actual[0] as number];
  return Number.isNaN(one) ? [[0], [0]] : [[sigmoid(one)], [sigmoid(other)]];
};

/** A logit of minus infinity is a class that cannot be; where the reference has NaN or Infinity there is nothing to compare. */
const softmaxes = (expected: readonly number[], actual: readonly number[]): Rows => {
  const highest = (row: readonly number[]): number => {
    let max = -Infinity;
    for (let i = 0; i < row.length; i++) max = Math.max(max, row[i] as number);
    return max;
  };
  const softmax = (row: readonly number[], max: number): Float64Array => {
    const probabilities = new Float64Array(row.length);
    let sum = 0;
    for (let i = 0; i < row.length; i++) sum += probabilities[i] = Math.exp((row[i] as number) - max);
    for (let i = 0; i < row.length; i++) probabilities[i] = (probabilities[i] as number) / sum;
    return probabilities;
  };
  const max = highest(expected);
  return Number.isFinite(max) ? [softmax(expected, max), softmax(actual, highest(actual))] : [[], []];
};
