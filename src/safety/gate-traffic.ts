/** @module Which calls an optimisation is given, and which of its answers are compared. */

import type { GateStage } from './gate-request.ts';

export interface GateTrafficParts {
  readonly stages: readonly GateStage[];
  readonly sampleRate: number;
  readonly random: () => number;
}

/** Stage by stage to all of the calls. */
export class GateTraffic {
  readonly #parts: GateTrafficParts;
  #level = 0;
  /** Answers of this stage that were compared. */
  #passed = 0;
  /** What it is owed of its share of the calls. */
  #due = 0;
  /** A comparison that chance has chosen and that had to wait for another. */
  #owed = false;

  constructor(parts: GateTrafficParts) {
    this.#parts = parts;
  }

  /** Whether the stages are over. */
  get isFull(): boolean {
    return this.#level >= this.#parts.stages.length;
  }

  /** Of the calls: 0 to 1. */
  get share(): number {
    return this.#parts.stages[this.#level]?.share ?? 1;
  }

  /** Whether the next call is its own, where it is free to take it. */
  takes(isFree: boolean): boolean {
    this.#due = Math.min(1, this.#due + this.share);
    if (this.#due < 1 || !isFree) return false;
    this.#due = 0;
    return true;
  }

  /** One of its answers was right. @returns the answers of the stage that has ended with it; undefined where none has */
  pass(): number | undefined {
    const stage = this.#parts.stages[this.#level];
    if (stage === undefined || ++this.#passed < stage.answers) return undefined;
    this.#level++;
    this.#passed = 0;
    this.#due = 0;
    return stage.answers;
  }

  /**
   * Whether to compare the n-th answer to calls of a shape, from 1: the first always, the others with the chance 1/n, or the sample
   * rate, which is more, later. What goes wrong goes wrong early, as a rule, and each comparison costs a run of the reference.
   */
  chooses(n: number, isFree: boolean): boolean {
    const { random, sampleRate } = this.#parts;
    this.#owed ||= random() < Math.max(sampleRate, 1 / n);
    if (!this.#owed || !isFree) return false;
    this.#owed = false;
    return true;
  }

  /** Passes all stages at once. */
  fill(): void {
    this.#level = this.#parts.stages.length;
  }

  reset(): void {
    this.#level = 0;
    this.#passed = 0;
    this.#due = 0;
    this.#owed = false;
  }
}
