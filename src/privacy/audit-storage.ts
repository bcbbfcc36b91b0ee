/** @module Where the audit log's files are: a folder, or a store of bytes. */

import type { ByteStore } from '../cache/byte-store.ts';
import type { MaybePromise } from '../platform.ts';
import { concat } from '../bytes.ts';

/** Files by name, written by one process each and read by all. Names are of letters, digits, dots and hyphens. */
export interface AuditStorage {
  list(): MaybePromise<readonly string[]>;
  read(name: string): MaybePromise<Uint8Array | undefined>;
  /**
   * Writes at the file's end, which is at `offset`; what a failed attempt left there goes. The bytes outlast the process.
   * Rejects with FileGoneError where the file was there and is not any more.
   */
  append(name: string, offset: number, bytes: Uint8Array): MaybePromise<void>;
  /** Afterwards what was appended outlasts the machine, as far as the place can promise that. */
  sync(name: string): MaybePromise<void>;
  /** Replaces the whole file, or makes it: at any time it is the old one or the new one. */
  replace(name: string, bytes: Uint8Array): MaybePromise<void>;
  /** Makes the file unless it is there, and returns what is there afterwards: of several writers at once, the first one's. */
  putIfAbsent(name: string, bytes: Uint8Array): MaybePromise<Uint8Array>;
  remove(name: string): MaybePromise<void>;
  close(): MaybePromise<void>;
}

/** Somebody else removed a file that was being written to. */
export class FileGoneError extends Error {
  override readonly name: string = 'FileGoneError';
  constructor(file: string, options?: { readonly cause?: unknown }) {
    super(`The audit log's file ${file} was removed while it was written to. The log goes on in another.`, options);
  }
}

/**
 * The audit log in a store of bytes. A file that grows is an entry for each time it grew, `log/<name>/<offset>`; any other is
 * `log/<name>`. The store is the caller's to close.
 */
export class StoredAuditStorage implements AuditStorage {
  readonly #store: ByteStore;

  constructor(store: ByteStore) {
    this.#store = store;
  }

  async list(): Promise<readonly string[]> {
    const keys = await this.#store.keys(PREFIX);
    return [...new Set(keys.map((key) => key.slice(PREFIX.length).replace(/\/.*$/, '')))];
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    const whole = await this.#store.get(PREFIX + name);
    if (whole !== undefined) return whole;
    const keys = await this.#store.keys(`${PREFIX}${name}/`);
    const parts = await Promise.all(keys.map(async (key) => (await this.#store.get(key)) ?? new Uint8Array()));
    return parts.length === 0 ? undefined : concat(parts);
  }

  append(name: string, offset: number, bytes: Uint8Array): MaybePromise<void> {
    return this.#store.put(`${PREFIX}${name}/${String(offset).padStart(12, '0')}`, bytes);
  }

  sync(): void {}

  replace(name: string, bytes: Uint8Array): MaybePromise<void> {
    return this.#store.put(PREFIX + name, bytes);
  }

  putIfAbsent(name: string, bytes: Uint8Array): MaybePromise<Uint8Array> {
    return this.#store.putIfAbsent(PREFIX + name, bytes);
  }

  async remove(name: string): Promise<void> {
    await this.#store.deletePrefix(`${PREFIX}${name}/`);
    await this.#store.delete(PREFIX + name);
  }

  close(): void {}
}

const PREFIX = 'log/';
