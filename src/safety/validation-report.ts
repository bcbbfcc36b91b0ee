/** @module What a comparison of a faster path's answers with the reference's found. */

/**
 * 'passed': every bound is met, and enough samples stand behind it. 'failed': a bound is not met, and that is no chance.
 * 'undecided': too few samples to say either.
 */
export type ValidationVerdict = 'passed' | 'failed' | 'undecided';

/** One sample: its place among the pairs that were compared, the label it came with, and what was measured of it. */
export interface WorstSample {
  readonly index: number;
  readonly label: string | undefined;
  readonly metric: string;
  /** NaN where the answer had no number to measure. */
  readonly value: number;
}

/** What one metric measured. */
export interface MetricReport {
  /** Such as 'cosine'. */
  readonly name: string;
  readonly verdict: ValidationVerdict;
  /** Whether the bound is met, which is not known while the verdict is 'undecided': then it is false. */
  readonly met: boolean;
  /** What was measured of the worst sample; NaN where there is none. */
  readonly value: number;
  /** The mean over the samples. */
  readonly mean: number;
  /** What each sample is held to. */
  readonly bound: number;
  readonly direction: 'at_least' | 'at_most';
  /** Whether one sample out of bounds is enough to fail; else so many of them that the share cannot be the required one. */
  readonly every: boolean;
  /** How many samples it was measured of, and how many of them are within the bound. */
  readonly samples: number;
  readonly within: number;
  /** The share of answers that must be within the bound, 0 to 1. */
  readonly requiredShare: number;
  /** The shares that the samples leave possible: at least, with the confidence asked for; at most, at the rate of false alarms. */
  readonly shareAtLeast: number;
  readonly shareAtMost: number;
  /** How many samples it takes at least, all within the bound, to pass. */
  readonly samplesNeeded: number;
  readonly worst: WorstSample | undefined;
}

/** What a validator found, by what evidence. */
export interface ValidationReport {
  /** Such as 'embedding'. */
  readonly workloadType: string;
  readonly verdict: ValidationVerdict;
  /** How many pairs of answers were compared. */
  readonly samples: number;
  readonly metrics: readonly MetricReport[];
  /** The sample that used up most of a bound, or is furthest beyond it. */
  readonly worst: WorstSample | undefined;
  /** One sentence for each metric that is not met. */
  readonly message: string;
  /** What the validator threw, where it did: nothing was found out then. */
  readonly error?: unknown;
}
