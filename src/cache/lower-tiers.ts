/** @module The persistent tiers below L1, as one: looked through from the nearest, filled from below. */

import type { AnswerSource } from '../call.ts';
import { CodecError, decodePortable, encodePortable } from '../codec.ts';
import { chain } from '../maybe-promise.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { StoreUsage } from './byte-store.ts';
import type { CacheTier, TierScope, TierStats } from './cache-tier.ts';
import type { CacheKey, KeptAnswer } from './inference-cache.ts';

/** One tier, by the name that stats and call events have for it. */
export interface NamedTier {
  readonly name: 'l2' | 'l3';
  readonly tier: CacheTier;
}

/** What the tiers below did; absent where there is none. */
export interface LowerTierStats {
  readonly l2?: TierStats | undefined;
  readonly l3?: TierStats | undefined;
}

/** What the tiers below keep, all tenants' and as far as it is written; absent where there is none, or it cannot tell. */
export interface LowerTierUsage {
  readonly l2?: StoreUsage | undefined;
  readonly l3?: StoreUsage | undefined;
}

/** What looking through the tiers came to. */
export interface Looked {
  readonly found?: {
    readonly kept: KeptAnswer;
    /** Milliseconds for which it may still be served. */
    readonly ttlMs: number;
    readonly source: Extract<AnswerSource, 'l2' | 'l3'>;
  };
  /** Where the question is held for whoever asked: to be called once it is answered, or will not be. */
  readonly release?: () => void;
}

export interface LowerTiersOptions {
  /** The nearest first. */
  readonly tiers: readonly NamedTier[];
  readonly clock: Clock;
  /** SHA-256 as hexadecimal digits. */
  readonly digest: (bytes: Uint8Array) => MaybePromise<string>;
  readonly ttlMs: number;
  /** The tiers keep hashes of answers, which must be of nothing but the answers. Default false. */
  readonly hashesOnly?: boolean | undefined;
  /** What is not kept: answers with something in them that must not be. Default: all are kept. */
  readonly isSecret?: ((value: Portable) => boolean) | undefined;
  /** Holds a question for one asker at a time, over tabs or nodes. Default: each asks the model for itself. */
  readonly hold?: ((name: string, signal: AbortSignal) => Promise<Disposable>) | undefined;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** Whoever holds a question may be a tab that the browser has frozen: nobody waits longer for it. */
const MAX_HOLD_MS = 10_000;

export class LowerTiers {
  readonly #options: LowerTiersOptions;
  /** Puts that the tiers have not taken yet. */
  readonly #putting = new Set<Promise<unknown>>();

  constructor(options: LowerTiersOptions) {
    this.#options = options;
  }

  /** Looks for an answer in each tier; one that is found is put into those before it. */
  look(key: CacheKey, signal: AbortSignal | undefined): MaybePromise<Looked> {
    const { hold } = this.#options;
    return chain(this.#nameOf(key), (name) =>
      chain(this.#search(name, key, 0), (looked) =>
        looked.found !== undefined || hold === undefined ? looked : this.#takeHold(name, key, signal),
      ),
    );
  }

  /** Keeps an answer in all tiers, behind the call. Returns why it is not kept. */
  write(key: CacheKey, kept: KeptAnswer): 'redacted' | undefined {
    const { isSecret, clock, ttlMs, tiers, hashesOnly } = this.#options;
    if (key.identity === undefined) return undefined;
    if (isSecret?.(kept[1]) === true) return 'redacted';
    const bytes = hashesOnly === true ? encodePortable(kept) : toBytes(kept, clock.epochNow() + ttlMs);
    const written = chain(this.#nameOf(key), (name) => {
      const puts = tiers.map(({ tier }) => tier.put(name, bytes, { ttlSeconds: ttlMs / 1000, ...scopeOf(key) }));
      return puts.some((put) => put instanceof Promise) ? Promise.all(puts).then(() => undefined) : undefined;
    });
    if (written instanceof Promise) this.#keep(written);
    return undefined;
  }

  invalidateModel(identity: string): Promise<void> {
    return this.#each((tier) => tier.invalidateModel(identity));
  }

  forgetTenant(tenant: string): Promise<void> {
    return this.#each((tier) => tier.forgetTenant(tenant));
  }

