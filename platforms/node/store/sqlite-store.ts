/** @module A store in a file, by SQLite: read on the thread that asks, written on another. */

import type { ByteStore, StoreBatch, StoreUsage, TrimOptions } from '../../../src/cache/byte-store.ts';
import { StoreError } from '../../../src/cache/store-errors.ts';
import { ClosedError } from '../../../src/errors.ts';
import type { MaybePromise } from '../../../src/platform.ts';
import { Reader } from './reader.ts';
import { fileIdentity } from './set-aside.ts';
import { isDamage } from './sqlite.ts';
import type { Sqlite } from './sqlite.ts';
import type { TrimProgress } from './trim.ts';
import type { WritePlace } from './write-place.ts';
import type { WriteReply } from './write-protocol.ts';
import { WriteQueue } from './write-queue.ts';

/** To hand over so many of 1.6 kB takes a tenth of a millisecond. The more go into one transaction the less each costs. */
const THREAD_BATCH_ENTRIES = 128;

/** How often a file may be replaced while it is being opened. */
const MAX_ATTEMPTS = 5;

export interface SqliteStoreParts {
  readonly sqlite: Sqlite;
  readonly path: string;
  readonly place: WritePlace;
  readonly warning?: string | undefined;
}

/**
 * `get()` answers at once. Everything else is done in turn by the place that writes, many tasks in one transaction, and is
 * resolved when it is committed: a process that is killed loses none of it, a machine that loses power the last of it. What
 * waits is held in memory, as much of it as there is.
 *
 * A file found damaged is renamed and another one begun, once while it is open; so is one that was removed. What fails
 * otherwise fails with a StoreError, and the store goes on.
 */
export class SqliteStore implements ByteStore {
  declare readonly batchEntries?: number;
  readonly #parts: SqliteStoreParts;
  readonly #queue: WriteQueue;
  readonly #warnings: string[] = [];
  /** Undefined while the file is being opened. */
  #reader: Reader | undefined;
  #identity = '';
  #opening: Deferred | undefined;
  #attempts = 0;
  #files = 0;
  #hasReplaced = false;
  #failure: StoreError | undefined;
  #trimming: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(parts: SqliteStoreParts) {
    const { place, path, warning } = parts;
    this.#parts = parts;
    if (!place.holdsUp) this.batchEntries = THREAD_BATCH_ENTRIES;
    this.#queue = new WriteQueue(place, path);
    if (warning !== undefined) this.#warnings.push(warning);
    this.#expectFile();
    place.onReply((reply) => this.#take(reply));
    void place.ended.then((reason) => {
      if (reason !== undefined) this.#fail(reason);
    });
  }

