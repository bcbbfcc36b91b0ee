/** @module A store of bytes in IndexedDB, which lasts until the user or the browser clears the origin's storage. */

import type { ByteStore, StoreBatch, StoreUsage, TrimOptions } from '../../../src/cache/byte-store.ts';
import { StoreFullError } from '../../../src/cache/store-errors.ts';
import { systemClock } from '../../../src/clock.ts';
import { ClosedError } from '../../../src/errors.ts';
import { Emitter } from '../../../src/events.ts';
import type { EventSource } from '../../../src/events.ts';
import type { Clock } from '../../../src/platform.ts';
import { Connection } from './connection.ts';
import { Locks } from './locks.ts';
import { deleteBelow, getOne, latestUse, listKeys, putFirst, sumUsage, writeBatch } from './operations.ts';
import { storeDatabase } from './schema.ts';
import { sweepChunk } from './sweep.ts';
import type { Sweep, Swept } from './sweep.ts';
import { transact } from './transact.ts';
import type { Operation } from './transact.ts';

export interface IndexedDbStoreOptions {
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Told where something was lost that a user may miss. Default: it is written to the console. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/**
 * Opens the database of this name, and makes it at its first use. Nothing else may be kept in it.
 * @throws StoreUnavailableError where there is no IndexedDB, or it may not be used (sandboxed frames, settings, some private
 * windows), or a newer version of epochly wrote the database.
 */
export async function openIndexedDbStore(name: string, options: IndexedDbStoreOptions = {}): Promise<ByteStore> {
  const { clock = systemClock, onWarning = (warning) => console.warn(`epochly: ${warning}`) } = options;
  const store = new IndexedDbStore(name, clock, onWarning);
  try {
    await store.start();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

class IndexedDbStore implements ByteStore {
  /** Absent on insecure origins. */
  declare readonly lock?: (name: string, signal?: AbortSignal) => Promise<Disposable>;
  readonly onAnnounced: EventSource<string>;
  readonly #clock: Clock;
  readonly #connection: Connection;
  readonly #channel: BroadcastChannel;
  readonly #locks: Locks | undefined;
  /** What was asked for in this tick. */
  #asked: Operation[] = [];
  readonly #running = new Set<Promise<void>>();
  #lastUse = 0;
  #closing: Promise<void> | undefined;

  constructor(name: string, clock: Clock, onWarning: (warning: string) => void) {
    this.#clock = clock;
    const announced = new Emitter<string>();
    this.onAnnounced = announced.event;
    // Whoever cleared the storage told nobody what is gone: the empty announcement says that some may have been missed.
    const onLost = (): void => announced.emit('');
    this.#connection = new Connection(storeDatabase(name), { clock, onWarning, onLost });
    this.#channel = new BroadcastChannel(`epochly ${name}`);
    this.#channel.addEventListener('message', ({ data }) => announced.emit(String(data)));
    const manager = globalThis.navigator.locks as LockManager | undefined;
    if (manager === undefined) return;
    const locks = new Locks(manager, name);
    this.#locks = locks;
    this.lock = (key, signal) => locks.lock(key, signal);
  }

  async start(): Promise<void> {
    // A clock that was set back must not make what comes look older than what was.
    this.#lastUse = await this.#ask(false, latestUse());
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#ask(false, getOne(key));
  }

  put(key: string, bytes: Uint8Array): Promise<void> {
    return this.write({ puts: [{ key, bytes }] });
  }

  putIfAbsent(key: string, bytes: Uint8Array): Promise<Uint8Array> {
    return this.#ask(true, putFirst({ key, bytes: copyOf(bytes) }));
  }

  write({ puts = [], ...others }: StoreBatch): Promise<void> {
    return this.#ask(true, writeBatch({ ...others, puts: puts.map((put) => ({ ...put, bytes: copyOf(put.bytes) })) }));
  }

  delete(key: string): Promise<void> {
    return this.write({ deletes: [key] });
  }

  keys(prefix: string): Promise<readonly string[]> {
    return this.#ask(false, listKeys(prefix));
  }

  deletePrefix(prefix: string): Promise<void> {
    return this.#ask(true, deleteBelow(prefix));
  }

  usage(prefix: string): Promise<StoreUsage> {
    return this.#ask(false, sumUsage(prefix));
  }

  async trim({ prefix, nowMs, maxBytes }: TrimOptions): Promise<number> {
    const expired = await this.#sweep({ index: 'expiresAt', prefix, until: nowMs, maxBytes: -Infinity });
    if (this.#closing !== undefined) return expired;
    return expired + (await this.#sweep({ index: 'usedAt', prefix, until: Infinity, maxBytes }));
  }

  announce(message: string): void {
    this.#assertOpen();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- channels are of one origin
    this.#channel.postMessage(message);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#asked.length > 0 || this.#running.size > 0) await Promise.all(this.#running);
    this.#channel.close();
    this.#locks?.close();
    await this.#connection.close();
  }

  async #sweep(sweep: Sweep): Promise<number> {
    let deleted = 0;
    for (let from: Swept['next']; ;) {
      const swept = await this.#ask<Swept>(true, sweepChunk(sweep, from), true);
      deleted += swept.deleted;
      // What is left when the store is closed is left to the next time.
      if (swept.next === undefined || this.#closing !== undefined) return deleted;
      from = swept.next;
    }
  }

  /** What is asked for in one tick is done in one transaction, in its order, unless it is to be alone in one. */
  async #ask<T>(writes: boolean, run: (stores: never, answer: (value: T) => void) => void, alone = false): Promise<T> {
    this.#assertOpen();
    return new Promise<T>((resolve, reject) => {
      const operation = { writes, run, resolve, reject } as unknown as Operation;
      if (this.#asked.length === 0) queueMicrotask(() => this.#begin());
      if (alone) this.#begin();
      this.#asked.push(operation);
      if (alone) this.#begin();
    });
  }

  #begin(): void {
    const operations = this.#asked.splice(0);
    if (operations.length === 0) return;
    const work = this.#carryOut(operations).finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  async #carryOut(operations: readonly Operation[], isSecond = false): Promise<void> {
    let database: IDBDatabase;
    try {
      database = await this.#connection.open();
    } catch (error) {
      for (const { reject } of operations) reject(error);
      return;
    }
    try {
      await transact(database, operations, this.#mark);
    } catch (error) {
      const [first, ...others] = operations as readonly [Operation, ...Operation[]];
      if (!isSecond && isLost(error)) {
        await this.#connection.drop(database);
        await this.#carryOut(operations, true);
      } else if (others.length > 0) {
        // One that fails fails no other.
        for (const operation of operations) await this.#carryOut([operation], isSecond);
      } else first.reject(explain(error));
    }
  }

  readonly #mark = (): number => {
    // Many fall into one millisecond. Near today's times the least difference of two numbers is a quarter of this.
    this.#lastUse = Math.max(this.#clock.epochNow(), this.#lastUse + 0.001);
    return this.#lastUse;
  };

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('The store is closed.');
  }
}

/** Into memory of its own: of a part of a buffer IndexedDB would keep all of it, and of shared memory nothing. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** Whether the connection may be at fault: the browser ended it, or Safari lost its database process. */
function isLost(error: unknown): boolean {
  return error instanceof Error && ['AbortError', 'InvalidStateError', 'UnknownError'].includes(error.name);
}

function explain(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'QuotaExceededError') return error;
  return new StoreFullError('The browser allows this origin no more storage.', { cause: error });
}
