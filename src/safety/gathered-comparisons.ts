/** @module Comparisons that wait for each other: where the reference has to be opened for them, it is opened for some at once. */

import type { Clock } from '../platform.ts';

type Comparison = () => Promise<void>;

export interface GatheredComparisonsParts {
  readonly clock: Clock;
  /** Whether nothing else is compared now. */
  readonly isFree: () => boolean;
  readonly compareAll: (comparisons: readonly Comparison[]) => void;
}

/** So many are reason enough to open the reference. */
const ENOUGH = 8;
/** And so is one that waited for so long, in milliseconds: what is wrong is not to be served for ever where little is asked. */
const LONGEST_WAIT_MS = 60_000;
/** Until what else is compared has ended, in milliseconds. */
const BUSY_MS = 1000;

export class GatheredComparisons {
  readonly #parts: GatheredComparisonsParts;
  readonly #waiting: Comparison[] = [];
  #timer: Disposable | undefined;

  constructor(parts: GatheredComparisonsParts) {
    this.#parts = parts;
  }

  add(comparison: Comparison): void {
    this.#waiting.push(comparison);
    if (this.#waiting.length >= ENOUGH) this.#compareAll();
    else this.#timer ??= this.#parts.clock.after(LONGEST_WAIT_MS, () => this.#compareAll());
  }

  /** What they are of is not used any more. */
  forget(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#waiting.length = 0;
  }

  #compareAll(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#parts.isFree() ? undefined : this.#parts.clock.after(BUSY_MS, () => this.#compareAll());
    if (this.#timer === undefined) this.#parts.compareAll(this.#waiting.splice(0));
  }
}
