/** @module The persistent tiers below L1, as one: looked through from the nearest, filled from below. */

import type { AnswerSource } from '../call.ts';
import { concat } from '../bytes.ts';
import { CodecError, decodePortable, encodeInOrder, encodePortable } from '../codec.ts';
import { chain } from '../maybe-promise.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { StoreUsage } from './byte-store.ts';
import type { CacheTier, TierScope, TierStats } from './cache-tier.ts';
import { AnswerForm } from './inference-cache.ts';
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

/** Where a question's answer goes in a tier, and what must still be so then. No scope: nowhere. */
interface TierPlace {
  readonly scope: TierScope | undefined;
  readonly stamp: string | undefined;
}

/** Whoever holds a question may be a tab that the browser has frozen: nobody waits longer for it. */
const MAX_HOLD_MS = 10_000;
/** What others invalidated is looked for no more often: it costs as much as a hit in memory. */
const POLL_MS = 10;
/** Of more tenants and models, stamps are asked for anew. */
const MAX_STAMPS = 10_000;

export class LowerTiers {
  readonly #options: LowerTiersOptions;
  /** Puts that the tiers have not taken yet. */
  readonly #putting = new Set<Promise<unknown>>();
  /** Where each question was looked for in vain: its answer is of no later time, and goes nowhere else. */
  readonly #places = new WeakMap<CacheKey, readonly TierPlace[]>();
  /** Stamps of the farthest tier, as they were last seen, by tenant and model. */
  readonly #lastStamps = new Map<string, string>();
  #polledAt = -Infinity;

  constructor(options: LowerTiersOptions) {
    this.#options = options;
  }

  /**
   * Looks for an answer in each tier; one that is found is put into those before it. Where there is none, whoever computes one has
   * begun to by now: what is invalidated from now on, by whomever, it is not kept after.
   */
  look(key: CacheKey, signal: AbortSignal | undefined): MaybePromise<Looked> {
    const { hold } = this.#options;
    return chain(this.#nameOf(key), (name) =>
      chain(this.#search(name, key), (looked) => {
        if (looked.found !== undefined) return looked;
        return hold === undefined ? chain(this.#remember(key), () => looked) : this.#takeHold(name, key, signal);
      }),
    );
  }

  /** Drops in memory what others invalidated, where that can be seen at once: before memory is asked. */
  poll(): void {
    const now = this.#options.clock.now();
    if (now - this.#polledAt < POLL_MS) return;
    this.#polledAt = now;
    for (const { tier } of this.#options.tiers) tier.poll?.();
  }

  /** Keeps an answer in all tiers, behind the call. Returns why it is not kept. */
  write(key: CacheKey, kept: KeptAnswer): 'redacted' | undefined {
    const { isSecret, clock, ttlMs, tiers, hashesOnly } = this.#options;
    if (key.identity === undefined) return undefined;
    if (isSecret !== undefined && holdsSecret(kept, isSecret)) return 'redacted';
    const bytes = hashesOnly === true ? encodePortable(kept) : toBytes(kept, clock.epochNow() + ttlMs);
    const places = this.#places.get(key);
    const written = chain(this.#nameOf(key), (name) => {
      const puts = tiers.map(({ tier }, i) => {
        const { scope, stamp } = places?.[i] ?? {};
        return scope && tier.put(name, bytes, { ttlSeconds: ttlMs / 1000, stamp, ...scope });
      });
      return puts.some((put) => put instanceof Promise) ? Promise.all(puts).then(() => undefined) : undefined;
    });
    if (written instanceof Promise) this.#keep(written);
    return undefined;
  }

  invalidateModel(identity: string): Promise<void> {
    this.#lastStamps.clear();
    return this.#each((tier) => tier.invalidateModel(identity));
  }

  forgetTenant(tenant: string): Promise<void> {
    this.#lastStamps.clear();
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

  /** `nearer`: the scopes of the tiers before, as they were when those were looked through. */
  #search(name: string, key: CacheKey, nearer: readonly (TierScope | undefined)[] = []): MaybePromise<Looked> {
    const at = this.#options.tiers[nearer.length];
    if (at === undefined) return {};
    return chain(this.#scopeIn(nearer.length, key), (scope) =>
      chain(scope && at.tier.get(name, scope), (bytes) => {
        const found = bytes && this.#read(bytes, at, name, scope as TierScope);
        if (found === undefined) return this.#search(name, key, [...nearer, scope]);
        this.#fill(nearer, name, bytes as Uint8Array, found.ttlMs);
        return { found };
      }),
    );
  }

  /** Puts into nearer tiers what was found in a farther one: there where it was looked for, whatever was invalidated since. */
  #fill(nearer: readonly (TierScope | undefined)[], name: string, bytes: Uint8Array, ttlMs: number): void {
    for (const [i, scope] of nearer.entries()) {
      const put = scope && this.#options.tiers[i]?.tier.put(name, bytes, { ttlSeconds: ttlMs / 1000, ...scope });
      if (put instanceof Promise) this.#keep(put);
    }
  }

