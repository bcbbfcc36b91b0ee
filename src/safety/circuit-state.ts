/** @module The state of a circuit breaker, as it is told, and as it is kept. */

import type { SavedWindow } from './outcome-window.ts';

/** `half_open`: some calls find out whether it works again, the others are refused. */
export type CircuitStateName = 'closed' | 'open' | 'half_open';

/** Times are of the clock's `now()`, in milliseconds. */
export type CircuitState =
  | { readonly kind: 'closed'; readonly failuresInARow: number }
  /** Nothing passes before `retryAt`. `attempt`: how often it was tried since `openedAt`, and failed. */
  | {
      readonly kind: 'open';
      readonly openedAt: number;
      readonly retryAt: number;
      readonly attempt: number;
      readonly reason: string;
    }
  /** `succeeded`: how many of the calls that passed since it became half-open have succeeded. */
  | {
      readonly kind: 'half_open';
      readonly openedAt: number;
      readonly attempt: number;
      readonly reason: string;
      readonly succeeded: number;
    };

/** A state as plain JSON, for a process with another clock: durations in milliseconds, not instants. */
export type SavedCircuit =
  | { readonly state: 'closed'; readonly failuresInARow: number; readonly window: SavedWindow }
  | {
      readonly state: 'open';
      /** For how long it has been open. */
      readonly openMs: number;
      /** Until it lets a call try again. 0 where some were trying: they ended with their process. */
      readonly retryInMs: number;
      readonly attempt: number;
      readonly reason: string;
    };

/** @throws RangeError where it is nothing that a breaker has saved, such as a file that somebody edited */
export function checkSaved(saved: SavedCircuit): void {
  if (!isSaved(saved))
    throw new RangeError(`saved is what CircuitBreaker.save() returned, not ${JSON.stringify(saved)}.`);
}

function isSaved(saved: Partial<Record<string, unknown>>): boolean {
  if (typeof saved !== 'object' || saved === null) return false;
  if (saved['state'] === 'open') {
    const { openMs, retryInMs, attempt, reason } = saved;
    return [openMs, retryInMs, attempt].every(isAmount) && typeof reason === 'string';
  }
  if (saved['state'] !== 'closed' || !isAmount(saved['failuresInARow'])) return false;
  const window = saved['window'] as SavedWindow | null | undefined;
  if (typeof window !== 'object' || window === null) return false;
  return window.kind === 'calls'
    ? typeof window.outcomes === 'string' && /^[01]*$/.test(window.outcomes)
    : window.kind === 'time' &&
        Array.isArray(window.slices) &&
        window.slices.every((each) => isAmount(each?.ageMs) && isAmount(each.calls) && isAmount(each.failures));
}

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value < Infinity;
}
