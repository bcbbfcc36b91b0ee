/** @module A store that lasts as long as the process: where nothing may be written, and where nothing can be. */

import { ClosedError } from '../errors.ts';
import type { ByteStore } from './byte-store.ts';

/** Keeps bytes in this process, and copies them in and out. */
export class MemoryStore implements ByteStore {
  #entries: Map<string, Uint8Array> | undefined = new Map();

  get(key: string): Uint8Array | undefined {
    return this.#open().get(key)?.slice();
  }

  put(key: string, bytes: Uint8Array): void {
    this.#open().set(key, bytes.slice());
  }

  putIfAbsent(key: string, bytes: Uint8Array): Uint8Array {
    const entries = this.#open();
    if (!entries.has(key)) this.put(key, bytes);
    return this.get(key) as Uint8Array;
  }

  delete(key: string): void {
    this.#open().delete(key);
  }

  keys(prefix: string): readonly string[] {
    return [...this.#open().keys()].filter((key) => key.startsWith(prefix)).toSorted();
  }

  deletePrefix(prefix: string): void {
    for (const key of this.keys(prefix)) this.delete(key);
  }

  close(): void {
    this.#entries = undefined;
  }

  #open(): Map<string, Uint8Array> {
    if (this.#entries === undefined) throw new ClosedError('The store is closed.');
    return this.#entries;
  }
}
