/** @module How long to wait before trying again: longer each time, and not everybody at once. */

export interface BackoffOptions {
  /** The longest first wait, in milliseconds. */
  readonly minMs: number;
  /** The longest wait. */
  readonly maxMs: number;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/**
 * Milliseconds before the next attempt, of which `attempt` (from 0) have failed: twice as many each time, of which a half at
 * random (M. Brooker, "Exponential Backoff And Jitter", 2015: equal jitter).
 */
export function backoffMs(attempt: number, { minMs, maxMs, random }: BackoffOptions): number {
  return (Math.min(maxMs, minMs * 2 ** attempt) / 2) * (1 + random());
}
