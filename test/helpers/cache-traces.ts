/** Orders in which keys are asked for, the same ones each time, and the cache that others are compared with. */

/** Numbers from 0 to 1, by a seed (Mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whole numbers from 0, below `count`; the i-th is drawn with a weight of 1 / (i + 1) ** exponent. */
export function createZipf(count: number, exponent: number, random: () => number): () => number {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) sums[i] = sum += 1 / (i + 1) ** exponent;
  return () => {
    const wanted = random() * sum;
    let [from, to] = [0, count - 1];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((sums[middle] as number) < wanted) from = middle + 1;
      else to = middle;
    }
    return from;
  };
}

/** Traces for a cache of `capacity` entries. Keys that come once are from 1e9 on. */
export function createTraces(capacity: number, length: number): Record<string, () => readonly number[]> {
  const make = (next: (i: number) => number): readonly number[] => Array.from({ length }, (_, i) => next(i));
  const zipf = (exponent: number): (() => number) => createZipf(capacity * 20, exponent, createRandom(1));
  const moving = (part: number, asks: number) => () => {
    const random = createRandom(2);
    return make((i) => Math.floor(i / asks) + Math.floor(random() * capacity * part));
  };
  return {
    'Zipf 0.8': () => make(zipf(0.8)),
    'Zipf 1.0': () => make(zipf(1)),
    'Zipf 1.2': () => make(zipf(1.2)),
    'Zipf 1.0 and scans of twice the cache': () => {
      const popular = zipf(1);
      return make((i) => (i % (capacity * 5) < capacity * 3 ? popular() : 1e9 + i));
    },
    'Zipf 1.0, every other key comes once': () => {
      const popular = zipf(1);
      return make((i) => (i % 2 === 0 ? popular() : 1e9 + i));
    },
    'Zipf 1.0 of other keys from time to time': () => {
      const popular = zipf(1);
      return make((i) => popular() + Math.floor((i * 4) / length) * 1e6);
    },
    'a loop, 1.1 times the cache': () => make((i) => i % Math.floor(capacity * 1.1)),
    'a loop, 1.5 times the cache': () => make((i) => i % Math.floor(capacity * 1.5)),
    'a working set of 0.5 that moves fast': moving(0.5, 3),
    'a working set of 0.8 that moves fast': moving(0.8, 3),
    'a working set of 0.8 that moves': moving(0.8, 10),
    'the latest most': () => {
      const random = createRandom(3);
      const asked: number[] = [];
      return make((i) => {
        const back = Math.floor(-Math.log(1 - random()) * capacity * 0.3);
        const key = random() < 0.3 ? i : (asked[asked.length - 1 - back] ?? i);
        asked.push(key);
        return key;
      });
    },
    'each twice at once': () => {
      const popular = zipf(1);
      let latest = 0;
      return make((i) => (i % 2 === 0 ? (latest = popular()) : latest));
    },
    'each twice, 0.45 of the cache apart': () => {
      const apart = Math.floor(capacity * 0.45);
      return make((i) => (i % 2 === 0 ? i : i - 1 - 2 * Math.floor(apart / 2)));
    },
  };
}

/** Sizes of values, by key, from 1 to `largest` bytes: as many from 1 to 10 as from 10 to 100, and so on. */
export function sizeOf(key: number, largest: number): number {
  return Math.floor(largest ** createRandom(key * 7 + 3)());
}

/** The least recently used goes first: what is measured against. Bytes are what the caller says. */
export class PlainLru {
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #kept = new Map<string, number>();
  #bytes = 0;

  constructor(maxEntries: number, maxBytes: number) {
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
  }

  get(key: string): boolean {
    const bytes = this.#kept.get(key);
    if (bytes === undefined) return false;
    this.#kept.delete(key);
    this.#kept.set(key, bytes);
    return true;
  }

  set(key: string, bytes: number): void {
    if (bytes > this.#maxBytes) return;
    for (const [oldest, size] of this.#kept) {
      if (this.#kept.size < this.#maxEntries && this.#bytes + bytes <= this.#maxBytes) break;
      this.#kept.delete(oldest);
      this.#bytes -= size;
    }
    this.#kept.set(key, bytes);
    this.#bytes += bytes;
  }
}
