/** The system's clock, whose date can be moved on: for stores that have a clock of their own. */

import { systemClock } from '../../src/clock.ts';
import type { Clock } from '../../src/platform.ts';

export function createShiftedClock(): Clock & { advance(ms: number): void } {
  let shiftMs = 0;
  return {
    ...systemClock,
    epochNow: () => systemClock.epochNow() + shiftMs,
    advance(ms) {
      shiftMs += ms;
    },
  };
}
