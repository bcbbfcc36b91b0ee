/** @module Waits, but no longer than a while: one timer for all that wait. */

import type { Clock } from '../platform.ts';

interface Wait {
  readonly dueAt: number;
  readonly giveUp: () => void;
}

/** Gives up on what takes longer than a fixed time. */
export class Deadlines {
  readonly #timeoutMs: number;
  readonly #clock: Pick<Clock, 'now' | 'after' | 'soon'>;
  /** In the order in which they fall due. */
  readonly #waits = new Set<Wait>();
  /** Whether the timer runs. It is left running where nobody waits any more: making one costs more than all else here. */
  #isTimed = false;

  constructor(timeoutMs: number, clock: Pick<Clock, 'now' | 'after' | 'soon'>) {
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
  }

  /** Settles as `work` does, or rejects with what `late` returns when the time is up. What comes later is ignored. */
  wait<T>(work: Promise<T>, late: () => unknown): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const wait: Wait = { dueAt: this.#clock.now() + this.#timeoutMs, giveUp: () => reject(late()) };
      this.#waits.add(wait);
      if (!this.#isTimed) this.#wakeAfter(this.#timeoutMs);
      work.then(
        (value) => {
          if (this.#waits.delete(wait)) resolve(value);
        },
        (error: unknown) => {
          if (this.#waits.delete(wait)) reject(error);
        },
      );
    });
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
    for (const wait of this.#waits) {
      if (wait.dueAt > now) return this.#wakeAfter(wait.dueAt - this.#clock.now());
      this.#waits.delete(wait);
      wait.giveUp();
    }
  }
}
