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
  readonly modelId: number;
  readonly value: Portable;
  readonly bytes: number;
  readonly expiresAt: number;
}

/** What an entry costs beside its value: the key, the index, the entry itself. */
const ENTRY_OVERHEAD_BYTES = 256;

/**
 * Least recently used first out: a Map keeps its keys in the order in which they were set, so that the first is the one
 * to go. Keeps which entries are whose as well, so that a model is forgotten without a scan.
 */
export class L1Cache {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly #ttlMs: number;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #entries = new Map<string, Entry>();
  readonly #keysOfModel = new Map<number, Set<string>>();
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
      this.#delete(key, entry);
      return undefined;
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /** Keeps a value, which the caller must not change any more. False where it is larger than the whole budget. */
  set(modelId: number, key: string, value: Portable): boolean {
    const bytes = ENTRY_OVERHEAD_BYTES + portableByteLength(value);
    if (bytes > this.maxBytes) return false;
    const old = this.#entries.get(key);
    if (old !== undefined) this.#delete(key, old);
    while (this.#entries.size >= this.maxEntries || this.#bytes + bytes > this.maxBytes) this.#evictOldest();
    this.#entries.set(key, { modelId, value, bytes, expiresAt: this.#clock.now() + this.#ttlMs });
    this.#bytes += bytes;
    const keys = this.#keysOfModel.get(modelId);
    if (keys === undefined) this.#keysOfModel.set(modelId, new Set([key]));
    else keys.add(key);
    return true;
  }

  deleteModel(modelId: number): void {
    for (const key of this.#keysOfModel.get(modelId) ?? []) this.#delete(key, this.#entries.get(key) as Entry);
  }

  #evictOldest(): void {
    const [key, entry] = this.#entries.entries().next().value as [string, Entry];
    this.#delete(key, entry);
    this.#evictions++;
  }

  #delete(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    const keys = this.#keysOfModel.get(entry.modelId);
    keys?.delete(key);
    if (keys?.size === 0) this.#keysOfModel.delete(entry.modelId);
  }
}
