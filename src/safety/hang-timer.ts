/** @module One timer for all calls that may hang: to set one for each costs more than a short call does. */

import type { Clock } from '../platform.ts';
import { afterAwake } from '../awake-timer.ts';

/** A call that is waited for, until it is disposed of. */
class WaitedCall implements Disposable {
  readonly startedAt: number;
  /** Nobody waits for it any more. Given the time that it had, in milliseconds. */
  readonly giveUp: (budgetMs: number) => void;
  readonly #timer: HangTimer;

  constructor(timer: HangTimer, startedAt: number, giveUp: (budgetMs: number) => void) {
    this.#timer = timer;
    this.startedAt = startedAt;
    this.giveUp = giveUp;
  }

  [Symbol.dispose](): void {
    this.#timer.delete(this);
  }
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

  /** Dispose of what it returns when the call ends. `giveUp` is called, with the time that the call had, where it takes longer. */
  add(giveUp: (budgetMs: number) => void): Disposable {
    const call = new WaitedCall(this, this.#clock.now(), giveUp);
    this.#waited.add(call);
    this.#timer ??= this.#set(this.#budgetMs());
    return call;
  }

  /** @internal It has ended. The timer goes on, unless nobody is waited for when it fires: most calls end long before. */
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
      call.giveUp(budgetMs);
    }
  }
}
