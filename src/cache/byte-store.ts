/** @module Bytes by name, which may outlive the process: what persistent tiers are built on. */

import type { MaybePromise } from '../platform.ts';

/**
 * A store of bytes: SQLite, IndexedDB, memory. Keys are any strings; one that holds another as its beginning is another key.
 * Bytes that go in and come out are the caller's own. What can answer at once may. Test one of your own with `testByteStore`
 * from 'epochly/testing'.
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
  delete(key: string): MaybePromise<void>;
  /** All keys that begin so, sorted by code units. */
  keys(prefix: string): MaybePromise<readonly string[]>;
  deletePrefix(prefix: string): MaybePromise<void>;
  /** Later calls throw ClosedError. Closing twice is fine. */
  close(): MaybePromise<void>;
}
