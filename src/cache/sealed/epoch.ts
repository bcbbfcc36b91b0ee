/**
 * @module Whether anything was invalidated since it was read. One record of the store, the epoch, is another one after each
 * invalidation by whomever: only then must all else that is known be read again. The record itself is read where the store's
 * `changeCount` or an announcement says that something changed, and after a while where it has neither.
 */

import { randomBytes, sameBytes } from '../../bytes.ts';
import { settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { Clock } from '../../platform.ts';
import type { ByteStore, StoreBatch } from '../byte-store.ts';

const EPOCH_BYTES = 16;

export interface EpochOptions {
  readonly store: ByteStore;
  /** Of the record. */
  readonly name: string;
  readonly clock: Pick<Clock, 'now'>;
  /** For how long the record is believed where the store cannot tell of changes. */
  readonly revalidateMs: number;
  /** Called where another connection announces an invalidation. */
  readonly onAnnounced: () => void;
}

export class Epoch {
  /** Grows whenever something may have been invalidated. What was seen at this tick is so. */
  tick = 0;
  readonly #store: ByteStore;
  readonly #name: string;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #revalidateMs: number;
  readonly #announcements: Disposable | undefined;
  #record: Uint8Array | undefined;
  #changeCount: number | undefined;
  #checkedAt = -Infinity;
  /** Whether the record must be read, whatever the change count and the time say. */
  #isStale = true;

  constructor({ store, name, clock, revalidateMs, onAnnounced }: EpochOptions) {
    this.#store = store;
    this.#name = name;
    this.#clock = clock;
    this.#revalidateMs = revalidateMs;
    this.#announcements = store.onAnnounced?.((message) => {
      // Of an empty one it is not known what it would have said.
      if (message !== name && message !== '') return;
      this.#isStale = true;
      onAnnounced();
    });
  }

  /** Whether nothing can have been invalidated since the last check. */
  isFresh(): boolean {
    if (this.#isStale) return false;
    if (this.#store.changeCount !== undefined) return this.#store.changeCount() === this.#changeCount;
    return this.#clock.now() - this.#checkedAt < this.#revalidateMs;
  }

  /** Moves the tick where the record is another one. */
  *check(): Steps<void> {
    if (this.isFresh()) return;
    // What is announced or changed during the read is read of the next time.
    this.#isStale = false;
    const [changeCount, now] = [this.#store.changeCount?.(), this.#clock.now()];
    let record: Uint8Array | undefined;
    try {
      record = yield* settled(this.#store.get(this.#name));
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
    this.#changeCount = changeCount;
    this.#checkedAt = now;
    this.#see(record);
  }

  /** Makes the record where there is none: where it is gone later, so is all else. */
  *begin(): Steps<void> {
    const record = yield* settled(this.#store.putIfAbsent(this.#name, randomBytes(EPOCH_BYTES)));
    this.#see(record);
  }

  /** Writes what invalidates something, and tells of it. */
  *publish({ deletes, puts = [] }: StoreBatch): Steps<void> {
    const record = randomBytes(EPOCH_BYTES);
    // Last: where a store writes one after another and fails in between, nobody has read too early.
    yield* settled(this.#store.write({ deletes, puts: [...puts, { key: this.#name, bytes: record }] }));
    this.#record = record;
    // What others invalidated just before has left no trace in the record.
    this.tick++;
    this.#store.announce?.(this.#name);
  }

  close(): void {
    this.#announcements?.[Symbol.dispose]();
  }

  #see(record: Uint8Array | undefined): void {
    if (sameBytes(record, this.#record)) return;
    this.#record = record;
    this.tick++;
  }
}
