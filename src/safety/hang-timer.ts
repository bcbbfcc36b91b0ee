/** @module One timer for all calls that may hang: to set one for each costs more than a short call does. */

import type { Clock } from '../platform.ts';
import { afterAwake } from '../awake-timer.ts';

/** A call that is waited for. */
export interface WaitedCall {
  readonly startedAt: number;
  /** Nobody waits for it any more. */
  readonly giveUp: () => void;
}

export class HangTimer {
  readonly #clock: Pick<Clock, 'now' | 'after' | 'soon'>;
  /** How long a call may take, in milliseconds, as things are now. */
  readonly #budgetMs: () => number;
  /** In the order in which they began. */
  readonly #waited = new Set<WaitedCall>();
  #timer: Disposable | undefined;
  #isLast = false;

  constructor(clock: Pick<Clock, 'now' | 'after' | 'soon'>, budgetMs: () => number) {
    this.#clock = clock;
    this.#budgetMs = budgetMs;
  }

  add(call: WaitedCall): void {
    this.#waited.add(call);
    this.#timer ??= this.#set(this.#budgetMs());
  }

  /** It has ended. The timer goes on, unless nobody is waited for when it fires: most calls end long before. */
  delete(call: WaitedCall): void {
    this.#waited.delete(call);
    if (this.#isLast) this.#stopIfIdle();
  }

  /** No other calls come: the timer ends with the last that is waited for. */
  end(): void {
    this.#isLast = true;
    this.#stopIfIdle();
  }

  #stopIfIdle(): void {
    if (this.#waited.size > 0) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #set(ms: number): Disposable {
    // Where this thread was busy, answers may have come and not been read.
    return afterAwake(this.#clock, ms, () => this.#clock.soon(() => this.#check()));
  }

  #check(): void {
    this.#timer = undefined;
    const budgetMs = this.#budgetMs();
    for (const call of this.#waited) {
      const leftMs = call.startedAt + budgetMs - this.#clock.now();
      if (leftMs > 0) {
        this.#timer = this.#set(leftMs);
        return;
      }
      this.#waited.delete(call);
      call.giveUp();
    }
  }
}
