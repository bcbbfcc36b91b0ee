/** @module Callers who were just answered and are likely to ask again: many are loops, and come back together. */

/** Weight of the newest return in the mean. */
const NEWEST = 1 / 8;
/**
 * So many mean deviations past the mean, those who have not come back are not expected any more. Callers in a loop come back
 * after much the same time; requests that have nothing to do with each other come at any.
 */
const PATIENCE = 2;

export class Returns {
  #rows = 0;
  #answeredAt = 0;
  /** Milliseconds from an answer to the next request; undefined before the first. */
  #meanMs: number | undefined;
  #deviationMs = 0;

  /** Rows that were answered and are likely to come back soon. */
  rows(now: number): number {
    return now === this.#answeredAt || this.inMs(now) < Infinity ? this.#rows : 0;
  }

  /** Rows were answered. */
  expect(rows: number, now: number): void {
    this.#rows = this.rows(now) + rows;
    this.#answeredAt = now;
  }

  /** Rows came: those that are expected first. */
  came(rows: number, now: number): void {
    if (this.#rows === 0) return;
    this.#rows = Math.max(0, this.#rows - rows);
    const gap = now - this.#answeredAt;
    if (this.#meanMs === undefined) {
      this.#meanMs = gap;
      this.#deviationMs = gap / 2;
      return;
    }
    this.#deviationMs += (Math.abs(gap - this.#meanMs) - this.#deviationMs) * NEWEST;
    this.#meanMs += (gap - this.#meanMs) * NEWEST;
  }

  /** Nobody is expected to come back. */
  forget(): void {
    this.#rows = 0;
  }

  /** Milliseconds in which they are likely to be back; Infinity where nobody is expected. */
  inMs(now: number): number {
    if (this.#rows === 0 || this.#meanMs === undefined) return Infinity;
    const left = this.#answeredAt + this.#meanMs + this.#deviationMs * PATIENCE - now;
    return left > 0 ? left : Infinity;
  }
}