  /**
   * The scope of a question in a tier. What is kept here of what a shared tier has is kept under the shared tier's stamp as well, so
   * that what another machine invalidated is not found here either, also where this one was off. While the shared tier cannot be
   * asked, its stamp is the last one that was seen; undefined where none was: then nothing here is to be believed.
   */
  #scopeIn(i: number, key: CacheKey): MaybePromise<TierScope | undefined> {
    const { tiers } = this.#options;
    const scope = scopeOf(key);
    const shared = tiers.at(-1)?.tier;
    if (i === tiers.length - 1 || shared?.stampOf === undefined) return scope;
    const place = `${key.tenant.length} ${key.tenant}${key.identity}`;
    return chain(shared.stampOf(scope), (stamp) => {
      const known = stamp ?? this.#lastStamps.get(place);
      if (known === undefined) return undefined;
      if (this.#lastStamps.size >= MAX_STAMPS) this.#lastStamps.clear();
      this.#lastStamps.set(place, known);
      return { ...scope, model: `${scope.model} ${known}` };
    });
  }

  #remember(key: CacheKey): MaybePromise<void> {
    const places = this.#options.tiers.map(({ tier }, i) =>
      chain(this.#scopeIn(i, key), (scope) =>
        chain(scope && tier.stampOf?.(scope), (stamp): TierPlace => ({ scope, stamp })),
      ),
    );
    const remember = (all: readonly TierPlace[]): void => void this.#places.set(key, all);
    if (places.some((each) => each instanceof Promise)) return Promise.all(places).then(remember);
    remember(places as readonly TierPlace[]);
  }

  /** What bytes say; undefined where they say nothing any more, or never did. */
  #read(bytes: Uint8Array, { tier, name: source }: NamedTier, name: string, scope: TierScope): Looked['found'] {
    try {
      const { kept, expiresAt } = fromBytes(bytes);
      const ttlMs = Math.min(expiresAt - this.#options.clock.epochNow(), this.#options.ttlMs);
      if (ttlMs > 0) return { kept, ttlMs, source };
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
    }
    const deleted = tier.delete(name, scope);
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
      await this.#remember(key);
      return {};
    } finally {
      signal?.removeEventListener('abort', leave);
      timer[Symbol.dispose]();
    }
    const looked = await this.#search(name, key);
    // Whoever comes next is to find the answer: it is first written.
    const release = (): void => waitUntil(this.flush().finally(() => held[Symbol.dispose]()));
    if (looked.found === undefined) {
      await this.#remember(key);
      return { release };
    }
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
  const encoded = encodeInOrder(kept);
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

/** Also what is spread over the parts of a stream: a word of a language model comes in several. */
function holdsSecret([form, value]: KeptAnswer, isSecret: (value: Portable) => boolean): boolean {
  if (isSecret(value)) return true;
  if (form === AnswerForm.WHOLE) return false;
  // What stands at the same place of each part is read one after another.
  const texts = new Map<string, string[]>();
  const bytes = new Map<string, Uint8Array[]>();
  for (const part of value as readonly Portable[]) collect(part, '', texts, bytes);
  return (
    [...texts.values()].some((pieces) => pieces.length > 1 && isSecret(pieces.join(''))) ||
    [...bytes.values()].some((pieces) => pieces.length > 1 && isSecret(concat(pieces)))
  );
}

function collect(value: Portable, path: string, texts: Map<string, string[]>, bytes: Map<string, Uint8Array[]>): void {
  if (typeof value === 'string') {
    const pieces = texts.get(path);
    if (pieces === undefined) texts.set(path, [value]);
    else pieces.push(value);
  } else if (value instanceof Uint8Array) {
    const pieces = bytes.get(path);
    if (pieces === undefined) bytes.set(path, [value]);
    else pieces.push(value);
  } else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    const isList = Array.isArray(value);
    for (const [key, each] of Object.entries(value as { readonly [key: string]: Portable }))
      collect(each, isList ? `${path}[]` : `${path}.${key}`, texts, bytes);
  }
}
