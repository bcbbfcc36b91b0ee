/** @module Answers that are kept by what was asked. */

import type { CacheRefusal } from '../adapters/adapter.ts';
import { PortableWriter } from '../codec.ts';
import { sha256 } from '../hash.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import { DEFAULT_CACHE_CONFIG } from './cache-config.ts';
import type { CacheConfig } from './cache-config.ts';
import { L1Cache } from './l1-cache.ts';

/** Why an answer was not kept, or not looked for. */
export type CacheRefusalReason =
  | CacheRefusal
  /** The answer alone is larger than the byte budget. */
  | 'too_large'
  /** What it would have pushed out of a full cache is worth more so far. */
  | 'not_admitted'
  /** The model was invalidated while it computed the answer. */
  | 'invalidated'
  /** The caller changed an input while its key was being computed. */
  | 'input_changed';

/** A snapshot of what the cache did since it was made. */
export interface CacheStats {
  readonly entries: number;
  readonly bytes: number;
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly hits: number;
  readonly misses: number;
  /** Hits over lookups, 0 to 1; 0 before the first. */
  readonly hitRate: number;
  /** Calls that waited for an equal one in flight. */
  readonly shared: number;
  readonly puts: number;
  readonly evictions: number;
  readonly expirations: number;
  readonly invalidations: number;
  /** Calls that could not be cached, by reason. */
  readonly refused: Readonly<Partial<Record<CacheRefusalReason, number>>>;
}

/** Everything an answer depends on. */
export interface CacheQuestion {
  readonly modelId: number;
  /** What stands for the weights and whatever else decides the answer's bits; the model's number where nothing does. */
  readonly identity?: string | undefined;
  readonly entryPoint: string;
  /** Tenants never see each other's answers. Default 'default'. */
  readonly tenant?: string | undefined;
  readonly args: readonly Portable[];
}

/** A question's key, and what must still be so when its answer is written. */
export interface CacheKey {
  /** Equal for equal questions, and for no others. */
  readonly slot: string;
  readonly modelId: number;
  readonly generation: number;
  /** Where the slot is a hash that came later: what it is of, to hold against inputs that are still the caller's. */
  readonly preimage?: Uint8Array;
}

/** What a cache is made with; each has a default. */
export interface InferenceCacheOptions {
  readonly config?: Partial<CacheConfig> | undefined;
  readonly clock?: Pick<Clock, 'now'> | undefined;
  /** SHA-256 as hexadecimal digits. Default: by web standards, which is later for what is long. */
  readonly digest?: ((bytes: Uint8Array) => MaybePromise<string>) | undefined;
}

/** Up to here the question itself is the key: keeping its bytes costs less than hashing them. */
const MAX_EXACT_BYTES = 512;

/**
 * The cache of a model's answers. Keys are an injective encoding of the question, or SHA-256 over it where it is long, so
 * that two inputs share an entry only where SHA-256 collides, also when somebody chooses them to. What comes out is a copy.
 */
export class InferenceCache {
  readonly #l1: L1Cache;
  readonly #digest: (bytes: Uint8Array) => MaybePromise<string>;
  readonly #writer = new PortableWriter();
  /** How often each model was invalidated: part of every key, so that an answer of before is never found again. */
  readonly #generations = new Map<number, number>();
  readonly #refused = new Map<CacheRefusalReason, number>();
  #hits = 0;
  #misses = 0;
  #shared = 0;
  #puts = 0;
  #invalidations = 0;

  constructor({ config, clock = performance, digest = sha256 }: InferenceCacheOptions = {}) {
    const { l1Size, l1MaxBytes, ttlSeconds } = { ...DEFAULT_CACHE_CONFIG, ...config };
    this.#digest = digest;
    this.#l1 = new L1Cache({ maxEntries: l1Size, maxBytes: l1MaxBytes, ttlMs: ttlSeconds * 1000, clock });
  }

