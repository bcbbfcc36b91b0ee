/** @module Embeddings: vectors that are compared by their angles. */

import { nonFinite, realLeaves, rowsOf, structure, worstOf } from '../common-metrics.ts';
import { compareVectors, TIE } from '../distances.ts';
import type { EvidenceOptions } from '../judge.ts';
import { count, limit } from '../limits.ts';
import { createValidator } from '../output-validator.ts';
import type { Metric, OutputValidator, Sample } from '../output-validator.ts';
import type { ValidationReport } from '../validation-report.ts';

/** Bounds of the validator of embeddings; each has a default. */
export interface EmbeddingValidatorOptions extends EvidenceOptions {
  /**
   * Smallest cosine between a vector and the reference's. Default 0.99: the similarity to any other vector then moves by 0.141 at
   * most (the chord √(2 − 2 · 0.99), by the Cauchy-Schwarz inequality), and as a rule by that over the root of the dimensions.
   */
  readonly minCosine?: number | undefined;
  /** Largest difference of a vector's length, relative to the reference's, to which the cosine is blind. Default 0.05. */
  readonly maxLengthError?: number | undefined;
  /**
   * Smallest share of pairs of other inputs' vectors that are in the same order by similarity to a vector, whichever path it came
   * from, as in a search over vectors that the reference made. Default 0.95. Not more than 256 of them are ranked.
   */
  readonly minRankAgreement?: number | undefined;
  /** How many of the most similar are ranked against all. Default 10. */
  readonly neighbours?: number | undefined;
}

/** Most vectors that each one is ranked against. */
const RANKED = 256;

/** For answers that are vectors, which are compared by their angle. @throws ConfigError naming an option that is out of range. */
export function embeddingValidator(options: EmbeddingValidatorOptions = {}): OutputValidator<ValidationReport> {
  const minCosine = limit('minCosine', options.minCosine ?? 0.99, 1);
  const neighbours = count('neighbours', options.neighbours ?? 10);
  return createValidator(
    'embedding',
    [
      structure,
      nonFinite,
      {
        name: 'cosine',
        bound: minCosine,
        direction: 'at_least',
        every: true,
        measure: (sample) => worstVector(sample, 'cosine', 'at_least'),
      },
      {
        name: 'length_error',
        bound: limit('maxLengthError', options.maxLengthError ?? 0.05),
        direction: 'at_most',
        every: true,
        measure: (sample) => worstVector(sample, 'lengths', 'at_most'),
      },
      {
        name: 'rank_agreement',
        bound: limit('minRankAgreement', options.minRankAgreement ?? 0.95, 1),
        direction: 'at_least',
        measure: (sample, samples) => rankAgreement(sample, samples, neighbours),
      },
    ],
    options,
  );
}

function worstVector(sample: Sample, what: 'cosine' | 'lengths', direction: Metric['direction']): number | undefined {
  return worstOf(
    realLeaves(sample).flatMap((leaf) =>
      rowsOf(leaf).map(([expected, actual]) => compareVectors(expected, actual)[what]),
    ),
    direction,
  );
}

type Vector = readonly number[];

/**
 * One vector of each sample, of the reference's and of the other path's: the first row of the output with the fewest numbers, which
 * of a model that gives both is the sentence's rather than the words'. Kept for as long as the samples are.
 */
const firstVectors = new WeakMap<Sample, readonly [Vector, Vector] | undefined>();

function firstVector(sample: Sample): readonly [Vector, Vector] | undefined {
  if (!firstVectors.has(sample)) {
    const [smallest] = realLeaves(sample).toSorted((a, b) => a.expected.length - b.expected.length);
    firstVectors.set(sample, smallest && rowsOf(smallest)[0]);
  }
  return firstVectors.get(sample);
}

/**
 * Of the others' vectors by the reference, which are the most similar to this one by the reference, and are they still, by the
 * vector of the other path? The share of pairs of a neighbour and any other that are in the same order; those that rounding alone
 * could swap are not counted.
 */
function rankAgreement(sample: Sample, samples: readonly Sample[], neighbours: number): number | undefined {
  const own = firstVector(sample);
  if (own === undefined) return undefined;
  const similarities: (readonly [number, number])[] = [];
  for (const other of samples) {
    if (similarities.length === RANKED) break;
    const vector = other === sample ? undefined : firstVector(other)?.[0];
    if (vector === undefined || vector.length !== own[0].length) continue;
    similarities.push([compareVectors(own[0], vector).cosine, compareVectors(own[1], vector).cosine]);
  }
  similarities.sort(([a], [b]) => b - a);
  let pairs = 0;
  let agreeing = 0;
  for (let i = 0; i < Math.min(neighbours, similarities.length); i++) {
    for (let j = i + 1; j < similarities.length; j++) {
      const [near, nearNow] = similarities[i] as readonly [number, number];
      const [far, farNow] = similarities[j] as readonly [number, number];
      if (near - far <= TIE) continue;
      pairs++;
      if (nearNow > farNow) agreeing++;
    }
  }
  return pairs === 0 ? undefined : agreeing / pairs;
}
