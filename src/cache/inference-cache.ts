/** @module Answers that are kept by what was asked. */

import type { CacheRefusal } from '../adapters/adapter.ts';
import { sha256 } from '../hash.ts';
import type { Clock, Digest, MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import { DEFAULT_CACHE_CONFIG } from './cache-config.ts';
import type { CacheConfig } from './cache-config.ts';
import { L1Cache } from './l1-cache.ts';
import type { L1Refusal } from './l1-cache.ts';
import type { LowerTiers, LowerTierStats, LowerTierUsage } from './lower-tiers.ts';
import type { QuestionKeys } from './question-keys.ts';

/** Why an answer was not kept, or not looked for. */
export type CacheRefusalReason =
  | CacheRefusal
  | L1Refusal
  /** The model or the tenant was invalidated while the answer was computed. */
  | 'invalidated'
  /** The caller changed an input while the answer, or its key, was being computed. */
  | 'input_changed'
  /** The model's questions were never seen to repeat: only a sample of them is looked for. */
  | 'never_repeats'
  /** It holds what the redaction patterns match: kept in memory, and not in persistent tiers. */
  | 'redacted'
  /** A stream that was left, or failed, before its end. */
  | 'stream_ended_early';

/** A snapshot of what the cache did since it was made. */
export interface CacheStats extends LowerTierStats {
  readonly entries: number;
  readonly bytes: number;
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** Answers found in L1. */
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

/** Whose answers they are. */
export interface CacheScope {
  /** Tenants never see each other's answers. Default: the cache's own, which is 'default' unless one was given. */
  readonly tenant?: string | undefined;
}

/** A question's key, and what must still be so when its answer is written. */
export interface CacheKey {
  /** Equal for equal questions, and for no others. */
  readonly slot: string;
  readonly modelId: number;
  readonly identity: string | undefined;
  readonly tenant: string;
  /** Another one after each invalidation that concerns the question. */
  readonly stamp: number;
  /** Where the slot is a hash that came later: what it is of, to hold against inputs that are still the caller's. */
  readonly preimage?: Uint8Array;
}

/** How an answer came: whole, or in parts. */
export const AnswerForm = { WHOLE: 0, ITERABLE: 1, READABLE: 2 } as const;
export type AnswerForm = (typeof AnswerForm)[keyof typeof AnswerForm];

/** An answer as it is kept: its form, and its value or the values of its parts. Must not be changed. */
export type KeptAnswer = readonly [form: AnswerForm, value: Portable];

/** What a cache is made with; each has a default. */
export interface InferenceCacheOptions {
  readonly config?: Partial<CacheConfig> | undefined;
  readonly clock?: Pick<Clock, 'now'> | undefined;
  /** SHA-256 as hexadecimal digits. Default: by web standards, which is later for what is long. */
  readonly digest?: Digest | undefined;
  /** Whose answers `get` and `put` mean where nobody is named. Default 'default'. */
  readonly tenant?: string | undefined;
}

/**
 * The cache of a model's answers. Keys are an injective encoding of the question, or SHA-256 over it where it is long, so
 * that two inputs share an entry only where SHA-256 collides, also when somebody chooses them to. What comes out is a copy.
 */
export class InferenceCache {
  readonly #l1: L1Cache;
  readonly #digest: Digest;
  readonly #tenant: string;
  #keys: QuestionKeys | undefined;
  /** How often each scope was invalidated. */
  readonly #stamps = new Map<string, number>();
  #tenantStamps = 0;
  /** By number, of the models that have one. */
  readonly #identities = new Map<number, Set<string>>();
  readonly #refused = new Map<CacheRefusalReason, number>();
  #lower: MaybePromise<LowerTiers | undefined>;
  #hits = 0;
  #misses = 0;
  #shared = 0;
  #puts = 0;
  #invalidations = 0;

  constructor(options: InferenceCacheOptions = {}) {
    const { config, clock = performance, digest = sha256, tenant = 'default' } = options;
    const { l1Size, l1MaxBytes, ttlSeconds } = { ...DEFAULT_CACHE_CONFIG, ...config };
    this.#digest = digest;
    this.#tenant = tenant;
    this.#l1 = new L1Cache({ maxEntries: l1Size, maxBytes: l1MaxBytes, ttlMs: ttlSeconds * 1000, clock });
  }

  /**
   * A copy of the answer that was put for these inputs; undefined where there is none, or it is too old. The inputs must not
   * be changed before it resolves.
   * @throws TypeError for inputs that are no plain data.
   */
  async get(modelId: number, inputs: Portable, { tenant }: CacheScope = {}): Promise<Portable | undefined> {
    const { keyOf, copy } = await this.#plainly();
    const kept = this.read(await keyOf(modelId, inputs, tenant));
    return kept && copy(kept[1]);
  }

  /**
   * Keeps a copy of the answer. Neither inputs nor outputs may be changed before it resolves.
   * @throws TypeError for inputs or outputs that are no plain data.
   */
  async put(modelId: number, inputs: Portable, outputs: Portable, { tenant }: CacheScope = {}): Promise<void> {
    const { keyOf, copy } = await this.#plainly();
    const kept: KeptAnswer = [AnswerForm.WHOLE, copy(outputs)];
    this.write(await keyOf(modelId, inputs, tenant), kept);
  }

  /**
   * Forgets all answers of a model, also those that are being computed now: what was kept by its identity, or by each that it had, for
   * whichever model, and what by its number. Resolves once persistent tiers have forgotten them too.
   */
  invalidateModel(modelId: number): MaybePromise<void> {
    this.#invalidations++;
    this.#drop(scopeOf(modelId, undefined));
    const identities = [...(this.#identities.get(modelId) ?? [])];
    if (identities.length === 0) return;
    for (const identity of identities) this.dropIdentity(identity);
    return this.#below((lower) => {
      const forgotten = identities.map((identity) => lower.invalidateModel(identity));
      if (forgotten.some((each) => each instanceof Promise)) return Promise.all(forgotten).then(() => undefined);
    });
  }

  /** Forgets all answers given to a tenant, also those that are being computed now, and its keys in persistent tiers. */
  invalidateTenant(tenant: string): MaybePromise<void> {
    this.#invalidations++;
    this.dropTenant(tenant);
    return this.#below((lower) => lower.forgetTenant(tenant));
  }

  /**
   * Resolves once all answers so far are written in persistent tiers, which otherwise happens a little later: for whoever is
   * stopped between requests, as functions in a cloud are.
   */
  flush(): MaybePromise<void> {
    return this.#below((lower) => lower.flush());
  }

  /** How much persistent tiers keep, of all models and tenants. May read through all of it: not for every call. */
  async getUsage(): Promise<LowerTierUsage> {
    const lower = await this.#lower;
    return lower === undefined ? {} : lower.getUsage();
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
      ...(this.#lower instanceof Promise ? undefined : this.#lower?.getStats()),
    };
  }

  /**
   * @internal The tiers below, which may still be being opened: questions that need them wait for that, and fail where it
   * fails. Undefined: there are none any more.
   */
  attach(lower: Promise<LowerTiers | undefined> | undefined): void {
    this.#lower = lower;
    lower?.then(
      (opened) => {
        if (this.#lower === lower) this.#lower = opened;
      },
      () => undefined,
    );
  }

  /** @internal Most bytes that L1 keeps: what is larger is no answer to collect. */
  get maxBytes(): number {
    return this.#l1.options.maxBytes;
  }

  /** @internal */
  get lower(): MaybePromise<LowerTiers | undefined> {
    return this.#lower;
  }

  /**
   * @internal A model's answers are kept by this identity from now on. Where it had another one, what it is computing now is kept by
   * neither: nobody can say any more whose it is.
   */
  identify(modelId: number, identity: string): void {
    const known = this.#identities.get(modelId);
    if (known === undefined) this.#identities.set(modelId, new Set([identity]));
    else {
      known.add(identity);
      this.answersOtherwise(modelId);
    }
  }

  /** @internal A model answers in another way from now on: what is kept by its number alone, or being computed, is not to be given. */
  answersOtherwise(modelId: number): void {
    this.#drop(scopeOf(modelId, undefined));
  }

  /** @internal A model's weights changed: what it is computing now is not kept, and its identity is another's from now on. */
  modelChanged(modelId: number): void {
    this.#invalidations++;
    this.#identities.delete(modelId);
    this.#drop(scopeOf(modelId, undefined));
  }

  /** @internal Forgets in memory what is kept by an identity: another node invalidated it. */
  dropIdentity(identity: string): void {
    this.#drop(scopeOf(0, identity));
  }

  /** @internal Forgets in memory what a tenant was answered. */
  dropTenant(tenant: string): void {
    this.#tenantStamps++;
    this.#l1.deleteTenant(tenant);
  }

  /** @internal Forgets all that is in memory: what was invalidated elsewhere may have been missed. */
  dropAll(): void {
    this.#tenantStamps++;
    this.#l1.clear();
  }

  /** @internal A model is garbage: nothing is remembered of it but what is kept by its identity, for the next of the same. */
  forgetModel(modelId: number): void {
    const scope = scopeOf(modelId, undefined);
    this.#drop(scope);
    this.#stamps.delete(scope);
    this.#identities.delete(modelId);
  }

  /** The kept answer itself, which must not be changed. Counts a hit or a miss. */
  read(key: CacheKey): KeptAnswer | undefined {
    const entry = this.#l1.get(key.slot);
    if (entry === undefined) this.#misses++;
    else this.#hits++;
    return entry?.value as KeptAnswer | undefined;
  }

  /** Keeps an answer, which must not be changed any more, here and in the tiers below. */
  write(key: CacheKey, kept: KeptAnswer): void {
    // Without an identity nothing is kept below.
    if (!this.fill(key, kept) || key.identity === undefined) return;
    const below = this.#below((lower) => {
      const refusal = lower.write(key, kept);
      if (refusal !== undefined) this.countRefusal(refusal);
    });
    // Whoever looked for the answer was told that the tiers could not be opened.
    if (below instanceof Promise) below.catch(() => undefined);
  }

  /** Keeps an answer here that came from below, for as long as it may still be served. False where it is outdated. */
  fill(key: CacheKey, kept: KeptAnswer, ttlMs?: number): boolean {
    if (key.stamp !== this.stampOf(key.modelId, key.identity)) {
      this.countRefusal('invalidated');
      return false;
    }
    const { modelId, identity, tenant, slot } = key;
    const refusal = this.#l1.set(scopeOf(modelId, identity), tenant, slot, kept, ttlMs);
    if (refusal === undefined) this.#puts++;
    else this.countRefusal(refusal);
    return true;
  }

  countRefusal(reason: CacheRefusalReason): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  countShared(): void {
    this.#shared++;
  }

  /** What only those need who ask it directly. */
  async #plainly(): Promise<{
    readonly keyOf: (modelId: number, inputs: Portable, tenant: string | undefined) => MaybePromise<CacheKey>;
    readonly copy: (value: Portable) => Portable;
  }> {
    const { plain, plainCopy, QuestionKeys } = await import('./question-keys.ts');
    const keys = (this.#keys ??= new QuestionKeys(this, this.#digest));
    return {
      keyOf: (modelId, inputs, tenant = this.#tenant) =>
        keys.keyOf({ modelId, entryPoint: '', tenant, args: [plain(inputs)] }),
      copy: plainCopy,
    };
  }

  #below(task: (lower: LowerTiers) => MaybePromise<void>): MaybePromise<void> {
    const lower = this.#lower;
    if (lower instanceof Promise) return lower.then((opened) => opened && task(opened));
    return lower && task(lower);
  }

  #drop(scope: string): void {
    this.#stamps.set(scope, (this.#stamps.get(scope) ?? 0) + 1);
    this.#l1.deleteScope(scope);
  }

  /** @internal Another number after each invalidation of the model, its identity or any tenant. */
  stampOf(modelId: number, identity: string | undefined): number {
    // Each of its parts only grows, so that the sum is the same only where all of them are.
    const own = this.#stamps.get(scopeOf(modelId, undefined)) ?? 0;
    return own + this.#tenantStamps + (identity === undefined ? 0 : (this.#stamps.get(scopeOf(0, identity)) ?? 0));
  }
}

/** What entries are kept for and forgotten with: an identity, or a model without one. */
function scopeOf(modelId: number, identity: string | undefined): string {
  return identity === undefined ? `#${modelId}` : `=${identity}`;
}