  getStats(): LowerTierStats {
    return Object.fromEntries(this.#options.tiers.map(({ name, tier }) => [name, tier.getStats()]));
  }

  /** Of the tiers that can tell. */
  async getUsage(): Promise<LowerTierUsage> {
    const usages = this.#options.tiers.map(async ({ name, tier }) => [name, await tier.usage?.()] as const);
    return Object.fromEntries(await Promise.all(usages));
  }

  /** Writes what is not yet written. */
  async flush(): Promise<void> {
    await Promise.allSettled(this.#putting);
    await this.#each((tier) => tier.flush?.());
  }

  #keep(put: Promise<unknown>): void {
    this.#putting.add(put);
    const done = (): void => void this.#putting.delete(put);
    put.then(done, done);
    this.#options.waitUntil(put);
  }

  async #each(task: (tier: CacheTier) => MaybePromise<void> | undefined): Promise<void> {
    await Promise.all(this.#options.tiers.map(async ({ tier }) => task(tier)));
  }

  #search(name: string, key: CacheKey, from: number): MaybePromise<Looked> {
    const { tiers } = this.#options;
    const at = tiers[from];
    if (at === undefined) return {};
    return chain(at.tier.get(name, scopeOf(key)), (bytes) => {
      const found = bytes === undefined ? undefined : this.#read(bytes, at, name, key);
      if (found === undefined) return this.#search(name, key, from + 1);
      for (const { tier } of tiers.slice(0, from)) {
        const put = tier.put(name, bytes as Uint8Array, { ttlSeconds: found.ttlMs / 1000, ...scopeOf(key) });
        if (put instanceof Promise) this.#keep(put);
      }
      return { found };
    });
  }

  /** What bytes say; undefined where they say nothing any more, or never did. */
  #read(bytes: Uint8Array, { tier, name: source }: NamedTier, name: string, key: CacheKey): Looked['found'] {
    try {
      const { kept, expiresAt } = fromBytes(bytes);
      const ttlMs = Math.min(expiresAt - this.#options.clock.epochNow(), this.#options.ttlMs);
      if (ttlMs > 0) return { kept, ttlMs, source };
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
    }
    const deleted = tier.delete(name, scopeOf(key));
    if (deleted instanceof Promise) this.#options.waitUntil(deleted);
    return undefined;
  }

  /** Waits until nobody else asks the same question, and looks again: it may have been answered meanwhile. */
  async #takeHold(name: string, key: CacheKey, signal: AbortSignal | undefined): Promise<Looked> {
    const { hold, clock, waitUntil } = this.#options;
    const giveUp = new AbortController();
    const leave = (): void => giveUp.abort(signal?.reason);
    signal?.addEventListener('abort', leave);
    const timer = clock.after(MAX_HOLD_MS, () => giveUp.abort());
    let held: Disposable;
    try {
      held = await (hold as NonNullable<typeof hold>)(name, giveUp.signal);
    } catch {
      // Nobody fails because the others cannot be asked: it is then the model that is.
      signal?.throwIfAborted();
      return {};
    } finally {
      signal?.removeEventListener('abort', leave);
      timer[Symbol.dispose]();
    }
    const looked = await this.#search(name, key, 0);
    // Whoever comes next is to find the answer: it is first written.
    const release = (): void => waitUntil(this.flush().finally(() => held[Symbol.dispose]()));
    if (looked.found === undefined) return { release };
    held[Symbol.dispose]();
    return looked;
  }

  /** SHA-256 over the question, which is in the key where it is short. */
  #nameOf({ slot }: CacheKey): MaybePromise<string> {
    if (!slot.startsWith('=')) return slot;
    return this.#options.digest(Uint8Array.from({ length: slot.length - 1 }, (_, i) => slot.charCodeAt(i + 1)));
  }
}

function scopeOf({ tenant, identity }: CacheKey): TierScope {
  return { tenant, model: identity };
}

/** Eight bytes of when it expires, in milliseconds since the Unix epoch, and the answer. */
function toBytes(kept: KeptAnswer, expiresAt: number): Uint8Array {
  const encoded = encodePortable(kept);
  const bytes = new Uint8Array(8 + encoded.length);
  new DataView(bytes.buffer).setFloat64(0, expiresAt, true);
  bytes.set(encoded, 8);
  return bytes;
}

/** @throws CodecError */
function fromBytes(bytes: Uint8Array): { readonly kept: KeptAnswer; readonly expiresAt: number } {
  if (bytes.length < 8) throw new CodecError('The stored value is too short.');
  const value = decodePortable(bytes.subarray(8));
  if (!Array.isArray(value) || value.length !== 2 || typeof value[0] !== 'number') {
    throw new CodecError('The stored value is no answer.');
  }
  const expiresAt = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true);
  return { kept: value as unknown as KeptAnswer, expiresAt };
}
