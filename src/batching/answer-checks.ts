/**
 * @module When a batch's answers are compared with those that its requests get alone: a model may mix the rows of a batch (it
 * normalises over them, or quantises them together), or look at padding, and no metadata says so. Requests that are all alike
 * prove nothing of the first, and none that is padded nothing of the second.
 */

/** The first batches, whatever their size. */
const FIRST = 3;
/** After those, and after the first batch of each doubling of the size, one in so many. */
const SAMPLED = 128;

/** What a batch showed whose answers were those that its requests got alone. */
export interface Evidence {
  /** Its requests were not all alike. */
  readonly differing: boolean;
  /** One that was compared had been padded. */
  readonly padded: boolean;
}

export class AnswerChecks {
  #done = 0;
  #sinceLast = 0;
  #differing = 0;
  #padded = 0;
  /** Doublings of which a batch was compared; and one whose requests differed. */
  readonly #seen = new Set<number>();
  readonly #proven = new Set<number>();

  /** How many batches were compared. */
  get count(): number {
    return this.#done;
  }

  /** Whether a batch is to be compared, whatever is in it. */
  isDue(rows: number): boolean {
    return this.#done < FIRST || ++this.#sinceLast >= SAMPLED || !this.#seen.has(doublingOf(rows));
  }

  /** Whether it is if its requests differ. */
  wantsDiffering(rows: number): boolean {
    return this.#differing < FIRST || !this.#proven.has(doublingOf(rows));
  }

  /** Whether it is if one of them is padded. */
  get wantsPadded(): boolean {
    return this.#padded < FIRST;
  }

  passed(rows: number, { differing, padded }: Evidence): void {
    this.#done++;
    this.#sinceLast = 0;
    this.#seen.add(doublingOf(rows));
    if (padded) this.#padded++;
    if (!differing) return;
    this.#differing++;
    this.#proven.add(doublingOf(rows));
  }
}

function doublingOf(rows: number): number {
  return Math.floor(Math.log2(rows));
}
