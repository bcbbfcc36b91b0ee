/**
 * @module Models that generate, and language models: texts, tokens, or the logits that a token is chosen by. Two right backends may choose another
 * of two tokens that are level but for rounding, and from there on the texts differ: so what is held to a bound is the share
 * of texts that agree.
 */

import { isEqual, isReal, nonFinite, realLeaves, rowsOf, structure, worstOf } from '../common-metrics.ts';
import { relativeError } from '../distances.ts';
import type { EvidenceOptions } from '../judge.ts';
import { limit } from '../limits.ts';
import type { Leaf, NumbersLeaf, TextsLeaf } from '../output-leaves.ts';
import { createValidator } from '../output-validator.ts';
import type { Metric, OutputValidator, Sample } from '../output-validator.ts';
import { probabilityDistance } from '../probabilities.ts';
import { tieOf, topAgreement } from '../ranks.ts';
import { editDistance, tokenAgreement, tokensOfText } from '../token-distance.ts';
import type { Tokens } from '../token-distance.ts';
import type { ValidationReport } from '../validation-report.ts';

/** Bounds of the validators of generated texts; each has a default. */
export interface GenerationValidatorOptions extends EvidenceOptions {
  /** The share of answers that must be within the bounds on tokens, lengths and reasons. Default 0.9, which 29 samples can show. */
  readonly share?: number | undefined;
  /** Smallest share of an answer's tokens that are the reference's, place by place. Default 0.9. */
  readonly minTokenAgreement?: number | undefined;
  /** Largest edit distance, over the length of the longer answer. Default 0.1. */
  readonly maxEditDistance?: number | undefined;
  /** Largest difference of the lengths in tokens, relative to the reference's. Default 0.1. */
  readonly maxLengthDifference?: number | undefined;
  /** Largest distance of the probabilities of the next token, for models that give logits. Default 0.05. */
  readonly maxDistance?: number | undefined;
  /** How far the other numbers may be off, relative to the largest: keys and values that the next call begins with. Default 0.01. */
  readonly maxStateError?: number | undefined;
}

/** For answers that are texts or tokens. @throws ConfigError naming an option that is out of range. */
export function generationValidator(
  options: GenerationValidatorOptions = {},
  workloadType: 'generation' | 'llm' = 'generation',
): OutputValidator<ValidationReport> {
  const ofTokens =
    (measure: (expected: Tokens, actual: Tokens) => number, direction: Metric['direction']) => (sample: Sample) =>
      worstOf(
        sequencesIn(sample).map(([expected, actual]) => measure(expected, actual)),
        direction,
      );
  const agreement = ofTokens(tokenAgreement, 'at_least');
  return createValidator(
    workloadType,
    [
      { ...structure, measure: structureOf },
      // What a model scores after another text is another thing: a token that it must not give there has −Infinity.
      {
        ...nonFinite,
        measure: (sample, samples) => (isDiverged(sample) ? undefined : nonFinite.measure(sample, samples)),
      },
      {
        name: 'token_agreement',
        bound: limit('minTokenAgreement', options.minTokenAgreement ?? 0.9, 1),
        direction: 'at_least',
        measure: (sample) => {
          const measured = [agreement(sample), chosenTokens(sample)].filter((each) => each !== undefined);
          return worstOf(measured, 'at_least');
        },
      },
      {
        name: 'edit_distance',
        bound: limit('maxEditDistance', options.maxEditDistance ?? 0.1, 1),
        direction: 'at_most',
        optional: true,
        measure: ofTokens(editDistance, 'at_most'),
      },
      {
        name: 'length_difference',
        bound: limit('maxLengthDifference', options.maxLengthDifference ?? 0.1),
        direction: 'at_most',
        optional: true,
        measure: ofTokens(
          (expected, actual) => Math.abs(expected.length - actual.length) / Math.max(1, expected.length),
          'at_most',
        ),
      },
      {
        name: 'finish_reason',
        bound: 1,
        direction: 'at_least',
        optional: true,
        measure: ({ leaves }) => {
          const reasons = leaves.filter(isFinishReason);
          return reasons.length === 0 ? undefined : reasons.every(isEqual) ? 1 : 0;
        },
      },
      {
        name: 'probability_distance',
        bound: limit('maxDistance', options.maxDistance ?? 0.05, 1),
        direction: 'at_most',
        every: true,
        optional: true,
        measure: (sample) =>
          worstOf(
            logitLeavesIn(sample)
              .flatMap(rowsOf)
              .map(([expected, actual]) => probabilityDistance(expected, actual, 'logits')),
            'at_most',
          ),
      },
      {
        name: 'state_error',
        bound: limit('maxStateError', options.maxStateError ?? 0.01),
        direction: 'at_most',
        every: true,
        optional: true,
        measure: (sample) =>
          isDiverged(sample)
            ? undefined
            : worstOf(
                sample.leaves
                  .filter((leaf) => isState(leaf))
                  .map(({ expected, actual }) => relativeError(expected, actual)),
                'at_most',
              ),
      },
    ],
    { ...options, share: options.share ?? 0.9 },
  );
}

