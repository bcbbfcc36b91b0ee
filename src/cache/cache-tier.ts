/** @module One tier of the cache below L1. */

import type { EventSource } from '../events.ts';
import type { MaybePromise } from '../platform.ts';
import type { StoreUsage } from './byte-store.ts';

/** Whose answer, and of which model: answers of one scope are never found in another. */
export interface TierScope {
  /** Default 'default'. */
  readonly tenant?: string | undefined;
  /** The model's identity. Default ''. */
  readonly model?: string | undefined;
}

/** How long, and for whom. */
export interface TierPutOptions extends TierScope {
  /** After that it is a miss. Default: the tier's own. */
  readonly ttlSeconds?: number | undefined;
  /** What `stampOf` gave before the answer was computed: it is dropped where that is another one by now. */
  readonly stamp?: string | undefined;
}

/**
 * Why nothing was found. 'absent': there was nothing. Else there was something that could not be served: 'expired', 'unauthentic'
 * (changed, cut off, or another's bytes), 'other_version' (of the format), 'wrong_key' (sealed under a master key that is not
 * given), 'error' (the store or the keyring failed).
 */
export type TierMissReason = 'absent' | 'expired' | 'unauthentic' | 'other_version' | 'wrong_key' | 'error';

/** What a tier did since it was opened. */
export interface TierStats {
  readonly hits: number;
  readonly misses: number;
  readonly puts: number;
  /** Reads and writes that failed: each was taken for a miss. */
  readonly errors: number;
  /** The misses, by reason, where the tier tells them apart. */
  readonly missReasons?: Readonly<Record<TierMissReason, number>>;
  /** Of the puts, those that were never written: no room, or the store failed. */
  readonly dropped?: number;
  /** Puts and deletions that are not yet written, and their bytes. */
  readonly pending?: { readonly entries: number; readonly bytes: number };
  /** Answers that were others than before, where only their hashes are kept. */
  readonly answersChanged?: number;
}

/** What another connection invalidated: all answers of a model, or of a tenant. */
export type TierInvalidation = { readonly model: string } | { readonly tenant: string };

/**
 * Answers as bytes, by slot. A tier never fails a call: what goes wrong inside is a miss and is counted. Test one of your own
 * with `testCacheTier` from 'epochly/testing'.
 */
export interface CacheTier {
  get(key: string, scope?: TierScope): MaybePromise<Uint8Array | undefined>;
  put(key: string, value: Uint8Array, options?: TierPutOptions): MaybePromise<void>;
  delete(key: string, scope?: TierScope): MaybePromise<void>;
  /** Of all the tenant's models, unless the scope names one. */
  clearPrefix(prefix: string, scope?: TierScope): MaybePromise<void>;
  /**
   * Forgets a model's answers, of all tenants, also those that are being put: nobody finds them again. As soon as this was
   * called nobody does here, and elsewhere once it is done. Rejects where that could not be written: call it again.
   */
  invalidateModel(model: string): MaybePromise<void>;
  /** Forgets all of a tenant: makes it unreadable at once, then deletes it. Rejects where that could not be done: call it again. */
  forgetTenant(tenant: string): MaybePromise<void>;
  /**
   * Another one after the tenant was forgotten or the model invalidated, by whomever; undefined where it cannot be told now. Absent
   * where it never can.
   */
  stampOf?(scope: TierScope): MaybePromise<string | undefined>;
  /**
   * Looks whether other connections invalidated something, and tells `onInvalidated` before it returns, where that costs next to
   * nothing. Absent where they announce it.
   */
  poll?(): void;
  /** Tells of models and tenants that other connections invalidated, so that what was kept of them elsewhere can be dropped. */
  readonly onInvalidated?: EventSource<TierInvalidation>;
  getStats(): TierStats;
  /** What is kept, of all tenants and as far as it is written. May read through all of it. Absent where that cannot be told. */
  usage?(): MaybePromise<StoreUsage>;
  /** Resolves once all that was put before is written. Absent where it is as soon as put() has resolved. */
  flush?(): MaybePromise<void>;
  /** Writes what is not yet written. Later reads are misses, later writes do nothing. */
  close(): MaybePromise<void>;
}
