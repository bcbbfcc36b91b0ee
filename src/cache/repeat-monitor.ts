/** @module Whether a model's questions ever repeat: where they never do, most of them need not be looked for in a cache. */

import type { Portable } from '../portable.ts';

/**
 * Lookups in a row without a hit after which questions go past the cache. Where one in a hundred lookups hits, so many in a
 * row miss once in 30,000 times: a cache that is of use is left alone. And so many are soon done where it is of none.
 */
const PATIENCE = 1024;

/** While questions go past the cache, those of one class in so many are looked for. */
const CLASSES = 32;

/** For 2 to the power of this many questions it is the same class, then the next. */
const TURN_BITS = 8;

/**
 * One for each model. After 1024 lookups in a row without a hit, questions go past the cache, and what they cost there is
 * saved, but for a sample of one in 32: those whose fingerprints are of one class, so that of a question that is asked twice
 * both are looked for, or neither. The class changes every 256 questions, so that each question has its turn within 8192,
 * also where it is but one that repeats. The first hit brings all questions back.
 *
 * What is lost: where one lookup in a hundred or more would hit, less than one hit in a thousand; where fewer would, more of
 * them, but never more than one hit in 500 questions. What is noticed: a thousand questions that are asked over and over,
 * as a rule within some hundreds; a single one among others that never repeat, if it is one in a hundred, within 8192.
 */
export class RepeatMonitor {
  /** Of the last runs with a lookup in vain, more of the later ones: what the cache cost, and the run itself, in milliseconds. */
  #costMs = 0;
  #runMs = 0;
  /** Lookups since the last hit. */
  #misses = 0;
  /** Questions that were asked while most went past the cache. */
  #asked = 0;

  /** Whether most questions go past the cache now. */
  get isBypassing(): boolean {
    return this.#misses >= PATIENCE;
  }

  /**
   * Whether to look for a question: asked once a call, and answered by `record` where true. `fingerprint` matters only where
   * `isBypassing`; the same one for all questions is allowed, and looks for 256 in a row of each 8192.
   */
  shouldLook(fingerprint: number): boolean {
    return !this.isBypassing || (fingerprint + (this.#asked++ >>> TURN_BITS)) % CLASSES === 0;
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
  }
}

/** What the cache may cost of what a run does, where its answers are kept for a later time. */
const DEAR = 0.05;
/** Of the latest lookup in the average. */
const WEIGHT = 0.05;

/** Nobody can tell which questions are looked for. */
const SEED = Math.random() * 2 ** 32;

/**
 * A whole number from 0, below 2^32, that is the same for equal inputs, and as a rule another for others. Only for samples,
 * never a key: it looks at some places only: at those of index 0, 1, 9, 73 and so on in arrays, at the last, the second, fourth,
 * eighth from the end and so on in strings, and at lengths.
 */
export function fingerprintOf(args: readonly Portable[], seed: number = SEED): number {
  return fold(seed, args) >>> 0;
}

function fold(hash: number, value: Portable): number {
  let number = value;
  if (typeof value === 'string') {
    number = value.length;
    for (let i = 1; i <= number; i *= 2) hash = mix(hash, value.charCodeAt(number - i));
  } else if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    number = value.length;
    for (let i = 0; i < number; i = i * 8 + 1) hash = fold(hash, value[i] as Portable);
  } else if (typeof value === 'object') {
    for (const key in value) hash = fold(hash, (value as { readonly [key: string]: Portable })[key]);
    return hash;
  }
  return mix(hash, Number(number));
}

/** By the constants of MurmurHash3's finaliser. */
function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ (value * 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
