/** @module The first tier: answers in this process's memory, bounded by entries, bytes and age. */

import type { Clock } from '../platform.ts';
import { portableByteLength } from '../portable.ts';
import type { Portable } from '../portable.ts';

export interface L1Options {
  /** Most entries that are kept. */
  readonly maxEntries: number;
  /** Most bytes that are kept. */
  readonly maxBytes: number;
  readonly ttlMs: number;
  readonly clock: Pick<Clock, 'now'>;
}

interface Entry {
  readonly key: string;
  readonly modelId: number;
  readonly value: Portable;
  readonly bytes: number;
  readonly expiresAt: number;
  /** The entries used just before and after it. */
  older: Entry | undefined;
  newer: Entry | undefined;
}

/** What an entry costs beside its key and its value: its fields, and its place in the index. */
const ENTRY_OVERHEAD_BYTES = 192;

/**
 * Least recently used first out. The order of use is a linked list: finding a Map's first key takes a scan over those that
 * were deleted before it.
 */
export class L1Cache {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly #ttlMs: number;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #entries = new Map<string, Entry>();
  /** How many entries each model has. */
  readonly #counts = new Map<number, number>();
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
  #bytes = 0;
  #evictions = 0;
  #expirations = 0;

  constructor({ maxEntries, maxBytes, ttlMs, clock }: L1Options) {
    this.maxEntries = maxEntries;
    this.maxBytes = maxBytes;
    this.#ttlMs = ttlMs;
    this.#clock = clock;
  }

  /** Entries that are kept; those that are too old count until they are asked for or pushed out. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bytes kept, by estimate: data as it is, and what keeping it costs. */
  get bytes(): number {
    return this.#bytes;
  }

  get evictions(): number {
    return this.#evictions;
  }

  get expirations(): number {
    return this.#expirations;
  }

  /** The kept value itself, not a copy. */
  get(key: string): { readonly value: Portable } | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (this.#clock.now() >= entry.expiresAt) {
      this.#expirations++;
      this.#delete(entry);
      return undefined;
    }
    if (entry !== this.#newest) {
      this.#unlink(entry);
      this.#append(entry);
    }
    return entry;
  }

  /** Keeps a value, which the caller must not change any more. False where it is larger than the whole budget. */
  set(modelId: number, key: string, value: Portable): boolean {
    const bytes = ENTRY_OVERHEAD_BYTES + key.length * 2 + portableByteLength(value);
    if (bytes > this.maxBytes) return false;
    const old = this.#entries.get(key);
    if (old !== undefined) this.#delete(old);
    while (this.#entries.size >= this.maxEntries || this.#bytes + bytes > this.maxBytes) {
      this.#delete(this.#oldest as Entry);
      this.#evictions++;
    }
    const expiresAt = this.#clock.now() + this.#ttlMs;
    const entry: Entry = { key, modelId, value, bytes, expiresAt, older: undefined, newer: undefined };
    this.#entries.set(key, entry);
    this.#append(entry);
    this.#bytes += bytes;
    this.#counts.set(modelId, (this.#counts.get(modelId) ?? 0) + 1);
    return true;
  }

  /** Scans all entries, but none where the model has none: training changes a model over and over. */
  deleteModel(modelId: number): void {
    if (!this.#counts.has(modelId)) return;
    for (const entry of this.#entries.values()) if (entry.modelId === modelId) this.#delete(entry);
  }

  #delete(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#unlink(entry);
    this.#bytes -= entry.bytes;
    const count = this.#counts.get(entry.modelId) as number;
    if (count === 1) this.#counts.delete(entry.modelId);
    else this.#counts.set(entry.modelId, count - 1);
  }

  #append(entry: Entry): void {
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  #unlink({ older, newer }: Entry): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }
}
