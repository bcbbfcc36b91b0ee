/** @module What became of one hop of a fallback chain in one call. */

/** What came of one hop. */
export type HopOutcome =
  /** Its answer is the caller's. */
  | 'answered'
  /** It threw. */
  | 'failed'
  /** Its answer did not pass its check. */
  | 'wrong_answer'
  /** It did not answer within its share of the time. */
  | 'timed_out'
  /** Its circuit breaker let nothing through. */
  | 'skipped';

/** One hop of one call. */
export interface HopRecord {
  readonly name: string;
  readonly outcome: HopOutcome;
  /** Why it gave no answer; undefined where it did. */
  readonly reason: string | undefined;
  /** The error that it ended in; undefined where it answered. */
  readonly error: unknown;
  /** Milliseconds, its check included. */
  readonly durationMs: number;
}