  /** What is not as it should be and was helped: a file that was set aside, a thread that could not be had. */
  get warnings(): readonly string[] {
    return [...this.#warnings];
  }

  /** Resolves when the file is open. @throws StoreError */
  async opened(): Promise<void> {
    await this.#opening?.promise;
    if (this.#failure !== undefined) throw this.#failure;
  }

  get(key: string): MaybePromise<Uint8Array | undefined> {
    this.#assertOpen();
    assertText(key);
    if (this.#reader === undefined) return this.opened().then(() => this.get(key));
    return this.#read((reader) => reader.get(key));
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.write({ puts: [{ key, bytes }] });
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<Uint8Array> {
    this.#assertOpen();
    assertText(key);
    return this.#queue.submit({ type: 'putIfAbsent', key, bytes: copyOf(bytes) });
  }

  async write({ deletes = [], puts = [], used = [] }: StoreBatch): Promise<void> {
    this.#assertOpen();
    for (const key of [...deletes, ...used]) assertText(key);
    const copies = puts.map(({ key, bytes, expiresAt }) => {
      assertText(key);
      if (expiresAt !== undefined && typeof expiresAt !== 'number') throw new TypeError('A time is a number.');
      return { key, bytes: copyOf(bytes), expiresAt };
    });
    const batch = { deletes: [...deletes], puts: copies, used: [...used] };
    await this.#queue.submit({ type: 'write', batch });
  }

  async delete(key: string): Promise<void> {
    await this.write({ deletes: [key] });
  }

  async keys(prefix: string): Promise<readonly string[]> {
    this.#assertOpen();
    assertText(prefix);
    return this.#queue.submit({ type: 'keys', prefix });
  }

  async deletePrefix(prefix: string): Promise<void> {
    this.#assertOpen();
    assertText(prefix);
    await this.#queue.submit({ type: 'deletePrefix', prefix });
  }

  async usage(prefix: string): Promise<StoreUsage> {
    this.#assertOpen();
    assertText(prefix);
    return this.#queue.submit({ type: 'usage', prefix });
  }

  /** In steps, between which other writes take their turns. Closing the store ends it where it is. */
  async trim(options: TrimOptions): Promise<number> {
    this.#assertOpen();
    const { prefix, nowMs, maxBytes } = options;
    assertText(prefix);
    const trimmed = this.#trimming.then(() => this.#trim({ prefix, nowMs, maxBytes }));
    this.#trimming = trimmed.catch(() => undefined);
    return trimmed;
  }

  /** Another one after this store wrote, too. */
  changeCount(): number {
    this.#assertOpen();
    return this.#files * 2 ** 32 + (this.#reader === undefined ? 0 : this.#read((reader) => reader.dataVersion));
  }

  /** Writes what is waiting, and ends the thread. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #trim(options: TrimOptions): Promise<number> {
    let progress: TrimProgress = { at: 'expired', deleted: 0 };
    while (progress.at !== 'end' && this.#closing === undefined) {
      progress = await this.#queue.submit<TrimProgress>({ type: 'trim', options, progress });
    }
    return progress.deleted;
  }

  async #close(): Promise<void> {
    const { place } = this.#parts;
    place.hold();
    await this.#opening?.promise;
    await this.#queue.drained();
    // Before the one that writes: the last one to close carries the log over, which one that only reads cannot.
    this.#reader?.close();
    this.#reader = undefined;
    place.post({ type: 'close' });
    await place.ended;
    place.release();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('The store is closed.');
    if (this.#failure !== undefined) throw this.#failure;
  }

  #read<T>(task: (reader: Reader) => T): T {
    try {
      return task(this.#reader as Reader);
    } catch (cause) {
      if (isDamage(cause) && !this.#hasReplaced) this.#reopen(true);
      const message = `The store ${this.#parts.path} could not be read: ${(cause as Error).message}`;
      throw new StoreError(message, { cause });
    }
  }

  #take(reply: WriteReply): void {
    switch (reply.type) {
      case 'opened':
        return this.#open(reply.identity, reply.warning);
      case 'failed':
        return this.#fail(reply.reason);
      case 'performed':
        return this.#queue.performed(reply.outcomes);
      case 'unusable':
        // Else it has been asked for already.
        if (this.#opening === undefined) this.#reopen(reply.damaged);
        return;
      case 'closed':
        return;
    }
  }

  #open(identity: string, warning: string | undefined): void {
    const { sqlite, path } = this.#parts;
    if (warning !== undefined) this.#warnings.push(warning);
    this.#identity = identity;
    try {
      this.#reader = new Reader(sqlite, path);
    } catch (cause) {
      if (fileIdentity(path) === identity) return this.#fail((cause as Error).message, cause);
    }
    if (fileIdentity(path) === identity) {
      this.#attempts = 0;
      return this.#settleOpening();
    }
    if (++this.#attempts === MAX_ATTEMPTS) return this.#fail(`Something keeps replacing ${path}.`);
    this.#askForFile(false);
  }

  #reopen(damaged: boolean): void {
    if (damaged) this.#hasReplaced = true;
    this.#expectFile();
    this.#askForFile(damaged);
  }

  /** A file that is open cannot be renamed everywhere: first it is closed here. */
  #askForFile(damaged: boolean): void {
    this.#reader?.close();
    this.#reader = undefined;
    this.#parts.place.post({ type: 'reopen', identity: this.#identity, damaged });
  }

  #expectFile(): void {
    this.#files++;
    this.#opening = defer();
    this.#parts.place.hold();
  }

  #settleOpening(): void {
    if (this.#opening === undefined) return;
    this.#parts.place.release();
    this.#opening.resolve();
    this.#opening = undefined;
  }

  #fail(reason: string, cause?: unknown): void {
    this.#failure = new StoreError(reason, { cause });
    this.#reader?.close();
    this.#reader = undefined;
    this.#queue.fail(this.#failure);
    this.#settleOpening();
  }
}

function assertText(value: unknown): void {
  if (typeof value !== 'string') throw new TypeError('A key, and the beginning of one, is a string.');
}

function copyOf(bytes: unknown): Uint8Array {
  if (!ArrayBuffer.isView(bytes) || (bytes as Uint8Array)[Symbol.toStringTag] !== 'Uint8Array')
    throw new TypeError('A value is a Uint8Array.');
  // Not `slice()`: that of a Buffer would share its memory.
  return new Uint8Array(bytes as Uint8Array);
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function defer(): Deferred {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
