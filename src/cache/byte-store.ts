/** @module Bytes by name, which may outlive the process: what persistent tiers are built on. */

import type { EventSource } from '../events.ts';
import type { MaybePromise } from '../platform.ts';

/** One entry to be written. */
export interface StoreEntry {
  readonly key: string;
  readonly bytes: Uint8Array;
  /**
   * When it may be deleted, in milliseconds since the Unix epoch. Default: never. From then on a store that lets entries expire
   * by itself, as Redis does, finds it no more; others find it until `trim()`.
   */
  readonly expiresAt?: number | undefined;
}

/** Changes that are made together: first what is deleted, then what is put. */
export interface StoreBatch {
  readonly deletes?: readonly string[] | undefined;
  readonly puts?: readonly StoreEntry[] | undefined;
  /** Keys that were read: of those not marked for longest, `trim()` deletes first. Keys that are not there are passed over. */
  readonly used?: readonly string[] | undefined;
}

/** What is kept: entries, and bytes of their keys and values, in which whatever the store takes beside them is left out. */
export interface StoreUsage {
  readonly entries: number;
  readonly bytes: number;
}

/** What goes to make room. */
export interface TrimOptions {
  /** Only entries whose keys begin so. */
  readonly prefix: string;
  /** What expired by then goes, in milliseconds since the Unix epoch. */
  readonly nowMs: number;
  /** Then those that were written or used longest ago, until no more bytes (by `usage`) are left below the prefix. */
  readonly maxBytes: number;
}

/**
 * A store of bytes: SQLite, IndexedDB, Redis, memory. Keys are any strings; one that holds another as its beginning is another
 * key. Bytes that go in and come out are the caller's own. What can answer at once may. Several processes or tabs may have the
 * same store open. Test one of your own with `testByteStore` from 'epochly/testing'.
 */
export interface ByteStore {
  get(key: string): MaybePromise<Uint8Array | undefined>;
  /** Replaces what was there. */
  put(key: string, bytes: Uint8Array): MaybePromise<void>;
  /**
   * Keeps the bytes unless there are some, and returns those that are there afterwards: of several writers at once, also in
   * several processes or tabs, the first one's.
   */
  putIfAbsent(key: string, bytes: Uint8Array): MaybePromise<Uint8Array>;
  /** All of the changes or none, also where the process is killed; a store of several machines may fall short of that. */
  write(batch: StoreBatch): MaybePromise<void>;
  delete(key: string): MaybePromise<void>;
  /** All keys that begin so, sorted by code units. */
  keys(prefix: string): MaybePromise<readonly string[]>;
  deletePrefix(prefix: string): MaybePromise<void>;
  usage(prefix: string): MaybePromise<StoreUsage>;
  /** Makes room. Returns how many entries it deleted. */
  trim(options: TrimOptions): MaybePromise<number>;
  /**
   * How many small entries one `write()` takes without holding up the thread that asks for more than a few tenths of a
   * millisecond. Default 32.
   */
  readonly batchEntries?: number;
  /**
   * A number that is another one after any other connection changed the store. Absent where that cannot be told; where it is,
   * it costs far less than a read.
   */
  changeCount?(): number;
  /** Tells all other connections, as far as they can be reached now. What is told is public: no secrets. */
  announce?(message: string): void;
  /**
   * What other connections announced; not one's own. An empty one: some may have been missed, as before the subscription was
   * there and after its connection was lost.
   */
  readonly onAnnounced?: EventSource<string>;
  /** Holds a lock that all connections share until it is disposed of or its holder is gone. Rejects when the signal aborts. */
  lock?(name: string, signal?: AbortSignal): Promise<Disposable>;
  /** Finishes what was begun. Later calls throw ClosedError. Closing twice is fine. */
  close(): MaybePromise<void>;
}