  /** A copy of the answer that was put for these inputs; undefined where there is none, or it is too old. */
  get(modelId: number, inputs: Portable): MaybePromise<Portable | undefined> {
    const read = (key: CacheKey): Portable | undefined => {
      const entry = this.read(key);
      return entry === undefined ? undefined : copyPortable(entry.value);
    };
    const key = this.keyOf({ modelId, entryPoint: '', args: [inputs] });
    return key instanceof Promise ? key.then(read) : read(key);
  }

  /** Keeps a copy of the answer. */
  put(modelId: number, inputs: Portable, outputs: Portable): MaybePromise<void> {
    const copy = copyPortable(outputs);
    const key = this.keyOf({ modelId, entryPoint: '', args: [inputs] });
    return key instanceof Promise ? key.then((each) => void this.write(each, copy)) : void this.write(key, copy);
  }

  /** Forgets all answers of a model, also those that it is computing now. */
  invalidateModel(modelId: number): void {
    this.#invalidations++;
    this.#generations.set(modelId, this.#generationOf(modelId) + 1);
    this.#l1.deleteScope(`${modelId}`);
  }

  getStats(): CacheStats {
    const lookups = this.#hits + this.#misses;
    return {
      entries: this.#l1.size,
      bytes: this.#l1.bytes,
      maxEntries: this.#l1.options.maxEntries,
      maxBytes: this.#l1.options.maxBytes,
      hits: this.#hits,
      misses: this.#misses,
      hitRate: lookups === 0 ? 0 : this.#hits / lookups,
      shared: this.#shared,
      puts: this.#puts,
      evictions: this.#l1.evictions,
      expirations: this.#l1.expirations,
      invalidations: this.#invalidations,
      refused: Object.fromEntries(this.#refused),
    };
  }

  /** The key of a question. The arguments are read before this returns, also where the key comes later. */
  keyOf(question: CacheQuestion): MaybePromise<CacheKey> {
    const { modelId } = question;
    const generation = this.#generationOf(modelId);
    const bytes = this.#preimage(question, generation);
    if (bytes.length <= MAX_EXACT_BYTES) return { slot: exactSlot(bytes), modelId, generation };
    const hash = this.#digest(bytes);
    if (typeof hash === 'string') return { slot: hash, modelId, generation };
    const preimage = bytes.slice();
    return hash.then((slot) => ({ slot, modelId, generation, preimage }));
  }

  /** Whether a key is still that of the question: an input may have changed while its hash was computed. */
  isKeyOf(key: CacheKey, question: CacheQuestion): boolean {
    if (key.preimage === undefined) return true;
    const bytes = this.#preimage(question, key.generation);
    return bytes.length === key.preimage.length && bytes.every((byte, i) => byte === key.preimage?.[i]);
  }

  /** The kept answer itself, which must not be changed. Counts a hit or a miss. */
  read(key: CacheKey): { readonly value: Portable } | undefined {
    const entry = this.#l1.get(key.slot);
    if (entry === undefined) this.#misses++;
    else this.#hits++;
    return entry;
  }

  /** Keeps an answer, which must not be changed any more. */
  write(key: CacheKey, value: Portable): void {
    if (key.generation !== this.#generationOf(key.modelId)) return this.countRefusal('invalidated');
    const refusal = this.#l1.set(`${key.modelId}`, 'default', key.slot, value);
    if (refusal !== undefined) return this.countRefusal(refusal);
    this.#puts++;
  }

  countRefusal(reason: CacheRefusalReason): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  countShared(): void {
    this.#shared++;
  }

  #preimage(
    { modelId, identity, entryPoint, tenant = 'default', args }: CacheQuestion,
    generation: number,
  ): Uint8Array {
    return this.#writer
      .reset()
      .write(tenant)
      .write(identity ?? modelId)
      .write(generation)
      .write(entryPoint)
      .write(args)
      .bytes();
  }

  #generationOf(modelId: number): number {
    return this.#generations.get(modelId) ?? 0;
  }
}

/** Bytes as a string, one to a character, behind a character that no hash in hexadecimal begins with. */
function exactSlot(bytes: Uint8Array): string {
  return `=${String.fromCharCode.apply(undefined, bytes as unknown as number[])}`;
}
