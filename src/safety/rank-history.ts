/** @module Where a number stands among those before it. */

/** So many numbers are kept at least, and twice as many at most. */
const KEPT = 1000;

/** The last number below 1: rounding must not make a rank of 1. */
const HIGHEST = 1 - Number.EPSILON / 2;

/**
 * Turns numbers of any distribution into numbers that are uniform between 0 and 1 and independent of each other, as long as the
 * former come in no particular order: each becomes its rank among those before it, ties broken at random (V. Vovk, I. Nouretdinov,
 * A. Gammerman, "Testing Exchangeability On-Line", 2003; for continuous distributions as in D. McDonald, "A CUSUM Procedure Based
 * on Sequential Ranks", 1990). Nothing is estimated, so nothing is off by an estimate: the first rank is as exact as the
 * thousandth.
 *
 * Once there are 2000 numbers a random half of them is forgotten. Ranks stay exact and independent: which order the numbers came in
 * says nothing of which values a random half of them has, and only the order decides earlier ranks, only those values later ones.
 */
export class RankHistory {
  readonly #random: () => number;
  /** Ascending. */
  #sorted: number[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  /** The middle one of those kept; undefined where there is none. */
  get median(): number | undefined {
    return this.#sorted[this.#sorted.length >> 1];
  }

  /** Its rank, from 0 to below 1, of a number that is not NaN. Keeps it. */
  observe(value: number): number {
    const sorted = this.#sorted;
    const below = this.#countWhere((each) => each < value);
    const upTo = this.#countWhere((each) => each <= value);
    const rank = Math.min(HIGHEST, (below + this.#random() * (upTo - below + 1)) / (sorted.length + 1));
    sorted.splice(upTo, 0, value);
    if (sorted.length === 2 * KEPT) this.#sorted = this.#half();
    return rank;
  }

  /** How many of the first satisfy what no later one does. */
  #countWhere(condition: (each: number) => boolean): number {
    let [from, to] = [0, this.#sorted.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (condition(this.#sorted[middle] as number)) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** Any half with the same chance (D. E. Knuth, The Art of Computer Programming, volume 2, 3.4.2, algorithm S). */
  #half(): number[] {
    let wanted = KEPT;
    return this.#sorted.filter((_, i) => {
      const isTaken = this.#random() * (2 * KEPT - i) < wanted;
      if (isTaken) wanted--;
      return isTaken;
    });
  }
}
