/** @module One at a time deletes keys or wraps them anew: else those that were deleted in between would be written again. */

import { randomBytes, sameBytes } from '../../bytes.ts';
import { runSteps, settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { Clock } from '../../platform.ts';
import type { ByteStore } from '../byte-store.ts';
import { StoreError } from '../store-errors.ts';

/** Milliseconds after which a lock whose holder did not say that it goes on is nobody's. */
const HOLD_MS = 5000;
/** Milliseconds after which its holder says so again, which a thread that is busy may do late. */
const RENEW_MS = 1000;
/** Milliseconds after which it is looked again whether it is free. */
const RETRY_MS = 50;
const TOKEN_BYTES = 16;

export interface KeyLockOptions {
  readonly store: ByteStore;
  /** Of the lock, and of its record in a store without locks. */
  readonly name: string;
  readonly clock: Clock;
}

/**
 * The store's own lock, or where it has none a record that the first writer makes. Of a holder that died it is free after a
 * while; two who find that out at the same moment may both have it.
 */
export class KeyLock {
  readonly #store: ByteStore;
  readonly #name: string;
  readonly #clock: Clock;
  /** Settles when it is free here. */
  #free: Promise<void> | undefined;
  #record: Uint8Array | undefined;
  #timer: Disposable | undefined;
  #renewing: Promise<void> | undefined;

  constructor({ store, name, clock }: KeyLockOptions) {
    this.#store = store;
    this.#name = name;
    this.#clock = clock;
  }

  *during<T>(task: () => Steps<T>): Steps<T> {
    while (this.#free !== undefined) yield this.#free;
    let free: () => void = () => undefined;
    this.#free = new Promise((resolve) => (free = resolve));
    try {
      if (this.#store.lock === undefined) return yield* this.#duringRecord(task);
      const lock = yield* settled(this.#store.lock(this.#name));
      try {
        return yield* task();
      } finally {
        lock[Symbol.dispose]();
      }
    } finally {
      this.#free = undefined;
      free();
    }
  }

  /**
   * Makes sure that it is still held, and for a while from now on: to be called before something is written that must not be where
   * another had it in between. @throws StoreError where it is another one's, or may be.
   */
  *goOn(): Steps<void> {
    const held = this.#record;
    if (held === undefined) return;
    const kept = yield* settled(this.#store.get(this.#name));
    if (this.#record === undefined) return;
    if (!isSame(kept, held) || isOver(this.#record, this.#clock.epochNow())) throw new StoreError(LOST);
    this.#record = this.#newRecord(held);
    yield* settled(this.#store.put(this.#name, this.#record));
  }

  *#duringRecord<T>(task: () => Steps<T>): Steps<T> {
    for (;;) {
      const record = this.#newRecord(randomBytes(TOKEN_BYTES));
      const kept = yield* settled(this.#store.putIfAbsent(this.#name, record));
      if (sameBytes(kept, record)) {
        this.#record = record;
        this.#renewLater();
        break;
      }
      if (isOver(kept, this.#clock.epochNow())) yield* settled(this.#store.delete(this.#name));
      // A process that has nothing else to do waits for it as well.
      else yield new Promise<void>((resolve) => this.#clock.after(RETRY_MS, resolve, true));
    }
    try {
      return yield* task();
    } finally {
      yield* this.#release();
    }
  }

  /** While it is held. Where it cannot be said, the lock is lost, and `goOn()` tells. */
  #renewLater(): void {
    this.#timer = this.#clock.after(RENEW_MS, () => {
      this.#renewing = (async () => runSteps(this.goOn()))()
        .catch(() => undefined)
        .then(() => {
          if (this.#record !== undefined) this.#renewLater();
        });
    });
  }

  *#release(): Steps<void> {
    const record = this.#record;
    this.#record = undefined;
    this.#timer?.[Symbol.dispose]();
    if (this.#renewing !== undefined) yield this.#renewing;
    this.#renewing = undefined;
    try {
      if (isSame(yield* settled(this.#store.get(this.#name)), record)) yield* settled(this.#store.delete(this.#name));
    } catch {
      // It is free after a while.
    }
  }

  /** A token, and until when it holds (8 bytes, a double). */
  #newRecord(token: Uint8Array): Uint8Array {
    const record = new Uint8Array(TOKEN_BYTES + 8);
    record.set(token.subarray(0, TOKEN_BYTES));
    new DataView(record.buffer).setFloat64(TOKEN_BYTES, this.#clock.epochNow() + HOLD_MS);
    return record;
  }
}

const LOST =
  'The lock of the keys was lost: this process was held up for too long, and another may have changed them. Do it again.';

/** Whether both are of the same holder. */
function isSame(record: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return sameBytes(record?.subarray(0, TOKEN_BYTES), other?.subarray(0, TOKEN_BYTES)) && record !== undefined;
}

function isOver(record: Uint8Array, nowMs: number): boolean {
  if (record.length !== TOKEN_BYTES + 8) return true;
  return !(new DataView(record.buffer, record.byteOffset).getFloat64(TOKEN_BYTES) > nowMs);
}
