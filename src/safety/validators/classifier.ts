/** @module Classifiers: which classes come first, and how likely. */

import { isEqualIfDiscrete, isReal, nonFinite, rowsOf, structure, worstOf } from '../common-metrics.ts';
import type { EvidenceOptions } from '../judge.ts';
import { count, limit } from '../limits.ts';
import type { Leaf, RankingLeaf } from '../output-leaves.ts';
import { createValidator } from '../output-validator.ts';
import type { OutputValidator, Sample } from '../output-validator.ts';
import { kindOf, probabilityDistance } from '../probabilities.ts';
import type { ScoreKind } from '../probabilities.ts';
import { tieOf, topAgreement } from '../ranks.ts';
import type { ValidationReport } from '../validation-report.ts';

/** Bounds of the validator of classifiers; each has a default. */
export interface ClassifierValidatorOptions extends EvidenceOptions {
  /** How many of the highest classes are compared. Default 1. */
  readonly k?: number | undefined;
  /**
   * Smallest share of them that are the reference's, or level with those. Default 1. Accuracy falls by no more than the share of answers
   * that disagree: with a `share` of 0.99 it is the 99 % of fp32's accuracy that MLPerf Inference asks of quantised models.
   */
  readonly minAgreement?: number | undefined;
  /** Largest distance of the probabilities, from 0 to 1: no event's probability may move by more. Default 0.05. */
  readonly maxDistance?: number | undefined;
  /** What the scores are. Default: told from the reference's (see `kindOf`). */
  readonly scores?: ScoreKind | undefined;
}

/** For answers that are scores of classes. @throws ConfigError naming an option that is out of range. */
export function classifierValidator(options: ClassifierValidatorOptions = {}): OutputValidator<ValidationReport> {
  const k = count('k', options.k ?? 1);
  return createValidator(
    'classifier',
    [
      { ...structure, measure: structureOf },
      nonFinite,
      {
        name: 'top_k_agreement',
        bound: limit('minAgreement', options.minAgreement ?? 1, 1),
        direction: 'at_least',
        measure: (sample) =>
          worstOf(
            rowsIn(sample).map(([one, other, tie]) => topAgreement(one, other, k, tie)),
            'at_least',
          ),
      },
      {
        name: 'probability_distance',
        bound: limit('maxDistance', options.maxDistance ?? 0.05, 1),
        direction: 'at_most',
        every: true,
        measure: (sample) =>
          worstOf(
            rowsIn(sample).map(([one, other]) => probabilityDistance(one, other, options.scores ?? kindOf(one))),
            'at_most',
          ),
      },
    ],
    options,
  );
}

/** As elsewhere, but a list of the highest classes may name others, and so may a label, where two classes are level. */
function structureOf({ differences, leaves, ...sample }: Sample): number {
  const rankings = new Set(leaves.filter(({ kind }) => kind === 'ranking').map(({ path }) => path));
  if (differences.some(({ path, isSize }) => !(isSize && rankings.has(path)))) return 0;
  if (leaves.every(isEqualIfDiscrete)) return 1;
  // The label is then that of the highest score: where another is, it is told by `top_k_agreement`.
  const rows = rowsIn({ differences, leaves, ...sample });
  return rows.some(([expected, actual]) => highest(expected) !== highest(actual)) ? 1 : 0;
}

function highest(scores: readonly number[]): number {
  let place = 0;
  for (let i = 1; i < scores.length; i++) if ((scores[i] as number) > (scores[place] as number)) place = i;
  return place;
}

/** The scores of each row of classes, those of both answers, and how far two of them may be apart to be level. */
function rowsIn({ leaves }: Sample): readonly (readonly [readonly number[], readonly number[], number])[] {
  return leaves.flatMap((leaf: Leaf) => {
    const [first, ...rest] = leaf.kind === 'ranking' ? [scoresOf(leaf)] : rowsOfReal(leaf);
    if (first === undefined) return [];
    const tie = tieOf(leaf.kind === 'numbers' ? leaf.expected : first[0]);
    return [first, ...rest].map(([expected, actual]) => [expected, actual, tie] as const);
  });
}

function rowsOfReal(leaf: Leaf): readonly (readonly [readonly number[], readonly number[]])[] {
  return isReal(leaf) && leaf.expected.length === leaf.actual.length ? rowsOf(leaf) : [];
}

/**
 * The scores of all labels that either answer lists. One that an answer leaves out is no higher than the lowest that it lists, nor
 * than what those leave of 1.
 */
function scoresOf({ expected, actual }: RankingLeaf): readonly [readonly number[], readonly number[]] {
  const labels = [...new Set([...expected.keys(), ...actual.keys()])];
  const of = (scores: ReadonlyMap<string | number, number>): readonly number[] => {
    const listed = [...scores.values()];
    const rest = Math.max(0, 1 - listed.reduce((sum, score) => sum + score, 0));
    const missing = Math.min(rest, ...listed);
    return labels.map((label) => scores.get(label) ?? missing);
  };
  return [of(expected), of(actual)];
}
