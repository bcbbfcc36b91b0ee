/** @module Tells a leak from memory that fills once and from a heap that is collected, by readings of how much there is. */

/** First readings, while what a model needs is made. */
const WARM_UP = 8;
/** Readings of a block at first. Of each block the least counts: what was collected, or given back, is no growth. */
const BLOCK = 4;
/** Blocks of all that was read; where there are twice as many, each two become one. */
const BLOCKS = 16;
/**
 * Share of the pairs of blocks in which the later one has more, less that in which it has less. Of 16 blocks in any order it is so large less
 * than once in a million times; of more, less often.
 */
const RISING = 0.8;
/** What it grew by lately, against all: what only fills grows less and less. */
const GOING_ON = 0.5;
/** Least growth. A heap that is collected rarely rises by some 100 MB between, and is no leak. */
const MIN_BYTES = 256 << 20;
/** The same as a share of what there was first. */
const MIN_SHARE = 0.25;

/**
 * Whether memory grows reading by reading, and goes on to. All that was read is kept as 16 to 32 blocks of equal length, each of which
 * is as little as there was in it. It leaks where those rise by Kendall's tau against time (H. B. Mann, "Nonparametric tests against
 * trend", 1945), the latter half by the slope of P. K. Sen ("Estimates of the regression coefficient based on Kendall's tau", 1968) at
 * least half as fast as all, and all of it by 256 MB and by a quarter.
 */
export class MemoryTrend {
  readonly #minBytes: number;
  #blocks: number[] = [];
  #readingsPerBlock = BLOCK;
  #least = Infinity;
  #readings = -WARM_UP;

  /** `tolerance`: how many times as much as usual it may grow. */
  constructor(tolerance: number = 1) {
    this.#minBytes = MIN_BYTES * tolerance;
  }

  /** Takes a reading. Returns by how many bytes it grew where it leaks. */
  add(bytes: number): number | undefined {
    if (++this.#readings <= 0) return undefined;
    this.#least = Math.min(this.#least, bytes);
    if (this.#readings % this.#readingsPerBlock !== 0) return undefined;
    this.#blocks.push(this.#least);
    this.#least = Infinity;
    const grown = this.#growth();
    if (this.#blocks.length === 2 * BLOCKS) this.#halve();
    return grown;
  }

  #growth(): number | undefined {
    const blocks = this.#blocks;
    const { length } = blocks;
    const [first, last] = [blocks[0] as number, blocks[length - 1] as number];
    const minBytes = Math.max(this.#minBytes, first * MIN_SHARE);
    // Cheap, and enough nearly always.
    if (length < BLOCKS || last - first < minBytes) return undefined;
    if (tauOf(blocks) < RISING) return undefined;
    const slope = slopeOf(blocks);
    const grown = Math.min(last - first, slope * (length - 1));
    const goesOn = slopeOf(blocks.slice(length >> 1)) >= GOING_ON * slope;
    return goesOn && grown >= minBytes ? grown : undefined;
  }

  #halve(): void {
    this.#blocks = Array.from({ length: BLOCKS }, (_, i) =>
      Math.min(this.#blocks[2 * i] as number, this.#blocks[2 * i + 1] as number),
    );
    this.#readingsPerBlock *= 2;
    // Blocks that are complete end where a longer one does.
    this.#readings = 0;
  }
}

/** Kendall's tau against time: pairs that rose less those that fell, of all. */
function tauOf(values: readonly number[]): number {
  let sum = 0;
  forEachPair(values, (rise) => (sum += Math.sign(rise)));
  return sum / ((values.length * (values.length - 1)) / 2);
}

/** The median of the slopes of all pairs, a step. */
function slopeOf(values: readonly number[]): number {
  const slopes: number[] = [];
  forEachPair(values, (rise, steps) => slopes.push(rise / steps));
  return slopes.toSorted((a, b) => a - b)[slopes.length >> 1] as number;
}

function forEachPair(values: readonly number[], visit: (rise: number, steps: number) => void): void {
  for (let i = 0; i < values.length; i++) {
    for (let j = i + 1; j < values.length; j++) visit((values[j] as number) - (values[i] as number), j - i);
  }
}
