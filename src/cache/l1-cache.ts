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

/**
 * Why a value was not kept. 'too_large': it alone is larger than all bytes there may be. 'not_admitted': what it would have
 * pushed out is worth more so far; asked for again, it has a better claim.
 */
export type L1Refusal = 'too_large' | 'not_admitted';

/** A place in a queue. */
interface Link {
  older: Link;
  newer: Link;
}

/** First in, first out: a ring, closed by the queue itself, so that `newer` than it is the oldest of its entries. */
interface Queue extends Link {
  entries: number;
  bytes: number;
}

interface Entry extends Link {
  readonly key: string;
  readonly scope: string;
  readonly tenant: string;
  readonly value: Portable;
  readonly bytes: number;
  readonly expiresAt: number;
  queue: Queue;
  /** How often it was asked for since it was last in turn, up to 3. */
  hits: number;
}

/** What an entry costs beside its key and its value: its fields, and its place in the index. */
const ENTRY_OVERHEAD_BYTES = 192;

/** Remembered of a key that the main queue pushed out, in place of a number of keys. */
const FROM_MAIN = -1;

/**
 * Keeps what is asked for often or of late, so that many keys that come once push out only each other. This is S3-FIFO (Yang
 * et al., "FIFO queues are all you need for cache eviction", SOSP 2023): what is new waits in a window; when its turn comes,
 * it moves on to the main queue if it was asked for again, else it is pushed out and its key is remembered for a while. A
 * remembered key that comes back goes to the main queue at once. There, what was asked for since its last turn has another.
 * Three things differ from the paper:
 *
 * - The window's share of the budgets is learnt from which keys come back: at one end of it the cache is a queue, at the
 *   other almost nothing that came once is kept.
 * - What comes back is not admitted while it is the turn of an entry of the main queue that is in use, which is counted down
 *   by that: a large value never pushes out many small ones that are asked for.
 * - A new value that is larger than the window is not admitted where others would have to go for it.
 */
export class L1Cache {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly #ttlMs: number;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #entries = new Map<string, Entry>();
  /** How many entries each scope and each tenant has. */
  readonly #counts = { scope: new Map<string, number>(), tenant: new Map<string, number>() };
  readonly #window = createQueue();
  readonly #main = createQueue();
  /** The window's share of either budget. */
  #share = 0.1;
  /** Keys that were pushed out, with how many the window had pushed out before. Forgotten by halves. */
  #ghosts = new Map<string, number>();
  #olderGhosts = this.#ghosts;
  #pushedOut = 0;
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
    return this.#window.bytes + this.#main.bytes;
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
    if (entry.hits < 3) entry.hits++;
    return entry;
  }

  /** Keeps a value, which the caller must not change any more, or says why not: then nothing is kept for its key. */
  set(scope: string, tenant: string, key: string, value: Portable, ttlMs: number = this.#ttlMs): L1Refusal | undefined {
    const old = this.#entries.get(key);
    if (old !== undefined) this.#delete(old);
    const bytes = ENTRY_OVERHEAD_BYTES + key.length * 2 + portableByteLength(value);
    if (bytes > this.maxBytes) return 'too_large';
    const ghost = this.#ghosts.get(key) ?? this.#olderGhosts.get(key) ?? -Infinity;
    if (ghost === FROM_MAIN) this.#growWindow(-5);
    else if (this.#pushedOut - ghost < this.size / 32) this.#growWindow(3);
    const queue = ghost < 0 ? this.#window : this.#main;
    while (this.size >= this.maxEntries || this.bytes + bytes > this.maxBytes) {
      if (this.#makeRoom(queue, bytes)) continue;
      this.#remember(key, this.#pushedOut);
      return 'not_admitted';
    }
    const expiresAt = this.#clock.now() + ttlMs;
    const entry: Entry = { key, scope, tenant, value, bytes, expiresAt, queue, hits: 0, older: queue, newer: queue };
    this.#entries.set(key, entry);
    append(entry, queue);
    this.#count(entry, 1);
    return undefined;
  }

  /** Scans all entries, but none where the scope has none: training changes a model over and over. */
  deleteScope(scope: string): void {
    this.#deleteGroup('scope', scope);
  }

  /** Forgets which keys were pushed out as well, for a key may be a question. Scans no entry where the tenant has none. */
  deleteTenant(tenant: string): void {
    this.#deleteGroup('tenant', tenant);
    this.#ghosts = this.#olderGhosts = new Map();
  }

  #deleteGroup(group: 'scope' | 'tenant', name: string): void {
    if (!this.#counts[group].has(name)) return;
    for (const entry of this.#entries.values()) if (entry[group] === name) this.#delete(entry);
  }

  /** Takes one step towards room for a value of `queue`: gives the entry in turn another turn, or pushes it out. False where the value must not be kept. */
  #makeRoom(queue: Queue, bytes: number): boolean {
    const window = this.#window;
    const main = this.#main;
    const limit = this.#share * this.maxBytes;
    const added = queue === window ? bytes : 0;
    if (added > limit) return false;
    const isOver = window.bytes + added > limit || window.entries >= this.#share * this.maxEntries;
    const from = window.entries > 0 && (isOver || main.entries === 0) ? window : main;
    const entry = from.newer as Entry;
    if (entry.hits > 0) {
      entry.hits >>= 1;
      unlink(entry);
      append(entry, main);
      return from === window || queue === window;
    }
    this.#delete(entry);
    this.#evictions++;
    if (from === main) this.#growWindow(0.1);
    this.#remember(entry.key, from === main ? FROM_MAIN : this.#pushedOut++);
    return true;
  }

  #growWindow(entries: number): void {
    this.#share = Math.min(0.9, Math.max(0.05, this.#share + entries / this.size));
  }

  #remember(key: string, pushedOut: number): void {
    this.#ghosts.set(key, pushedOut);
    if (this.#ghosts.size <= this.size / 2 + 16) return;
    this.#olderGhosts = this.#ghosts;
    this.#ghosts = new Map();
  }

  #delete(entry: Entry): void {
    this.#entries.delete(entry.key);
    unlink(entry);
    this.#count(entry, -1);
  }

  #count(entry: Entry, by: number): void {
    for (const group of ['scope', 'tenant'] as const) {
      const counts = this.#counts[group];
      const count = (counts.get(entry[group]) ?? 0) + by;
      if (count === 0) counts.delete(entry[group]);
      else counts.set(entry[group], count);
    }
  }
}

function createQueue(): Queue {
  const queue = { entries: 0, bytes: 0 } as Queue;
  queue.older = queue.newer = queue;
  return queue;
}

function append(entry: Entry, queue: Queue): void {
  entry.queue = queue;
  entry.older = queue.older;
  entry.newer = queue;
  queue.older.newer = entry;
  queue.older = entry;
  queue.entries++;
  queue.bytes += entry.bytes;
}

function unlink({ queue, bytes, older, newer }: Entry): void {
  older.newer = newer;
  newer.older = older;
  queue.entries--;
  queue.bytes -= bytes;
}
