/** @module Rerankers: in which order candidates come. */

import { isEqualIfDiscrete, nonFinite, realLeaves, structure } from '../common-metrics.ts';
import { scaleOf } from '../distances.ts';
import type { EvidenceOptions } from '../judge.ts';
import { count, limit } from '../limits.ts';
import { createValidator } from '../output-validator.ts';
import type { OutputValidator, Sample } from '../output-validator.ts';
import { kendallTau, ndcg } from '../ranks.ts';
import type { ValidationReport } from '../validation-report.ts';

/** Bounds of the validator of rerankers; each has a default. */
export interface RerankerValidatorOptions extends EvidenceOptions {
  /** Smallest Kendall's tau between the orders, 0 to 1. Default 0.9: of 20 pairs, 19 in the same order. */
  readonly minTau?: number | undefined;
  /** Smallest NDCG, taking the reference's scores for the gains, 0 to 1. Default 0.95: of what the first `k` could give, 5 % is lost. */
  readonly minNdcg?: number | undefined;
  /**
   * How far a score may be off, relative to the largest absolute score of all that are compared. Default 0.1. Order is blind to scores that
   * are all twice as high, and whoever keeps what is above a threshold is not.
   */
  readonly maxScoreError?: number | undefined;
  /** How many of the first NDCG looks at. Default 10. */
  readonly k?: number | undefined;
}

/** Most answers of one candidate that are put in an order with each other. */
const POOLED = 256;

type Scores = readonly [readonly number[], readonly number[]];

/**
 * An answer is the scores of one question's candidates. Where it is that of one candidate, its place among the other answers of one
 * is what is compared: the path does not know whose question it was.
 *
 * @throws ConfigError naming an option that is out of range
 */
export function rerankerValidator(options: RerankerValidatorOptions = {}): OutputValidator<ValidationReport> {
  const k = count('k', options.k ?? 10);
  return createValidator(
    'reranker',
    [
      { ...structure, measure: structureOf },
      nonFinite,
      {
        name: 'kendall_tau',
        bound: limit('minTau', options.minTau ?? 0.9, 1),
        direction: 'at_least',
        measure: (sample, samples) => {
          const scores = scoresOf(sample);
          if (scores === undefined) return undefined;
          return scores[0].length === 1 ? placeAmong(scores, samples) : kendallTau(...scores);
        },
      },
      {
        name: 'ndcg',
        bound: limit('minNdcg', options.minNdcg ?? 0.95, 1),
        direction: 'at_least',
        every: true,
        optional: true,
        measure: (sample) => {
          const scores = scoresOf(sample);
          return scores && ndcg(...scores, k);
        },
      },
      {
        name: 'score_error',
        bound: limit('maxScoreError', options.maxScoreError ?? 0.1),
        direction: 'at_most',
        every: true,
        measure: (sample, samples) => {
          const scores = scoresOf(sample);
          return scores && differenceOf(...scores) / (scaleOfAll(samples) || 1);
        },
      },
    ],
    options,
  );
}

/** As elsewhere, but the same candidates may be listed in another order. */
function structureOf({ differences, leaves }: Sample): number {
  if (differences.length > 0 || !leaves.every(isEqualIfDiscrete)) return 0;
  const sameCandidates = leaves.every(
    (leaf) => leaf.kind !== 'ranking' || [...leaf.expected.keys()].every((label) => leaf.actual.has(label)),
  );
  return sameCandidates ? 1 : 0;
}

/** All scores of an answer, in the reference's order of candidates. A candidate that the other left out has none. */
function scoresOf(sample: Sample): Scores | undefined {
  const ranking = sample.leaves.find((leaf) => leaf.kind === 'ranking');
  if (ranking !== undefined) {
    const labels = [...ranking.expected.keys()];
    return [[...ranking.expected.values()], labels.map((label) => ranking.actual.get(label) ?? NaN)];
  }
  const leaves = realLeaves(sample);
  const leaf = leaves.find(({ name }) => /^(logits|scores?)$/.test(name)) ?? leaves[0];
  if (leaf === undefined || leaf.expected.length === 0) return undefined;
  return [Array.from(leaf.expected, Number), Array.from(leaf.actual, Number)];
}

/** How much of the order between this answer's score and the others' is kept: 1 for all, −1 where it is turned round. */
function placeAmong([[expected], [actual]]: Scores, samples: readonly Sample[]): number | undefined {
  let pairs = 0;
  let sum = 0;
  for (const other of samples.slice(0, POOLED)) {
    const scores = scoresOf(other);
    if (scores?.[0].length !== 1) continue;
    const tau = kendallTau([expected as number, scores[0][0] as number], [actual as number, scores[1][0] as number]);
    if (tau === undefined) continue;
    pairs++;
    sum += tau;
  }
  return pairs === 0 ? undefined : sum / pairs;
}

function differenceOf(expected: readonly number[], actual: readonly number[]): number {
  let largest = 0;
  for (let i = 0; i < expected.length; i++)
    if (Number.isFinite(expected[i]))
      largest = Math.max(largest, Math.abs((expected[i] as number) - (actual[i] as number)));
  return largest;
}

const scales = new WeakMap<readonly Sample[], number>();

/** The largest finite absolute score of the reference. A score on its own may be near 0, where relative to it all rounding is large. */
function scaleOfAll(samples: readonly Sample[]): number {
  let scale = scales.get(samples);
  if (scale === undefined) {
    scale = samples.reduce((largest, sample) => Math.max(largest, scaleOf(scoresOf(sample)?.[0] ?? [])), 0);
    scales.set(samples, scale);
  }
  return scale;
}
