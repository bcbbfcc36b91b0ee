/** @module Time in Node. */

import { systemClock } from '../../src/clock.ts';
import type { Clock } from '../../src/platform.ts';

export const nodeClock: Clock = {
  ...systemClock,
  soon: (task) => void setImmediate(task),
};
