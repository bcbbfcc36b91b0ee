/** @module Tenants whose keys are open. */

import { sameBytes } from '../../bytes.ts';
import { runSteps, settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { MaybePromise } from '../../platform.ts';
import type { DataKey } from '../../privacy/keyring.ts';
import { StoreUnavailableError } from '../store-errors.ts';
import { keyPlace } from './key-places.ts';
import { fingerprintOf, isDamaged } from './key-records.ts';
import type { KeyPlace } from './key-records.ts';
import type { RootKey } from './root-key.ts';
import type { Space } from './space.ts';
import { TenantKeys } from './tenant-keys.ts';
import type { VaultParts } from './vault-parts.ts';

const NOT_FORGOTTEN =
  'The tenant is not forgotten: what is kept of it is neither served nor added to here until it was forgotten again.';

/** Of more, those that were opened first are opened again when they are needed. */
const MAX_TENANTS = 10_000;

export interface TenantState {
  readonly name: string;
  readonly tag: string;
  readonly keys: TenantKeys;
  /** Of the first key. */
  readonly fingerprint: string;
  /** The first key's record, as it was last seen. */
  record: Uint8Array;
  /** When it was last seen. */
  tick: number;
  /** Whether its keys were deleted: what is sealed with them must not be written any more. */
  dropped: boolean;
  /** By model. */
  readonly spaces: Map<string, Space>;
}

export class Tenants {
  /** How often any was dropped here: what was begun before is not kept. */
  drops = 0;
  readonly #parts: VaultParts;
  readonly #root: RootKey;
  readonly #states = new Map<string, TenantState>();
  /** Those that are being dropped, or were to be and could not. */
  readonly #dropping = new Map<string, symbol>();
  /** Fingerprints of the first keys that tenants had here. */
  readonly #opened = new Map<string, Set<string>>();
  /** Those that were dropped here: none of them is believed again, also where the store goes back to it. */
  readonly #dropped = new Set<string>();

  constructor(parts: VaultParts, root: RootKey) {
    this.#parts = parts;
    this.#root = root;
  }

  /** What is known of a tenant, be it so or no more. */
  known(name: string): TenantState | undefined {
    return this.#states.get(name);
  }

  /**
   * Undefined where the tenant has no keys, unless `create` is true, and where it is being dropped.
   * @throws KeyError 'damaged' where its keys are, unless `create` is true. They are deleted: the tenant has none from then on.
   */
  *find(name: string, create: boolean): Steps<TenantState | undefined> {
    const { store, names, records, epoch } = this.#parts;
    for (;;) {
      if (this.#dropping.has(name)) return undefined;
      const drops = this.drops;
      const known = this.#states.get(name);
      const { tick } = epoch;
      if (known?.tick === tick) return known;
      const tag = known?.tag ?? (yield* this.#root.tag('tenant', name, create));
      if (tag === undefined) return undefined;
      const place = keyPlace(names, tag, 0);
      let record = yield* settled(store.get(place.name));
      if (record === undefined && create) record = yield* records.make(place);
      const isSeen = known !== undefined && sameBytes(known.record, record);
      const first = isSeen ? known.keys.first : record && (yield* this.#open(record, place, tag, create));
      if (first === 'deleted') continue;
      const fingerprint = isSeen ? known.fingerprint : first && (yield* fingerprintOf(first));
      // It was dropped meanwhile, or another came first with what it read.
      if (drops !== this.drops || this.#states.get(name) !== known) continue;
      if (record !== undefined && known !== undefined && fingerprint === known.fingerprint) {
        known.record = record;
        known.tick = tick;
        return known;
      }
      if (known !== undefined) this.#lose(known);
      if (record === undefined || first === undefined || fingerprint === undefined) return undefined;
      if (this.#dropped.has(fingerprint)) {
        yield* this.#deleteKeys(tag);
        return undefined;
      }
      const keys = new TenantKeys(this.#parts, tag, first, () => this.#deleteKeys(tag));
      return this.#keep({ name, tag, keys, fingerprint, record, tick, dropped: false, spaces: new Map() });
    }
  }

  /**
   * Deletes a tenant's keys, here before this returns, and returns the tag of what they sealed. Until it succeeded nothing of the
   * tenant is found here.
   */
  drop(name: string): MaybePromise<string | undefined> {
    const token = Symbol(name);
    this.#dropping.set(name, token);
    this.drops++;
    for (const fingerprint of this.#opened.get(name) ?? []) this.#dropped.add(fingerprint);
    this.#opened.delete(name);
    const known = this.#states.get(name);
    if (known !== undefined) this.#leave(known);
    return runSteps(this.#drop(name, token));
  }

  /** The root key is another one, or gone. */
  forgetAll(): void {
    for (const tenant of this.#states.values()) this.#lose(tenant);
  }

  /** Reads again what may have changed. */
  *refresh(): Steps<void> {
    for (const name of this.#states.keys()) yield* this.find(name, false);
  }

  *#open(record: Uint8Array, place: KeyPlace, tag: string, create: boolean): Steps<DataKey | 'deleted'> {
    const { store, records } = this.#parts;
    try {
      return yield* records.open(record, place);
    } catch (error) {
      if (!isDamaged(error)) throw error;
      // Another may have made them anew meanwhile.
      if (sameBytes(yield* settled(store.get(place.name)), record)) yield* this.#deleteKeys(tag);
      if (!create) throw error;
      return 'deleted';
    }
  }

  *#drop(name: string, token: symbol): Steps<string | undefined> {
    try {
      const tag = yield* this.#root.tag('tenant', name, false);
      if (tag !== undefined) yield* this.#parts.keyLock.during(() => this.#deleteKeys(tag));
      if (this.#dropping.get(name) === token) this.#dropping.delete(name);
      return tag;
    } catch (cause) {
      if (!(cause instanceof StoreUnavailableError)) throw cause;
      const { message, retryAfterMs } = cause;
      throw new StoreUnavailableError(`${message} ${NOT_FORGOTTEN}`, {
        cause,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      });
    }
  }

  *#deleteKeys(tag: string): Steps<void> {
    const { store, names, epoch } = this.#parts;
    const keys = yield* settled(store.keys(names.keysOf(tag)));
    const blocks = yield* settled(store.keys(names.blocksOf(tag)));
    yield* epoch.publish({ deletes: [...keys, ...blocks] });
  }

  #keep(tenant: TenantState): TenantState {
    const oldest = this.#states.size < MAX_TENANTS ? undefined : this.#states.keys().next().value;
    if (oldest !== undefined) {
      this.#states.delete(oldest);
      this.#opened.delete(oldest);
    }
    this.#states.set(tenant.name, tenant);
    const opened = this.#opened.get(tenant.name);
    if (opened === undefined) this.#opened.set(tenant.name, new Set([tenant.fingerprint]));
    else opened.add(tenant.fingerprint);
    return tenant;
  }

  #lose(tenant: TenantState): void {
    this.#leave(tenant);
    this.#parts.invalidated.emit({ tenant: tenant.name });
  }

  #leave(tenant: TenantState): void {
    tenant.dropped = true;
    this.#states.delete(tenant.name);
  }
}
