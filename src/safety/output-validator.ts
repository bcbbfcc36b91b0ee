/** @module What says whether a faster path's answers are right for a workload, and how one is made from metrics. */

import type { MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import { evidenceOf, judge } from './judge.ts';
import type { EvidenceOptions, MetricBound } from './judge.ts';
import { alignOutputs } from './output-leaves.ts';
import type { Alignment } from './output-leaves.ts';
import type { ValidationReport } from './validation-report.ts';

/** The answers of two paths to the same input. */
export interface OutputPair {
  /** The reference's. */
  readonly expected: Portable;
  /** The faster path's. */
  readonly actual: Portable;
  /** What names the pair in reports, such as the shape of its input. */
  readonly label?: string | undefined;
}

/** Compares answers. Each pair is one sample: pairs should be answers to different inputs, for a repeated one is no more evidence. */
export interface OutputValidator<Report extends MaybePromise<ValidationReport> = MaybePromise<ValidationReport>> {
  /** Whether `validate` returns a promise. Default: whether it is declared as an async function. */
  readonly isAsync?: boolean | undefined;
  validate(pairs: readonly OutputPair[], options?: { readonly signal?: AbortSignal | undefined }): Report;
}

/** A pair with its answers taken apart. */
export interface Sample extends OutputPair, Alignment {}

/** A metric that is measured of each sample. */
export interface Metric extends MetricBound {
  /**
   * The value of a sample; undefined where it has nothing of the kind, NaN where it is out of all bounds. `samples` are all that are
   * compared together.
   */
  measure(sample: Sample, samples: readonly Sample[]): number | undefined;
}

/**
 * A validator whose reports have these metrics: each says how far an answer is from the one expected, and is held against its bound.
 * @throws ConfigError naming an option that is out of range
 */
export function createValidator(
  workloadType: string,
  metrics: readonly Metric[],
  options: EvidenceOptions = {},
): OutputValidator<ValidationReport> {
  const evidence = evidenceOf(options);
  return {
    isAsync: false,
    validate(pairs) {
      const samples = pairs.map((pair): Sample => ({ ...pair, ...alignOutputs(pair.expected, pair.actual) }));
      return judge(
        workloadType,
        pairs.map(({ label }) => label),
        metrics.map((metric) => ({ ...metric, values: samples.map((sample) => metric.measure(sample, samples)) })),
        evidence,
      );
    },
  };
}
