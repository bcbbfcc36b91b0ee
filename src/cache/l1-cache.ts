/** @module The first tier: answers in this process's memory, bounded by entries, bytes and age. */

import type { Clock } from '../platform.ts';
import { portableByteLength } from '../portable.ts';
import type { Portable } from '../portable.ts';

export interface L1Options {
  /** Most entries that are kept, from 1. */
  readonly maxEntries: number;
  /** Most bytes that are kept. */
  readonly maxBytes: number;
  readonly ttlMs: number;
  readonly clock: Pick<Clock, 'now'>;
}

/** Why a value was not kept. 'too_large': it alone is larger than all bytes there may be. */
export type L1Refusal = 'too_large';

/** First in, first out: a ring, closed by the queue itself, so that what is `newer` than the queue is its oldest entry. */
class Queue {
  bytes = 0;
  older: Queue = this;
  newer: Queue = this;
}

interface Entry extends Queue {
  readonly key: string;
  readonly scope: string;
  readonly tenant: string;
  readonly value: Portable;
  readonly expiresAt: number;
  queue: Queue;
  /** Whether it was asked for since its last turn. */
  isUsed: boolean;
}

/** What an entry costs beside its key and its value: its fields, and its place in the index. */
const ENTRY_OVERHEAD_BYTES = 240;

/** The window's share of the bytes. */
const WINDOW = 0.5;

/**
 * Keeps what is asked for often or of late; keys that come once push out each other. After S3-FIFO (Yang et al., "FIFO queues
 * are all you need for cache eviction", SOSP 2023): what is new waits in a window. When its turn comes, it moves on to the
 * main queue if it was asked for there, else it goes. In the main queue, what was asked for since its last turn has another.
 */
export class L1Cache {
  readonly options: L1Options;
  readonly #entries = new Map<string, Entry>();
  /** How many entries each scope or tenant has; one name may be both. */
  readonly #counts = new Map<string, number>();
  readonly #window = new Queue();
  readonly #main = new Queue();
  /** Entries that had to go for others. */
  evictions = 0;
  /** Entries that were too old when they were asked for. */
  expirations = 0;

  constructor(options: L1Options) {
    this.options = options;
  }

  /** Entries that are kept; those that are too old count until they are asked for or pushed out. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bytes kept, by estimate: data as it is, and what keeping it costs. */
  get bytes(): number {
    return this.#window.bytes + this.#main.bytes;
  }

  /** The kept value itself, not a copy. */
  get(key: string): { readonly value: Portable } | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (this.options.clock.now() >= entry.expiresAt) {
      this.expirations++;
      this.#delete(entry);
      return undefined;
    }
    entry.isUsed = true;
    return entry;
  }

  /** Keeps a value, which the caller must not change any more, or says why not: then nothing is kept for its key. */
  set(scope: string, tenant: string, key: string, value: Portable): L1Refusal | undefined {
    const { maxEntries, maxBytes, ttlMs, clock } = this.options;
    const old = this.#entries.get(key);
    if (old !== undefined) this.#delete(old);
    const bytes = ENTRY_OVERHEAD_BYTES + key.length * 2 + portableByteLength(value);
    if (bytes > maxBytes) return 'too_large';
    while (this.size >= maxEntries || this.bytes + bytes > maxBytes) this.#makeRoom(bytes);
    const entry = { key, scope, tenant, value, bytes, expiresAt: clock.now() + ttlMs, isUsed: false } as Entry;
    this.#entries.set(key, entry);
    append(entry, this.#window);
    this.#count(entry, 1);
    return undefined;
  }

  /** Scans all entries, but none where the scope has none: training changes a model over and over. */
  deleteScope(scope: string): void {
    this.#deleteGroup('scope', scope);
  }

  /** Scans all entries, but none where the tenant has none. */
  deleteTenant(tenant: string): void {
    this.#deleteGroup('tenant', tenant);
  }

  #deleteGroup(group: 'scope' | 'tenant', name: string): void {
    if (!this.#counts.has(name)) return;
    for (const entry of this.#entries.values()) if (entry[group] === name) this.#delete(entry);
  }

  /** The turn of one entry: it goes, or has another. `bytes` is what would be added to the window. */
  #makeRoom(bytes: number): void {
    const window = this.#window.bytes;
    const isNew = this.#main.bytes === 0 || (window > 0 && window + bytes > WINDOW * this.bytes);
    const entry = (isNew ? this.#window : this.#main).newer as Entry;
    if (entry.isUsed) {
      entry.isUsed = false;
      unlink(entry);
      append(entry, this.#main);
    } else {
      this.#delete(entry);
      this.evictions++;
    }
  }

  #delete(entry: Entry): void {
    this.#entries.delete(entry.key);
    unlink(entry);
    this.#count(entry, -1);
  }

  #count({ scope, tenant }: Entry, by: number): void {
    for (const name of [scope, tenant]) {
      const count = (this.#counts.get(name) ?? 0) + by;
      if (count === 0) this.#counts.delete(name);
      else this.#counts.set(name, count);
    }
  }
}

function append(entry: Entry, queue: Queue): void {
  entry.queue = queue;
  entry.older = queue.older;
  entry.newer = queue;
  queue.older = queue.older.newer = entry;
  queue.bytes += entry.bytes;
}

function unlink({ queue, bytes, older, newer }: Entry): void {
  older.newer = newer;
  newer.older = older;
  queue.bytes -= bytes;
}
