/** @module Whether a store that failed is asked again, and when. */

import { backoffMs } from '../backoff.ts';
import type { BackoffOptions } from '../backoff.ts';
import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { Clock } from '../platform.ts';
import { StoreUnavailableError } from './store-errors.ts';

/** Times are of the clock's `now()`, in milliseconds. */
export type StoreState =
  /** It is asked. `failures`: how many calls in a row have failed. */
  | { readonly kind: 'closed'; readonly failures: number }
  /** It is not asked before `retryAt`. `attempt`: how often it was tried since `openedAt`, and failed. */
  | {
      readonly kind: 'open';
      readonly openedAt: number;
      readonly retryAt: number;
      readonly attempt: number;
      readonly cause: unknown;
    }
  /** One call finds out whether it is back; others are refused until then. */
  | { readonly kind: 'probing'; readonly openedAt: number; readonly attempt: number; readonly cause: unknown };

export interface StoreBreakerOptions {
  /** So many failures in a row open it. */
  readonly maxFailures: number;
  readonly backoff: BackoffOptions;
  readonly clock: Pick<Clock, 'now'>;
}

const WELL: StoreState = { kind: 'closed', failures: 0 };

/** A circuit breaker (M. Nygard, Release It!, 2007). Calls enter, and tell how they ended. */
export class StoreBreaker {
  readonly #options: StoreBreakerOptions;
  readonly #changed = new Emitter<StoreState>();
  #state: StoreState = WELL;
  /** Counts changes of the state's kind: what began before the last one says nothing about now. */
  #period = 0;

  /** Told of each change of the state's kind. */
  readonly onStateChange: EventSource<StoreState> = this.#changed.event;

  constructor(options: StoreBreakerOptions) {
    this.#options = options;
  }

  get state(): StoreState {
    return this.#state;
  }

  /** A call begins; it ends with `succeed`, `fail` or `leave`, once, with what this returns. @throws StoreUnavailableError */
  enter(): number {
    const state = this.#state;
    if (state.kind === 'closed') return this.#period;
    const now = this.#options.clock.now();
    const retryAfterMs = state.kind === 'open' ? Math.max(0, state.retryAt - now) : 0;
    if (state.kind === 'probing' || retryAfterMs > 0) {
      const since = Math.round(now - state.openedAt);
      const { cause } = state;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new StoreUnavailableError(`The store has not been asked for ${since} ms, because it failed: ${why}`, {
        cause,
        retryAfterMs,
      });
    }
    const { openedAt, attempt, cause } = state;
    this.#become({ kind: 'probing', openedAt, attempt, cause });
    return this.#period;
  }

  succeed(period: number): void {
    if (period !== this.#period) return;
    if (this.#state.kind === 'closed') this.#state = WELL;
    else this.#become(WELL);
  }

  /** `grave`: enough to open it alone. */
  fail(period: number, cause: unknown, grave: boolean): void {
    if (period !== this.#period) return;
    const state = this.#state;
    const now = this.#options.clock.now();
    if (state.kind === 'closed') {
      const failures = state.failures + 1;
      if (!grave && failures < this.#options.maxFailures) this.#state = { kind: 'closed', failures };
      else this.#open(now, 0, cause);
    } else this.#open(state.openedAt, state.attempt + 1, cause);
  }

  /** The call ended and says nothing about the store. */
  leave(period: number): void {
    if (period !== this.#period || this.#state.kind !== 'probing') return;
    this.#become({ ...this.#state, kind: 'open', retryAt: this.#options.clock.now() });
  }

  #open(openedAt: number, attempt: number, cause: unknown): void {
    const { backoff, clock } = this.#options;
    this.#become({ kind: 'open', openedAt, retryAt: clock.now() + backoffMs(attempt, backoff), attempt, cause });
  }

  #become(state: StoreState): void {
    this.#period++;
    this.#state = state;
    this.#changed.emit(state);
  }
}
