/**
 * @module When a batch's answers are compared with those that its requests get alone: a model may mix the rows of a batch (it
 * normalises over them, or quantises them together), and no metadata says so.
 */

/** The first batches, whatever their size. */
const FIRST = 3;
/** After those, and after the first batch of each doubling of the size, one in so many. */
const SAMPLED = 128;

export class AnswerChecks {
  #done = 0;
  #sinceLast = 0;
  /** Doublings of which a batch was compared. */
  readonly #doublings = new Set<number>();

  /** How many batches were compared. */
  get count(): number {
    return this.#done;
  }

  isDue(rows: number): boolean {
    return this.#done < FIRST || ++this.#sinceLast >= SAMPLED || !this.#doublings.has(Math.floor(Math.log2(rows)));
  }

  passed(rows: number): void {
    this.#done++;
    this.#sinceLast = 0;
    this.#doublings.add(Math.floor(Math.log2(rows)));
  }
}
