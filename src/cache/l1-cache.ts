/** @module The first tier: answers in this process's memory, bounded by entries, bytes and age. */

import type { Clock } from '../platform.ts';
import { portableByteLength } from '../portable-size.ts';
import type { Portable } from '../portable.ts';

export interface L1Options {
  /** Most entries that are kept, from 1. */
  readonly maxEntries: number;
  /** Most bytes that are kept. */
  readonly maxBytes: number;
  readonly ttlMs: number;
  readonly clock: Pick<Clock, 'now'>;
}

/**
 * Why a value was not kept. 'too_large': it alone is larger than all bytes there may be. 'not_admitted': what would have had
 * to go for it is worth more so far; the next time it is set, it has a better claim.
 */
export type L1Refusal = 'too_large' | 'not_admitted';

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

/** What an entry costs beside its key and its value: its fields, its place in the index, and a key that is remembered. */
const ENTRY_OVERHEAD_BYTES = 240;

/** Remembered of keys that say nothing of the window, in place of how many were remembered before: never recent. */
const NOT_ADMITTED = -1e9;
const FROM_MAIN = -Infinity;

/**
 * Keeps what is asked for often or of late; keys that come once push out each other. By S3-FIFO (Yang et al., "FIFO queues are
 * all you need for cache eviction", SOSP 2023): what is new waits in a window. When its turn comes, it moves on to the main
 * queue if it was asked for there, else it goes and its key is remembered for a while. A remembered key that is set again
 * goes to the main queue at once. There, what was asked for since its last turn has another turn. Other than in the paper:
 *
 * - The window's share of the bytes is learnt: it grows with each key that comes back soon after it went from there, and
 *   shrinks with each that the main queue let go too early.
 * - What comes back does not push past an entry of the main queue that is in use: it is not admitted, and that entry must be
 *   asked for again before its next turn. So a large value does not take the place of many small ones that are in use.
 * - What is new and larger than the window is not admitted where others would have to go for it.
 */
export class L1Cache {
  readonly options: L1Options;
  readonly #entries = new Map<string, Entry>();
  /** How many entries each scope or tenant has; one name may be both. */
  readonly #counts = new Map<string, number>();
  readonly #window = new Queue();
  readonly #main = new Queue();
  /** The window's share of the bytes, 0 to 1. */
  #share = 0.1;
  /** Keys that went or were not admitted, with how many were remembered before; at most about two for each entry. */
  readonly #remembered = new Map<string, number>();
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
  set(
    scope: string,
    tenant: string,
    key: string,
    value: Portable,
    ttlMs: number = this.options.ttlMs,
  ): L1Refusal | undefined {
    const { maxEntries, maxBytes, clock } = this.options;
    const old = this.#entries.get(key);
    if (old !== undefined) this.#delete(old);
    const bytes = ENTRY_OVERHEAD_BYTES + key.length * 2 + portableByteLength(value);
    if (bytes > maxBytes) return 'too_large';
    const isBack = this.#recall(key);
    while (this.size >= maxEntries || this.bytes + bytes > maxBytes) {
      if (this.#makeRoom(isBack ? 0 : bytes)) continue;
      this.#remembered.set(key, NOT_ADMITTED);
      return 'not_admitted';
    }
    const entry = { key, scope, tenant, value, bytes, expiresAt: clock.now() + ttlMs, isUsed: false } as Entry;
    this.#entries.set(key, entry);
    append(entry, isBack ? this.#main : this.#window);
    this.#count(entry, 1);
    return undefined;
  }

  /** Scans all entries, but none where the scope has none: training changes a model over and over. */
  deleteScope(scope: string): void {
    this.#deleteGroup('scope', scope);
  }

  /** Forgets the remembered keys as well, for a key may be a question. Scans no entry where the tenant has none. */
  deleteTenant(tenant: string): void {
    this.#deleteGroup('tenant', tenant);
    this.#remembered.clear();
  }

  /** Deletes all entries, and forgets the remembered keys. */
  clear(): void {
    for (const entry of this.#entries.values()) this.#delete(entry);
    this.#remembered.clear();
  }

  #deleteGroup(group: 'scope' | 'tenant', name: string): void {
    if (!this.#counts.has(name)) return;
    for (const entry of this.#entries.values()) if (entry[group] === name) this.#delete(entry);
  }

  /** Whether a key went from the window, or was not admitted, and is remembered. Learns from that, and forgets it. */
  #recall(key: string): boolean {
    const remembered = this.#remembered;
    // Undefined where it is not remembered: then none of the comparisons is true.
    const before = remembered.get(key) as number;
    remembered.delete(key);
    if (remembered.size - before < this.size / 16) this.#share = Math.min(0.9, this.#share + 5 / this.size);
    if (before === FROM_MAIN) this.#share = Math.max(0.05, this.#share - 5 / this.size);
    if (remembered.size > 2 * this.size) remembered.clear();
    return before > FROM_MAIN;
  }

  /**
   * The turn of one entry: it goes, or has another. `newBytes` is what would be added to the window, 0 for what comes back.
   * False where the value that needs the room is not to have it.
   */
  #makeRoom(newBytes: number): boolean {
    // Its share, and be that nothing one entry of average size.
    const limit = (this.#share + 1 / this.size) * this.bytes;
    if (newBytes > limit) return false;
    const isNew = this.#main.bytes === 0 || this.#window.bytes + newBytes > limit;
    const entry = (isNew ? this.#window : this.#main).newer as Entry;
    if (entry.isUsed) {
      entry.isUsed = false;
      unlink(entry);
      append(entry, this.#main);
      return isNew || newBytes > 0;
    }
    this.#delete(entry);
    this.evictions++;
    this.#remembered.set(entry.key, isNew ? this.#remembered.size : FROM_MAIN);
    return true;
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
