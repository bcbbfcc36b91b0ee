/** @module Room in a store: made after so much was written, and where the store has none left. */

import { settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { Clock } from '../../platform.ts';
import type { ByteStore } from '../byte-store.ts';

export interface RoomOptions {
  readonly store: ByteStore;
  /** Of the names of all entries. */
  readonly prefix: string;
  readonly clock: Pick<Clock, 'epochNow'>;
  /** Most bytes that are kept below the prefix, but for what is written before it is looked again. Infinity: it never is. */
  readonly maxBytes: number;
}

/** Looking again costs: it is done after this part of the room was written. */
const WRITTEN_PART = 1 / 16;
/** What a store that is full keeps. */
const KEPT_PART = 3 / 4;

export class Room {
  readonly maxBytes: number;
  readonly #store: ByteStore;
  readonly #prefix: string;
  readonly #clock: Pick<Clock, 'epochNow'>;
  /** From the beginning there may be too much. */
  #written = Infinity;

  constructor({ store, prefix, clock, maxBytes }: RoomOptions) {
    this.maxBytes = maxBytes;
    this.#store = store;
    this.#prefix = prefix;
    this.#clock = clock;
  }

  /** Makes room where enough was written. */
  *afterWrite(bytes: number): Steps<void> {
    this.#written += bytes;
    if (this.maxBytes === Infinity || this.#written < this.maxBytes * WRITTEN_PART) return;
    this.#written = 0;
    yield* this.#trim(this.maxBytes);
  }

  /** Makes room where the store has less than it was to keep. */
  *afterFull(): Steps<void> {
    const { bytes } = yield* settled(this.#store.usage(this.#prefix));
    yield* this.#trim(Math.min(this.maxBytes, bytes * KEPT_PART));
  }

  *#trim(maxBytes: number): Steps<void> {
    yield* settled(this.#store.trim({ prefix: this.#prefix, nowMs: this.#clock.epochNow(), maxBytes }));
  }
}

/** Whether a store has no room: a quota, a disk. */
export function isFull(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { name, code, cause } = error as { readonly name?: unknown; readonly code?: unknown; readonly cause?: unknown };
  return name === 'QuotaExceededError' || code === 'STORE_FULL' || code === 'SQLITE_FULL' || isFull(cause);
}
