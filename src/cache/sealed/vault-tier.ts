/** @module What tiers over a vault have in common: whom they answer, what they forget, how they write. */

import { systemClock } from '../../clock.ts';
import type { EventSource } from '../../events.ts';
import { runSteps, settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { Clock, MaybePromise } from '../../platform.ts';
import type { Keyring } from '../../privacy/keyring.ts';
import type { ByteStore, StoreUsage } from '../byte-store.ts';
import type { CacheTier, TierInvalidation, TierPutOptions, TierScope, TierStats } from '../cache-tier.ts';
import { Names } from './names.ts';
import { Room } from './room.ts';
import type { KeyRotation } from './rotate-keys.ts';
import { SEAL_LIMIT } from './tenant-keys.ts';
import { TierCounts } from './tier-counts.ts';
import { Vault } from './vault.ts';
import { WriteBuffer } from './write-buffer.ts';

/** What a tier is made with. The store and the keyrings are the caller's to close, after the tier. */
export interface SealedTierOptions {
  readonly store: ByteStore;
  readonly keyring: Keyring;
  /** Others that wrapped what is in the store, where the master key was changed. They open, and wrap nothing. */
  readonly previousKeyrings?: readonly Keyring[] | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** For how long an answer is served. Default 86,400 (a day). */
  readonly ttlSeconds?: number | undefined;
  /** Most bytes that are kept, keys included; a sixteenth more until it is looked again. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /** Of all names in the store: tiers with different ones can share it. Default ''. */
  readonly prefix?: string | undefined;
  /**
   * Milliseconds after which what other connections invalidated is seen at the latest, where the store tells of no changes
   * itself. Default 5,000.
   */
  readonly revalidateMs?: number | undefined;
  /** How often one data key seals. Default 2^31. */
  readonly sealLimit?: number | undefined;
}

const DEFAULT_TTL_SECONDS = 86_400;
const DEFAULT_REVALIDATE_MS = 5000;
export abstract class VaultTier implements CacheTier {
  protected readonly store: ByteStore;
  protected readonly clock: Clock;
  protected readonly names: Names;
  protected readonly vault: Vault;
  protected readonly writes: WriteBuffer;
  protected readonly counts: TierCounts = new TierCounts();
  protected isClosed = false;
  readonly #ttlSeconds: number;

  /** `folder` is that of the tier's entries, one letter. */
  constructor(options: SealedTierOptions, folder: string) {
    const { store, keyring, previousKeyrings = [], clock = systemClock, prefix = '' } = options;
    const { ttlSeconds = DEFAULT_TTL_SECONDS, maxBytes = Infinity } = options;
    const { revalidateMs = DEFAULT_REVALIDATE_MS, sealLimit = SEAL_LIMIT } = options;
    if (!(ttlSeconds > 0)) throw new RangeError(`ttlSeconds must be more than 0, got ${ttlSeconds}.`);
    if (!(maxBytes > 0)) throw new RangeError(`maxBytes must be more than 0, got ${maxBytes}.`);
    if (!(Number.isInteger(sealLimit) && sealLimit > 0 && sealLimit <= SEAL_LIMIT))
      throw new RangeError(`sealLimit must be a whole number from 1 to 2^31, got ${sealLimit}.`);
    this.store = store;
    this.clock = clock;
    this.names = new Names(prefix, folder);
    this.#ttlSeconds = ttlSeconds;
    const keyrings = [keyring, ...previousKeyrings] as const;
    this.vault = new Vault({ store, keyrings, clock, names: this.names, revalidateMs, sealLimit });
    this.writes = new WriteBuffer({
      store,
      clock,
      room: new Room({ store, prefix: this.names.entries, clock, maxBytes }),
      onError: (error, lostPuts) => {
        this.counts.error(error);
        this.counts.drop(lostPuts);
      },
    });
  }

  abstract get(key: string, scope?: TierScope): MaybePromise<Uint8Array | undefined>;
  abstract put(key: string, value: Uint8Array, options?: TierPutOptions): MaybePromise<void>;
  abstract clearPrefix(prefix: string, scope?: TierScope): MaybePromise<void>;

  /** Returns when it is deleted; where the store fails, it is tried again until it succeeds, and is a miss here. */
  delete(key: string, scope: TierScope = {}): MaybePromise<void> {
    return runSteps(this.#delete(key, scope));
  }

  /** Tells what other connections invalidated. While anybody listens, the store is asked every `revalidateMs`. */
  get onInvalidated(): EventSource<TierInvalidation> {
    return this.vault.onInvalidated;
  }

  /** Tells of what went wrong and failed nobody: what the store or the keyring threw. */
  get onError(): EventSource<unknown> {
    return this.counts.errors.event;
  }

  /**
   * Finds out at once whether the keys fit the store, which otherwise the first use does, as misses.
   * @throws KeyError where the store was sealed with another master key
   */
  open(): MaybePromise<void> {
    return this.vault.open();
  }

  /** Makes the tenant's keys and the model's generation where there are none: who asks is about to put an answer. */
  stampOf(scope: TierScope): MaybePromise<string | undefined> {
    return runSteps(this.#stampOf(scope));
  }

  poll(): void {
    if (!this.isClosed && this.store.changeCount !== undefined) this.vault.poll();
  }

  invalidateModel(model: string): MaybePromise<void> {
    if (!this.isClosed) return this.vault.invalidateModel(model);
  }

  forgetTenant(tenant: string): MaybePromise<void> {
    if (!this.isClosed) return runSteps(this.#forgetTenant(tenant));
  }

  /**
   * Wraps all keys by another master key while they are in use. Until every process was given the new one, give those that have
   * it the old one as well, among `previousKeyrings`; what they made meanwhile is wrapped anew by rotating again. This tier goes
   * on using both. Where it rejects, both are needed until it was done again.
   */
  rotateKey(keyring: Keyring): Promise<KeyRotation> {
    return this.vault.rotate(keyring);
  }

  /** Deletes all entries, of all tenants. Their keys stay. */
  clearAll(): MaybePromise<void> {
    if (!this.isClosed) return runSteps(this.#clearAll());
  }

  /** Resolves once all that was put before is written, or was dropped because the store failed: see `getStats()`. */
  flush(): MaybePromise<void> {
    return this.writes.flush();
  }

  /** What the store keeps of this tier, all tenants' and as far as it is written: entries, and bytes of names and values. */
  usage(): MaybePromise<StoreUsage> {
    return this.store.usage(this.names.entries);
  }

  getStats(): TierStats {
    return { ...this.counts.snapshot(), pending: this.writes.pending };
  }

  /** Writes what is not yet written. The store and the keyring stay open: they are the caller's. */
  close(): MaybePromise<void> {
    if (!this.isClosed) return runSteps(this.#close());
  }

  /** What is there under a name, or is about to be. */
  protected read(name: string): MaybePromise<Uint8Array | undefined> {
    const waiting = this.writes.get(name);
    return waiting === undefined ? this.store.get(name) : (waiting ?? undefined);
  }

  /** When something that is put now expires, in whole milliseconds since the Unix epoch. @throws RangeError */
  protected expiryOf({ ttlSeconds = this.#ttlSeconds }: TierPutOptions): number {
    if (!(ttlSeconds > 0)) throw new RangeError(`ttlSeconds must be more than 0, got ${ttlSeconds}.`);
    return Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(this.clock.epochNow() + ttlSeconds * 1000));
  }

  *#stampOf({ tenant = 'default', model = '' }: TierScope): Steps<string | undefined> {
    if (this.isClosed) return undefined;
    try {
      return (yield* settled(this.vault.space(tenant, model, true)))?.stamp;
    } catch (error) {
      this.counts.error(error);
      return undefined;
    }
  }

  *#delete(key: string, { tenant = 'default', model = '' }: TierScope): Steps<void> {
    if (this.isClosed) return;
    try {
      const space = yield* settled(this.vault.space(tenant, model, false));
      if (space === undefined) return;
      this.writes.delete(yield* settled(space.nameOf(key)), true);
      yield* settled(this.writes.flush());
    } catch (error) {
      this.counts.error(error);
    }
  }

  *#forgetTenant(tenant: string): Steps<void> {
    const tag = yield* settled(this.vault.dropTenant(tenant));
    // What was being written when the keys were dropped is written first.
    yield* settled(this.writes.settle());
    if (tag !== undefined) yield* settled(this.store.deletePrefix(`${this.names.entries}${tag}/`));
  }

  *#clearAll(): Steps<void> {
    try {
      this.writes.clear();
      yield* settled(this.writes.settle());
      yield* settled(this.store.deletePrefix(this.names.entries));
    } catch (error) {
      this.counts.error(error);
    }
  }

  *#close(): Steps<void> {
    this.isClosed = true;
    this.vault.close();
    yield* this.writes.close();
  }
}