/** Language models are compared as those that generate are. */
export function llmValidator(options: GenerationValidatorOptions = {}): OutputValidator<ValidationReport> {
  return generationValidator(options, 'llm');
}

const FINISH_REASON = /^(finish|stop|done)_?reason$/i;
/** Under these keys is what was generated. Where a text is under one, others (ids, names of models, roles) are not compared. */
const GENERATED =
  /^(generated_text|summary_text|translation_text|text|content|output_text|answer|response|generated_token_ids|sequences|tokens|output_ids|token_ids)$/;

function isFinishReason(leaf: Leaf): leaf is TextsLeaf {
  return leaf.kind === 'texts' && FINISH_REASON.test(leaf.name);
}

/** What tokens are in: texts, and lists of whole numbers. A number on its own is a count. */
function isTokens(leaf: Leaf): leaf is TextsLeaf | NumbersLeaf {
  if (leaf.kind === 'texts') return !isFinishReason(leaf);
  if (leaf.kind !== 'numbers' || leaf.dims.length === 0) return false;
  return leaf.isDiscrete || (isPlain(leaf) && isAllWhole(leaf.expected));
}

/** The type of numbers of JavaScript is not told: they are tokens where all are whole. */
function isPlain({ expected }: NumbersLeaf): boolean {
  return Array.isArray(expected);
}

function isAllWhole(values: ArrayLike<number | bigint>): boolean {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== 'bigint' && !Number.isInteger(value)) return false;
  }
  return true;
}

function tokenLeavesIn({ leaves }: Sample): readonly (TextsLeaf | NumbersLeaf)[] {
  const all = leaves.filter(isTokens);
  const generated = all.filter(({ name }) => GENERATED.test(name));
  return generated.length > 0 ? generated : all;
}

/** The sequences of tokens of an answer, those of both: each text, and each row of the last dimension of whole numbers. */
function sequencesIn(sample: Sample): readonly (readonly [Tokens, Tokens])[] {
  return tokenLeavesIn(sample).flatMap((leaf) => {
    const [expected, actual] =
      leaf.kind === 'texts' ? [leaf.expected.map(tokensOfText), leaf.actual.map(tokensOfText)] : tokenRows(leaf);
    return Array.from(
      { length: Math.max(expected.length, actual.length) },
      (_, i) => [expected[i] ?? [], actual[i] ?? []] as const,
    );
  });
}

function tokenRows({
  expected,
  actual,
  dims,
  actualDims,
}: NumbersLeaf): readonly [readonly Tokens[], readonly Tokens[]] {
  const split = (values: ArrayLike<number | bigint>, width: number): readonly Tokens[] => {
    const all = Array.from(values as ArrayLike<number>);
    return Array.from({ length: width === 0 ? 0 : all.length / width }, (_, i) =>
      all.slice(i * width, (i + 1) * width),
    );
  };
  return [split(expected, dims.at(-1) ?? 1), split(actual, actualDims.at(-1) ?? 1)];
}

/** Logits of the next token at each place, where what came before is the same. */
function logitLeavesIn(sample: Sample): readonly NumbersLeaf[] {
  return isDiverged(sample) ? [] : realLeaves(sample).filter(isLogits);
}

function isLogits({ name, dims }: NumbersLeaf): boolean {
  return name === 'logits' && dims.length > 1;
}

/** The share of places where the token of the highest logit is the reference's, or level with it; undefined without logits. */
function chosenTokens(sample: Sample): number | undefined {
  let rows = 0;
  let agreeing = 0;
  for (const leaf of logitLeavesIn(sample)) {
    const tie = tieOf(leaf.expected);
    for (const [expected, actual] of rowsOf(leaf)) {
      rows++;
      agreeing += topAgreement(expected, actual, 1, tie);
    }
  }
  return rows === 0 ? undefined : agreeing / rows;
}

function isState(leaf: Leaf): leaf is NumbersLeaf {
  return isReal(leaf) && leaf.dims.length > 0 && !isLogits(leaf) && !isTokens(leaf);
}

/** Whether other tokens were chosen somewhere: from there on, nothing else can be compared. */
function isDiverged(sample: Sample): boolean {
  return !tokenLeavesIn(sample).every(isEqual);
}

/** As elsewhere, but texts and tokens may differ, and with them all sizes. */
function structureOf(sample: Sample): number {
  const { differences } = sample;
  return differences.length === 0 || (differences.every(({ isSize }) => isSize) && isDiverged(sample)) ? 1 : 0;
}
