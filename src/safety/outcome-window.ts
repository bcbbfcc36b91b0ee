/** @module How many of the last calls failed: the last so many, or those of the last so many milliseconds. */

/** What is counted: the last `calls`, or those of the last `durationMs`. */
export type WindowSize = { readonly calls: number } | { readonly durationMs: number };

/** A window as plain JSON. Ages, not instants: the process that reads it has another clock. */
export type SavedWindow =
  /** Oldest first, '1' for each that failed. */
  | { readonly kind: 'calls'; readonly outcomes: string }
  /** Oldest first; `ageMs` since the slice began. */
  | {
      readonly kind: 'time';
      readonly slices: readonly { readonly ageMs: number; readonly calls: number; readonly failures: number }[];
    };

/** How many of the latest calls there were, and failed. */
export interface WindowCounts {
  readonly calls: number;
  readonly failures: number;
}

export interface OutcomeWindow {
  record(failed: boolean, now: number): void;
  counts(now: number): WindowCounts;
  clear(): void;
  save(now: number): SavedWindow;
  /** Takes in what `save` gave; nothing where it was a window of the other kind. */
  restore(saved: SavedWindow, now: number): void;
}

/** @throws RangeError for a size that is not above 0 */
export function createWindow(size: WindowSize): OutcomeWindow {
  return 'calls' in size ? new CallWindow(size.calls) : new TimeWindow(size.durationMs);
}

/** The last `size` calls, in a ring. */
class CallWindow implements OutcomeWindow {
  readonly #size: number;
  /** Oldest first from `#next` on, once it is full. */
  #failed: boolean[] = [];
  #next = 0;
  #failures = 0;

  constructor(size: number) {
    if (!(Number.isSafeInteger(size) && size > 0)) {
      throw new RangeError(`window.calls is a whole number above 0, not ${size}.`);
    }
    this.#size = size;
  }

  record(failed: boolean): void {
    if (this.#failed[this.#next] === true) this.#failures--;
    if (failed) this.#failures++;
    this.#failed[this.#next] = failed;
    this.#next = (this.#next + 1) % this.#size;
  }

  counts(): WindowCounts {
    return { calls: this.#failed.length, failures: this.#failures };
  }

  clear(): void {
    this.#failed = [];
    this.#next = 0;
    this.#failures = 0;
  }

  save(): SavedWindow {
    const full = this.#failed.length === this.#size;
    const ordered = full ? [...this.#failed.slice(this.#next), ...this.#failed.slice(0, this.#next)] : this.#failed;
    return { kind: 'calls', outcomes: ordered.map(Number).join('') };
  }

  restore(saved: SavedWindow): void {
    if (saved.kind === 'calls') for (const each of saved.outcomes) this.record(each === '1');
  }
}

/** So many slices a window: a call counts until its slice has left it, between 9 and 10 tenths of the duration. */
const SLICES = 10;

interface Slice {
  readonly startedAt: number;
  calls: number;
  failures: number;
}

class TimeWindow implements OutcomeWindow {
  readonly #durationMs: number;
  /** Oldest first. */
  #slices: Slice[] = [];

  constructor(durationMs: number) {
    if (!(durationMs > 0 && durationMs < Infinity)) {
      throw new RangeError(`window.durationMs is above 0, not ${durationMs}.`);
    }
    this.#durationMs = durationMs;
  }

  record(failed: boolean, now: number): void {
    let last = this.#slices.at(-1);
    if (last === undefined || now - last.startedAt >= this.#durationMs / SLICES) {
      last = { startedAt: now, calls: 0, failures: 0 };
      this.#slices.push(last);
      this.#forget(now);
    }
    last.calls++;
    if (failed) last.failures++;
  }

  counts(now: number): WindowCounts {
    this.#forget(now);
    let [calls, failures] = [0, 0];
    for (const each of this.#slices) {
      calls += each.calls;
      failures += each.failures;
    }
    return { calls, failures };
  }

  clear(): void {
    this.#slices = [];
  }

  save(now: number): SavedWindow {
    this.#forget(now);
    const slices = this.#slices.map(({ startedAt, calls, failures }) => ({ ageMs: now - startedAt, calls, failures }));
    return { kind: 'time', slices };
  }

  restore(saved: SavedWindow, now: number): void {
    if (saved.kind !== 'time') return;
    this.#slices = saved.slices.map(({ ageMs, calls, failures }) => ({ startedAt: now - ageMs, calls, failures }));
  }

  #forget(now: number): void {
    while (this.#slices[0] !== undefined && now - this.#slices[0].startedAt >= this.#durationMs) this.#slices.shift();
  }
}
