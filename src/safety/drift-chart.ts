/**
 * @module A control chart of ranks: alarms where so many of them are so high that it is no chance.
 *
 * It is the chart of Shiryaev and Roberts (S. W. Roberts, "A Comparison of Some Control Chart Procedures", 1966) over bets on
 * ranks (V. Vovk and others, "Retrain or Not Retrain: Conformal Test Martingales for Change-Point Detection", 2021). Each
 * comparison stakes the chance of a false alarm that it is allowed, and all stakes are bet on the ranks to come being high. A bet
 * on a rank u pays 1 - share + share * power * (1 - u) ** (power - 1), which is 1 on average where ranks are uniform and
 * independent: the chart then holds what was staked, on average, and where it holds 1 there is an alarm, and it loses it. So there
 * are no more false alarms, on average, than were staked: exactly, after any number of comparisons, with stakes of any size.
 */

/** A small power bets that ranks are close to the highest; a share, that only so many of them are. */
const BETS = [
  { share: 1, power: 0.75 },
  { share: 1, power: 0.5 },
  { share: 1, power: 0.25 },
  { share: 0.1, power: 0.25 },
] as const;

/** Weight of the latest in moving averages. */
export const WEIGHT = 0.1;

export class DriftChart {
  readonly #held: number[] = BETS.map(() => 0);
  #evidence = 0;
  #score = 0.5;

  /** What the bets hold, 0 to below 1. */
  get evidence(): number {
    return this.#evidence;
  }

  /** Exponentially weighted moving average of the ranks: 0.5 is as usual, 1 is higher than ever before. */
  get score(): number {
    return this.#score;
  }

  /**
   * Whether this is an alarm; the bets begin anew then. `rank`: from 0 to below 1. `chance`: of a false alarm that is allowed for
   * it, whatever is known of the ranks before.
   */
  observe(rank: number, chance: number): boolean {
    this.#score += WEIGHT * (rank - this.#score);
    let sum = 0;
    for (const [i, { share, power }] of BETS.entries()) {
      const pays = 1 - share + share * power * (1 - rank) ** (power - 1);
      sum += this.#held[i] = ((this.#held[i] as number) + chance / BETS.length) * pays;
    }
    const isAlarm = sum >= 1;
    if (isAlarm) this.#held.fill(0);
    this.#evidence = isAlarm ? 0 : sum;
    return isAlarm;
  }
}
