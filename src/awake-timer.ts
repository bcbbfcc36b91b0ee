/** @module A limit to how long something may take, which a machine that sleeps does not use up. */

import type { Clock } from './platform.ts';

/** A timer that fires so much later than it was due was held up: the machine slept, or the page was in the background. */
const HELD_UP_MS = 2000;

/**
 * Calls `task` after `delayMs`. Where the timer was held up, so was what it waits for, which is given the same time again; but once
 * only, for timers of pages in the background are late each time.
 */
export function afterAwake(clock: Pick<Clock, 'now' | 'after'>, delayMs: number, task: () => void): Disposable {
  const dueAt = clock.now() + delayMs;
  let timer = clock.after(delayMs, () => {
    if (clock.now() - dueAt < HELD_UP_MS) task();
    else timer = clock.after(delayMs, task);
  });
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
