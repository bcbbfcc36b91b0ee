/**
 * @module Who may read what in a store: the root key, which makes tags of names; tenants' data keys; models' invalidation
 * generations. Several vaults may share a store, in any number of processes. What was read is believed for as long as the
 * epoch tells that nothing was invalidated.
 */

import { Emitter } from '../../events.ts';
import type { EventSource } from '../../events.ts';
import { runSteps } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { Clock, MaybePromise } from '../../platform.ts';
import type { Keyring } from '../../privacy/keyring.ts';
import type { ByteStore } from '../byte-store.ts';
import type { TierInvalidation } from '../cache-tier.ts';
import { Epoch } from './epoch.ts';
import { KeyLock } from './key-lock.ts';
import { KeyRecords } from './key-records.ts';
import { Models } from './models.ts';
import type { Names } from './names.ts';
import { RootKey } from './root-key.ts';
import { rotateKeys } from './rotate-keys.ts';
import type { KeyRotation } from './rotate-keys.ts';
import { Space } from './space.ts';
import { Tenants } from './tenants.ts';
import type { TenantState } from './tenants.ts';
import type { VaultParts } from './vault-parts.ts';

export interface VaultOptions {
  readonly store: ByteStore;
  /** The first one wraps, each opens. */
  readonly keyrings: readonly [Keyring, ...Keyring[]];
  readonly clock: Clock;
  readonly names: Names;
  /** For how long what was read is believed where the store cannot tell of changes. */
  readonly revalidateMs: number;
  readonly sealLimit: number;
}

export class Vault {
  readonly #parts: VaultParts;
  readonly #root: RootKey;
  readonly #tenants: Tenants;
  readonly #models: Models;
  readonly #revalidateMs: number;
  readonly #loading = new Map<string, Promise<Space | undefined>>();
  #watch: Disposable | undefined;
  /** All that is known was read at this tick, or after it. */
  #refreshedTick = 0;
  #isClosed = false;

  constructor({ store, keyrings, clock, names, revalidateMs, sealLimit }: VaultOptions) {
    const invalidated = new Emitter<TierInvalidation>();
    const onAnnounced = (): void => {
      if (invalidated.hasListeners) this.#refresh();
    };
    const epoch = new Epoch({ store, name: names.epoch, clock, revalidateMs, onAnnounced });
    const records = new KeyRecords(store, keyrings);
    const keyLock = new KeyLock({ store, name: names.lock, clock });
    this.#parts = { store, names, records, keyLock, clock, epoch, invalidated, sealLimit };
    this.#root = new RootKey(this.#parts, () => {
      this.#tenants.forgetAll();
      this.#models.forgetAll();
    });
    this.#tenants = new Tenants(this.#parts, this.#root);
    this.#models = new Models(this.#parts, this.#root);
    this.#revalidateMs = revalidateMs;
  }

  /** Tells what other connections invalidated. While anybody listens, the store is asked from time to time. */
  readonly onInvalidated: EventSource<TierInvalidation> = (listener) => {
    const subscription = this.#parts.invalidated.event(listener);
    this.#watchStore();
    return subscription;
  };

  /** Opens the root key, or makes it. @throws KeyError where the store was sealed with another master key. */
  open(): MaybePromise<void> {
    return runSteps(this.#open());
  }

  /**
   * Where the answers of a tenant and a model are; undefined where there can be none, unless `create` is true, and where the
   * tenant is being dropped. @throws KeyError, and what the store and the keyring throw
   */
  space(tenant: string, model: string, create: boolean): MaybePromise<Space | undefined> {
    if (this.#parts.epoch.isFresh()) {
      const space = this.#tenants.known(tenant)?.spaces.get(model);
      if (space?.isCurrentAt(this.#parts.epoch.tick) === true) return space;
    }
    const key = `${create ? 'w' : 'r'}${tenant.length} ${tenant}${model}`;
    const loading = this.#loading.get(key);
    if (loading !== undefined) return loading;
    const found = runSteps(this.#findSpace(tenant, model, create));
    if (found instanceof Promise) {
      this.#loading.set(key, found);
      const done = (): void => void this.#loading.delete(key);
      found.then(done, done);
    }
    return found;
  }

  /** Another number after the model was invalidated here, or any tenant forgotten. */
  invalidationsOf(model: string): number {
    return this.#models.state(model).invalidations + this.#tenants.drops;
  }

  /** A tenant that has keys, and is not being dropped. */
  *tenant(name: string): Steps<TenantState | undefined> {
    yield* this.#parts.epoch.check();
    return yield* this.#tenants.find(name, false);
  }

  /** Leaves the model's generation, here before this returns. */
  invalidateModel(name: string): MaybePromise<void> {
    return this.#models.invalidate(name);
  }

  /** Deletes a tenant's keys, here before this returns. The tag of what they sealed; undefined where there was nothing. */
  dropTenant(name: string): MaybePromise<string | undefined> {
    return this.#tenants.drop(name);
  }

  /**
   * Wraps all keys by another master key. The ones before go on opening. Where it fails half-way both are needed until it was
   * done again.
   */
  rotate(keyring: Keyring): Promise<KeyRotation> {
    return rotateKeys(this.#parts, keyring);
  }

  /** Reads again what may have changed, where the store says that something did. */
  poll(): void {
    if (!this.#parts.epoch.isFresh()) this.#refresh();
  }

  close(): void {
    this.#isClosed = true;
    this.#parts.epoch.close();
    this.#watch?.[Symbol.dispose]();
  }

  *#open(): Steps<void> {
    yield* this.#parts.epoch.check();
    yield* this.#root.open(true);
  }

  *#findSpace(tenantName: string, modelName: string, create: boolean): Steps<Space | undefined> {
    yield* this.#parts.epoch.check();
    const tenant = yield* this.#tenants.find(tenantName, create);
    if (tenant === undefined) return undefined;
    const model = this.#models.state(modelName);
    const generation = yield* this.#models.generationOf(model, create);
    if (generation === undefined) return undefined;
    const known = tenant.spaces.get(modelName);
    if (known?.isCurrent === true) return known;
    const space = new Space(tenant, model, generation, `${this.#parts.names.entries}${tenant.tag}/${model.tag}/`);
    tenant.spaces.set(modelName, space);
    return space;
  }

  #watchStore(): void {
    if (this.#watch !== undefined || this.#isClosed) return;
    this.#watch = this.#parts.clock.after(this.#revalidateMs, () => {
      this.#watch = undefined;
      if (!this.#parts.invalidated.hasListeners) return;
      this.#refresh();
      this.#watchStore();
    });
  }

  /** Where it fails, the next time will tell. */
  #refresh(): void {
    try {
      const refreshed = runSteps(this.#readAgain());
      if (refreshed instanceof Promise) refreshed.catch(() => undefined);
    } catch {
      return;
    }
  }

  *#readAgain(): Steps<void> {
    const { epoch } = this.#parts;
    yield* epoch.check();
    const { tick } = epoch;
    if (tick === this.#refreshedTick) return;
    yield* this.#tenants.refresh();
    yield* this.#models.refresh();
    this.#refreshedTick = tick;
  }
}
