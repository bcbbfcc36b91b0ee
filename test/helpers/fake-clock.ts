/** A clock that stands still until it is told to advance. */

import type { Clock } from '../../src/platform.ts';

export interface FakeClock extends Clock {
  /** Moves time on, calling what falls due, in order of its time; what that schedules is called as well if due. */
  advance(ms: number): void;
  /** How many timers are waiting. */
  readonly pending: number;
}

export function createFakeClock(startMs = 1000): FakeClock {
  let time = startMs;
  let order = 0;
  const timers = new Map<number, { readonly at: number; readonly task: () => void }>();
  return {
    now: () => time,
    epochNow: () => 1_700_000_000_000 + time,
    after(delayMs, task) {
      const id = order++;
      timers.set(id, { at: time + Math.max(0, delayMs), task });
      return { [Symbol.dispose]: () => void timers.delete(id) };
    },
    advance(ms) {
      const until = time + ms;
      for (;;) {
        const due = [...timers]
          .filter(([, { at }]) => at <= until)
          .toSorted(([a, x], [b, y]) => x.at - y.at || a - b)[0];
        if (due === undefined) break;
        timers.delete(due[0]);
        time = due[1].at;
        due[1].task();
      }
      time = until;
    },
    get pending() {
      return timers.size;
    },
  };
}
