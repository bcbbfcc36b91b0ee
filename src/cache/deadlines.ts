/** @module Waits, but no longer than a while: one timer for all that wait. */

import type { Clock } from '../platform.ts';

/** One wait, in a list of those that fall due after another. */
export interface Wait {
  readonly dueAt: number;
  readonly giveUp: () => void;
  previous: Wait | undefined;
  next: Wait | undefined;
  isOver: boolean;
}

/** Gives up on what takes longer than a fixed time. Costs next to nothing for what does not. */
export class Deadlines {
  readonly #timeoutMs: number;
  readonly #clock: Pick<Clock, 'now' | 'after' | 'soon'>;
  #first: Wait | undefined;
  #last: Wait | undefined;
  /** Whether the timer runs. It is left running where nobody waits any more: making one costs more than all else here. */
  #isTimed = false;

  constructor(timeoutMs: number, clock: Pick<Clock, 'now' | 'after' | 'soon'>) {
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
  }

  /** Calls `giveUp` when the time is up, unless the wait has ended. */
  begin(giveUp: () => void): Wait {
    const previous = this.#last;
    const dueAt = this.#clock.now() + this.#timeoutMs;
    const wait: Wait = { dueAt, giveUp, previous, next: undefined, isOver: false };
    if (previous === undefined) this.#first = wait;
    else previous.next = wait;
    this.#last = wait;
    if (!this.#isTimed) this.#wakeAfter(this.#timeoutMs);
    return wait;
  }

  /** Whether it ended in time: false where it was given up. */
  end(wait: Wait): boolean {
    if (wait.isOver) return false;
    wait.isOver = true;
    const { previous, next } = wait;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    return true;
  }

  #wakeAfter(delayMs: number): void {
    this.#isTimed = true;
    this.#clock.after(delayMs, () => {
      const now = this.#clock.now();
      // Where this thread was busy, the answer may have come and not been read: that is not the other side's fault.
      this.#clock.soon(() => this.#giveUpOn(now));
    });
  }

  #giveUpOn(now: number): void {
    this.#isTimed = false;
    for (let wait = this.#first; wait !== undefined; wait = this.#first) {
      if (wait.dueAt > now) return this.#wakeAfter(wait.dueAt - this.#clock.now());
      this.end(wait);
      wait.giveUp();
    }
  }
}
