/** @module Whether a model's questions ever repeat: where they never do, most of them need not be looked for in a cache. */

/**
 * Lookups in a row without a hit after which questions go past the cache. Where one in a hundred lookups hits, so many in a
 * row miss once in 30,000 times: a cache that is of use is left alone. And so many are soon done where it is of none.
 */
const PATIENCE = 1024;

/**
 * While questions go past the cache, so many in a row are looked for now and then. Questions that are asked twice soon are found
 * by long samples, and those that come round in a loop by many short ones: after some 32 times the root of sample times loop.
 */
const SAMPLE = 16;

/** Questions from one sample to the next, in the mean. */
const PERIOD = 512;

/** What the cache may cost of what a run does, where its answers are kept for a later time. */
const DEAR = 0.05;
/** Of the latest lookup in the average. */
const WEIGHT = 0.05;

/**
 * One for each model. After 1024 lookups in a row without a hit, questions go past the cache, and what they cost there is
 * saved, but for one in 32: 16 in a row, again and again. What a sample has kept, later ones find. When the next one begins is
 * left to chance, so that questions that come round in a loop of any length have their turn. The first hit brings all
 * questions back.
 *
 * What is lost: where one lookup in a hundred or more would hit, less than one hit in a thousand; where fewer would, more of
 * them, but never more than one hit in 500 questions. What is noticed: a thousand questions that are asked over and over, as a
 * rule within 2000; ten thousand in a loop, in its second round; a single one among others that never repeat, if it is one in
 * a hundred, as a rule within 10,000.
 */
export class RepeatMonitor {
  readonly #random: () => number;
  /** Of the last runs with a lookup in vain, more of the later ones: what the cache cost, and the run itself, in milliseconds. */
  #costMs = 0;
  #runMs = 0;
  /** Lookups since the last hit. */
  #misses = 0;
  /** Questions that go past before the next sample; 0 in a sample. */
  #untilSample: number;
  /** Lookups that are left of the sample. */
  #leftOfSample = 0;

  /** `random`: from 0 to below 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
    this.#untilSample = this.#nextGap();
  }

  /** Whether the question that comes now may go past the cache. */
  get isBypassing(): boolean {
    return this.#misses >= PATIENCE && this.#untilSample > 0;
  }

  /** A question went past the cache. */
  passed(): void {
    if (--this.#untilSample === 0) this.#leftOfSample = SAMPLE;
  }

  /** What a lookup in vain cost, keeping the answer included, and what the run took that had to follow. */
  recordCost(costMs: number, runMs: number): void {
    this.#costMs += (costMs - this.#costMs) * WEIGHT;
    this.#runMs += (runMs - this.#runMs) * WEIGHT;
  }

  /** Whether that is more than a twentieth of the run. */
  get isDear(): boolean {
    return this.#costMs > DEAR * this.#runMs;
  }

  /** What came of a lookup. To join an equal call in flight is a hit. */
  record(isHit: boolean): void {
    this.#misses = isHit ? 0 : this.#misses + 1;
    if (this.#untilSample > 0 || (!isHit && --this.#leftOfSample > 0)) return;
    this.#untilSample = this.#nextGap();
  }

  #nextGap(): number {
    return 1 + Math.floor(this.#random() * 2 * (PERIOD - SAMPLE));
  }
}
