/**
 * @module Writes that wait: an answer is given before it is kept. They go in batches that are short enough not to hold up the
 * thread, and are seen by reads meanwhile.
 */

import { ClosedError } from '../../errors.ts';
import { runSteps, settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { Clock, MaybePromise } from '../../platform.ts';
import type { ByteStore } from '../byte-store.ts';
import { isFull } from './room.ts';
import type { Room } from './room.ts';

/** Milliseconds for which a write waits for others. */
const GATHER_MS = 10;
/** A batch where the store does not say what it takes. */
const BATCH_ENTRIES = 32;
/** Of a batch, for each entry that it may have. */
const ENTRY_BYTES = 8 * 1024;
/** What may wait: more is written at once, or where that takes time not at all. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024;
/** Names that were read and of which the store is not yet told. */
const MAX_USED = 1024;
/** Milliseconds for which nothing is written after a failure: doubled with each one after it. */
const MIN_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 60_000;

/** What an entry belongs to: once that is no longer so, it need not be written. */
interface Owner {
  readonly isCurrent: boolean;
}

interface Pending {
  /** Undefined: it is to be deleted. */
  readonly bytes: Uint8Array | undefined;
  readonly expiresAt?: number | undefined;
  readonly owner?: Owner | undefined;
  /** Whether somebody asked for the deletion, so that it must not be given up. */
  readonly isAsked?: boolean | undefined;
  readonly order: number;
}

export interface WriteBufferOptions {
  readonly store: ByteStore;
  readonly clock: Clock;
  readonly room: Room;
  /** Called where writing failed; so many puts are lost. */
  readonly onError: (error: unknown, lostPuts: number) => void;
}

export class WriteBuffer {
  readonly #store: ByteStore;
  readonly #clock: Clock;
  readonly #room: Room;
  readonly #onError: (error: unknown, lostPuts: number) => void;
  readonly #maxBatchEntries: number;
  /** In the order in which they are written. */
  readonly #pending = new Map<string, Pending>();
  #writing: ReadonlyMap<string, Pending> = new Map();
  /** Settles when what is being written is. */
  #active: Promise<void> | undefined;
  readonly #used = new Set<string>();
  #pendingBytes = 0;
  #order = 0;
  #pausedUntil = -Infinity;
  #pauseMs = 0;
  #timer: Disposable | undefined;
  #isTurnDue = false;

  constructor({ store, clock, room, onError }: WriteBufferOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#room = room;
    this.#onError = onError;
    this.#maxBatchEntries = store.batchEntries ?? BATCH_ENTRIES;
  }

  get pending(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#pending.size, bytes: this.#pendingBytes };
  }

  /** What is to be written under the name; null where it is to be deleted; undefined where nothing is to be done. */
  get(name: string): Uint8Array | null | undefined {
    const found = this.#pending.get(name) ?? this.#writing.get(name);
    return found && (found.bytes ?? null);
  }

  /** Whether it will be written. */
  put(name: string, bytes: Uint8Array, expiresAt: number, owner: Owner): boolean {
    if (name.length + bytes.length > this.#room.maxBytes || this.#clock.now() < this.#pausedUntil) return false;
    if (this.#pendingBytes + bytes.length > MAX_PENDING_BYTES) void this.flush();
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes.length > MAX_PENDING_BYTES) return false;
    this.#add(name, { bytes, expiresAt, owner, order: this.#order++ });
    return true;
  }

  /** `isAsked`: it is tried until it succeeds. */
  delete(name: string, isAsked: boolean): void {
    this.#add(name, { bytes: undefined, isAsked, order: this.#order++ });
  }

  /** Tells the store of a read the next time that something is written. */
  markUsed(name: string): void {
    if (this.#used.size < MAX_USED) this.#used.add(name);
  }

  /** Nothing that waits is written. */
  clear(): void {
    this.#pending.clear();
    this.#pendingBytes = 0;
  }

  /** Waits for what is being written. */
  settle(): MaybePromise<void> {
    return this.#active;
  }

  /** Writes what waits now. Never throws: what fails is counted. */
  flush(): MaybePromise<void> {
    return runSteps(this.#flush(this.#order));
  }

  /** Writes what waits, or gives it up. */
  *close(): Steps<void> {
    yield* this.#flush(Infinity);
    this.#timer?.[Symbol.dispose]();
    let lost = 0;
    for (const { bytes } of this.#pending.values()) if (bytes !== undefined) lost++;
    this.clear();
    if (lost > 0) this.#onError(new ClosedError('The tier was closed before all was written.'), lost);
  }

  *#flush(until: number): Steps<void> {
    for (;;) {
      while (this.#active !== undefined) yield this.#active;
      const first: Pending | undefined = this.#pending.values().next().value;
      if (first === undefined || first.order >= until || !(yield* this.#writeBatch())) return;
    }
  }

  #add(name: string, pending: Pending): void {
    this.#remove(name);
    this.#pending.set(name, pending);
    this.#pendingBytes += pending.bytes?.length ?? 0;
    this.#schedule();
  }

  #remove(name: string): void {
    const pending = this.#pending.get(name);
    if (pending === undefined) return;
    this.#pendingBytes -= pending.bytes?.length ?? 0;
    this.#pending.delete(name);
  }

  /** What waits goes out in its turn, also from a process that has nothing else to do. */
  #schedule(): void {
    if (this.#timer !== undefined || this.#isTurnDue || this.#active !== undefined) return;
    const delayMs = Math.max(GATHER_MS, this.#pausedUntil - this.#clock.now());
    this.#timer = this.#clock.after(delayMs, () => this.#turn(), this.#pauseMs === 0);
  }

  #turn(): void {
    this.#timer = undefined;
    this.#isTurnDue = false;
    if (this.#pending.size === 0 || this.#active !== undefined) return;
    const written = runSteps(this.#writeBatch());
    if (!(written instanceof Promise)) this.#goOn();
  }

  #goOn(): void {
    if (this.#pending.size === 0 || this.#timer !== undefined || this.#isTurnDue) return;
    if (this.#pauseMs > 0) return this.#schedule();
    this.#isTurnDue = true;
    this.#clock.soon(() => this.#turn());
  }

  /** Whether it succeeded. */
  *#writeBatch(): Steps<boolean> {
    const batch = this.#take();
    if (batch.size === 0) return true;
    this.#writing = batch;
    let done: () => void = () => undefined;
    this.#active = new Promise((resolve) => (done = resolve));
    try {
      yield* this.#write(batch);
      this.#pauseMs = 0;
      this.#pausedUntil = -Infinity;
      return true;
    } catch (error) {
      this.#giveUp(batch, error);
      return false;
    } finally {
      this.#writing = new Map();
      this.#active = undefined;
      done();
      this.#goOn();
    }
  }

  #take(): ReadonlyMap<string, Pending> {
    const batch = new Map<string, Pending>();
    const maxEntries = this.#maxBatchEntries;
    const maxBytes = maxEntries * ENTRY_BYTES;
    let bytes = 0;
    for (const [name, each] of this.#pending) {
      const length = each.bytes?.length ?? 0;
      if (batch.size === maxEntries || (bytes > 0 && bytes + length > maxBytes)) break;
      this.#remove(name);
      if (each.owner?.isCurrent === false) continue;
      batch.set(name, each);
      bytes += length;
    }
    return batch;
  }

  *#write(batch: ReadonlyMap<string, Pending>): Steps<void> {
    const deletes: string[] = [];
    const puts: { key: string; bytes: Uint8Array; expiresAt?: number | undefined }[] = [];
    let written = 0;
    for (const [key, { bytes, expiresAt }] of batch) {
      if (bytes === undefined) deletes.push(key);
      else puts.push({ key, bytes, expiresAt });
      written += key.length + (bytes?.length ?? 0);
    }
    const used = [...this.#used].slice(0, this.#maxBatchEntries);
    for (const name of used) this.#used.delete(name);
    try {
      yield* settled(this.#store.write({ deletes, puts, used }));
    } catch (error) {
      if (!isFull(error)) throw error;
      yield* this.#room.afterFull();
      yield* settled(this.#store.write({ deletes, puts, used }));
    }
    try {
      yield* this.#room.afterWrite(written);
    } catch (error) {
      this.#onError(error, 0);
    }
  }

  /** Puts are lost; deletions that somebody asked for wait on, unless something newer was put there. */
  #giveUp(batch: ReadonlyMap<string, Pending>, error: unknown): void {
    this.#pauseMs = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, 2 * this.#pauseMs));
    this.#pausedUntil = this.#clock.now() + this.#pauseMs;
    let lost = 0;
    for (const [name, each] of batch) {
      if (each.bytes !== undefined) lost++;
      else if (each.isAsked === true && !this.#pending.has(name)) this.#pending.set(name, each);
    }
    this.#onError(error, lost);
  }
}
