/** @module Time in Node. */

import type { Clock } from '../../src/platform.ts';

export const nodeClock: Clock = {
  now: () => performance.now(),
  epochNow: () => Date.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
