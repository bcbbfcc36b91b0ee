/** @module Encoders, and models of which nothing else is known: number by number. */

import { nonFinite, structure } from '../common-metrics.ts';
import { largestDifference, relativeError } from '../distances.ts';
import type { EvidenceOptions } from '../judge.ts';
import { limit } from '../limits.ts';
import { createValidator } from '../output-validator.ts';
import type { OutputValidator, Sample } from '../output-validator.ts';
import type { ValidationReport } from '../validation-report.ts';

/** Bounds of the validator of encoders; each has a default. */
export interface EncoderValidatorOptions extends EvidenceOptions {
  /**
   * How far each number may be off, relative to the largest absolute value that the reference has at that place. Default 1e-3: the
   * relative tolerance by which ONNX's own backend tests hold backends to a model's outputs (onnx/backend/test/loader).
   */
  readonly tolerance?: number | undefined;
  /**
   * Absolute difference at a path such as 'logits' or '[0].boxes' up to which two numbers are as good as equal. Asked only where the
   * tolerance is exceeded. Default 0.
   */
  readonly noise?: ((path: string) => number) | undefined;
}

/** For answers that are numbers to be had exactly, but for rounding. @throws ConfigError naming an option that is out of range. */
export function encoderValidator(options: EncoderValidatorOptions = {}): OutputValidator<ValidationReport> {
  const bound = limit('tolerance', options.tolerance ?? 1e-3);
  return createValidator(
    'encoder',
    [
      structure,
      nonFinite,
      {
        name: 'relative_error',
        bound,
        direction: 'at_most',
        every: true,
        measure: (sample) => relativeErrorOf(sample, bound, options.noise),
      },
    ],
    options,
  );
}

/** The largest relative error of a sample's numbers; what exceeds the bound and is noise is none. */
export function relativeErrorOf(
  { leaves }: Sample,
  bound: number = Infinity,
  noise?: EncoderValidatorOptions['noise'],
): number | undefined {
  let largest: number | undefined;
  for (const leaf of leaves) {
    if (leaf.kind === 'texts') continue;
    const [expected, actual] =
      leaf.kind === 'numbers'
        ? [leaf.expected, leaf.actual]
        : [[...leaf.expected.values()], [...leaf.expected.keys()].map((label) => leaf.actual.get(label) ?? NaN)];
    const error = relativeError(expected, actual);
    const isNoise = error > bound && noise !== undefined && largestDifference(expected, actual) <= noise(leaf.path);
    largest = Math.max(largest ?? 0, isNoise ? 0 : error);
  }
  return largest;
}
