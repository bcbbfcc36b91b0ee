/** @module How likely a false alarm may be at each comparison, so that there are no more in a period than were allowed. */

import type { Clock } from '../platform.ts';

export interface AlarmBudgetOptions {
  /** So many false alarms a period, on average, at most. */
  readonly falseAlarms: number;
  readonly periodMs: number;
  /** How many comparisons are expected in a period. */
  readonly comparisons: number;
  readonly clock: Pick<Clock, 'now'>;
}

/**
 * Spends a budget of false alarms. The comparisons that were expected are given half of it, an equal chance each. What comes
 * beyond is given less: twice as many again a quarter of it, and so on. So the budget holds at any traffic, and what is expected
 * only says where it is spent best.
 */
export class AlarmBudget {
  readonly #options: AlarmBudgetOptions;
  #periodEndsAt: number;
  /** In this period. */
  #count = 0;

  constructor(options: AlarmBudgetOptions) {
    this.#options = options;
    this.#periodEndsAt = options.clock.now() + options.periodMs;
  }

  /** The chance of a false alarm that the next comparison may have. */
  next(): number {
    const { falseAlarms, periodMs, comparisons, clock } = this.#options;
    const now = clock.now();
    if (now >= this.#periodEndsAt) {
      this.#periodEndsAt = now + periodMs;
      this.#count = 0;
    }
    // Of stage j, from 1, there are 2 ** (j - 1) times as many as were expected, for 1 / 2 ** (j + 1) of the budget.
    const stage = Math.max(0, Math.ceil(Math.log2(++this.#count / comparisons)));
    return falseAlarms / (comparisons * (stage === 0 ? 2 : 4 ** stage));
  }
}
