/** @module Answers that are to be held against the reference: at once where it is open, and some together where it has to be opened. */

import type { Clock } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { CompilableModel } from './model-compiler.ts';

/** What was answered, and to what. */
export interface Comparison {
  readonly inputs: readonly Portable[];
  readonly answer: Portable;
}

export interface GatheredComparisonsParts {
  readonly clock: Clock;
  readonly model: Pick<CompilableModel, 'referenceRests'>;
  /** Never rejects. */
  readonly compare: (comparison: Comparison) => Promise<void>;
  /** The model is being closed. */
  readonly signal: AbortSignal;
}

/** So many are reason enough to open the reference. */
const ENOUGH = 8;
/** And so is one that waited for so long, in milliseconds: what is wrong is not to be served for ever where little is asked. */
const LONGEST_WAIT_MS = 60_000;

/** Compares one after another. */
export class GatheredComparisons {
  readonly #parts: GatheredComparisonsParts;
  #waiting: Comparison[] = [];
  #timer: Disposable | undefined;
  #isBusy = false;

  constructor(parts: GatheredComparisonsParts) {
    this.#parts = parts;
    parts.signal.addEventListener('abort', () => this.#take());
  }

  /** Whether it compares: what is sampled must not be what the machine does. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  add(comparison: Comparison): void {
    const { clock, model } = this.#parts;
    this.#waiting.push(comparison);
    if (model.referenceRests !== true || this.#waiting.length >= ENOUGH) void this.#compareAll();
    else this.#timer ??= clock.after(LONGEST_WAIT_MS, () => void this.#compareAll());
  }

  async #compareAll(): Promise<void> {
    this.#isBusy = true;
    for (const each of this.#take()) await this.#parts.compare(each);
    this.#isBusy = false;
  }

  #take(): readonly Comparison[] {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    return this.#waiting.splice(0);
  }
}
