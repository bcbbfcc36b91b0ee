/** @module Durations, counted in buckets whose width grows with the value. */

/** Buckets a doubling: a quantile is off by at most half a bucket, 2^(1/64) - 1, which is 1.1 %. */
const PER_DOUBLING = 32;
/** From a tenth of a microsecond to about nine hours, in milliseconds; what is beyond counts as the end. */
const MIN = 1e-4;
const DOUBLINGS = 38;
const BUCKETS = PER_DOUBLING * DOUBLINGS;

/** A histogram of milliseconds in fixed memory (10 KB). Quantiles are within 1.1 % of the true ones. */
export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = 0;

  /** Counts a value. Negative values, which a clock that was set back gives, count as zero. */
  observe(ms: number): void {
    if (!(ms >= 0)) ms = 0;
    const bucket = ms <= MIN ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log2(ms / MIN) * PER_DOUBLING));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count++;
    this.#sum += ms;
    if (ms < this.#min) this.#min = ms;
    if (ms > this.#max) this.#max = ms;
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  /** Undefined before the first value, like all that follow. */
  get min(): number | undefined {
    return this.#count === 0 ? undefined : this.#min;
  }

  get max(): number | undefined {
    return this.#count === 0 ? undefined : this.#max;
  }

  get mean(): number | undefined {
    return this.#count === 0 ? undefined : this.#sum / this.#count;
  }

  /** The value below which the share `q` (0 to 1) of all values lies. */
  quantile(q: number): number | undefined {
    if (this.#count === 0) return undefined;
    const rank = Math.max(1, Math.ceil(q * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] as number;
      if (seen >= rank) {
        const middle = MIN * 2 ** ((bucket + 0.5) / PER_DOUBLING);
        return Math.min(this.#max, Math.max(this.#min, middle));
      }
    }
    return this.#max;
  }
}
