/** @module A store that lasts as long as the process: where nothing may be written, and where nothing can be. */

import { ClosedError } from '../errors.ts';
import type { ByteStore, StoreBatch, StoreUsage, TrimOptions } from './byte-store.ts';

interface Kept {
  readonly bytes: Uint8Array;
  readonly expiresAt: number;
}

/** Keeps bytes in this process, and copies them in and out. */
export class MemoryStore implements ByteStore {
  /** In the order of their last use. */
  #entries: Map<string, Kept> | undefined = new Map();

  get(key: string): Uint8Array | undefined {
    return this.#open().get(key)?.bytes.slice();
  }

  put(key: string, bytes: Uint8Array): void {
    this.write({ puts: [{ key, bytes }] });
  }

  putIfAbsent(key: string, bytes: Uint8Array): Uint8Array {
    if (!this.#open().has(key)) this.put(key, bytes);
    return this.get(key) as Uint8Array;
  }

  write({ deletes = [], puts = [], used = [] }: StoreBatch): void {
    const entries = this.#open();
    for (const key of deletes) entries.delete(key);
    for (const { key, bytes, expiresAt = Infinity } of puts) {
      entries.delete(key);
      entries.set(key, { bytes: bytes.slice(), expiresAt });
    }
    for (const key of used) {
      const kept = entries.get(key);
      if (kept === undefined) continue;
      entries.delete(key);
      entries.set(key, kept);
    }
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

  usage(prefix: string): StoreUsage {
    let [entries, bytes] = [0, 0];
    for (const [key, kept] of this.#open()) {
      if (!key.startsWith(prefix)) continue;
      entries++;
      bytes += key.length + kept.bytes.length;
    }
    return { entries, bytes };
  }

  trim({ prefix, nowMs, maxBytes }: TrimOptions): number {
    const entries = this.#open();
    const before = entries.size;
    for (const [key, { expiresAt }] of entries) if (expiresAt <= nowMs && key.startsWith(prefix)) entries.delete(key);
    let { bytes } = this.usage(prefix);
    for (const [key, kept] of entries) {
      if (bytes <= maxBytes) break;
      if (!key.startsWith(prefix)) continue;
      entries.delete(key);
      bytes -= key.length + kept.bytes.length;
    }
    return before - entries.size;
  }

  close(): void {
    this.#entries = undefined;
  }

  #open(): Map<string, Kept> {
    if (this.#entries === undefined) throw new ClosedError('The store is closed.');
    return this.#entries;
  }
}
