/** A clock that stands still until it is told to advance. */

import type { Clock } from '../../src/platform.ts';

export interface FakeClock extends Clock {
  /** Moves time on, calling what falls due, in order of its time; what that schedules is called as well if due. */
  advance(ms: number): void;
  /** The same, letting promises settle after each of what it calls. */
  run(ms: number): Promise<void>;
  /** How many timers are waiting. */
  readonly pending: number;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  /** Undefined once it was called, or cancelled. */
  task: (() => void) | undefined;
}

export function createFakeClock(startMs = 1000): FakeClock {
  let time = startMs;
  let order = 0;
  /** A heap, by time, then by order. */
  const timers: Timer[] = [];
  let pending = 0;
  const isBefore = (a: number, b: number): boolean => {
    const [x, y] = [timers[a] as Timer, timers[b] as Timer];
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  };
  const swap = (a: number, b: number): void => {
    [timers[a], timers[b]] = [timers[b] as Timer, timers[a] as Timer];
  };
  const add = (at: number, task: () => void): Timer => {
    const timer: Timer = { at, order: order++, task };
    let i = timers.push(timer) - 1;
    for (let parent = (i - 1) >> 1; i > 0 && isBefore(i, parent); i = parent, parent = (i - 1) >> 1) swap(i, parent);
    pending++;
    return timer;
  };
  const takeFirst = (): Timer => {
    const [first] = timers as [Timer];
    const last = timers.pop() as Timer;
    if (timers.length > 0) timers[0] = last;
    for (let i = 0; ;) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      const child = right < timers.length && isBefore(right, left) ? right : left;
      if (child >= timers.length || !isBefore(child, i)) return first;
      swap(i, child);
      i = child;
    }
  };
  const cancel = (timer: Timer): void => {
    if (timer.task !== undefined) pending--;
    timer.task = undefined;
  };
  /** Calls the next that is due by `until`; whether there was one. */
  const step = (until: number): boolean => {
    while (timers[0] !== undefined && timers[0].at <= until) {
      const timer = takeFirst();
      const { task } = timer;
      if (task === undefined) continue;
      cancel(timer);
      time = timer.at;
      task();
      return true;
    }
    return false;
  };
  return {
    now: () => time,
    epochNow: () => 1_700_000_000_000 + time,
    after(delayMs, task) {
      const timer = add(time + Math.max(0, delayMs), task);
      return { [Symbol.dispose]: () => cancel(timer) };
    },
    soon(task) {
      add(time, task);
    },
    advance(ms) {
      const until = time + ms;
      while (step(until));
      time = until;
    },
    async run(ms) {
      const until = time + ms;
      const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
      await settled();
      while (step(until)) await settled();
      time = until;
    },
    get pending() {
      return pending;
    },
  };
}
