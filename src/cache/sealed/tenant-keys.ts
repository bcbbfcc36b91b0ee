/** @module A tenant's data keys: the first hashes, the newest seals, each opens what it sealed. */

import { randomBytes, sameBytes } from '../../bytes.ts';
import { runSteps, settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { MaybePromise } from '../../platform.ts';
import type { DataKey } from '../../privacy/keyring.ts';
import { keyPlace } from './key-places.ts';
import { isDamaged } from './key-records.ts';
import type { VaultParts } from './vault-parts.ts';

/**
 * How often one key seals, whoever does it: with random nonces of 96 bits, two of 2^31 are the same by a chance of 2^-35
 * (NIST SP 800-38D, 8.3, stops at 2^32).
 */
export const SEAL_LIMIT: number = 2 ** 31;
/**
 * Nobody counts for all. Whoever seals takes a block of a key's seals for itself, by a record that the first writer makes, and
 * leaves what it does not use: counts are never too low, and a key serves so many beginnings of processes.
 */
const BLOCKS = 2 ** 13;
const TOKEN_BYTES = 16;

/** A key to seal with, once. */
export interface Sealer {
  readonly number: number;
  readonly key: DataKey;
}

export class TenantKeys {
  /** Hashes slots for ever. */
  readonly first: DataKey;
  readonly #parts: VaultParts;
  readonly #tag: string;
  readonly #deleteAll: () => Steps<void>;
  readonly #opened: Map<number, DataKey>;
  #newest = 0;
  #sealing: (Sealer & { left: number }) | undefined;
  #claiming: Promise<void> | undefined;

  /** `deleteAll` deletes them, where one turns out to be damaged: the tenant gets others with its next answer. */
  constructor(parts: VaultParts, tag: string, first: DataKey, deleteAll: () => Steps<void>) {
    this.first = first;
    this.#parts = parts;
    this.#tag = tag;
    this.#deleteAll = deleteAll;
    this.#opened = new Map([[0, first]]);
  }

  /** The n-th key; undefined where there is none. @throws KeyError where it cannot be opened. */
  find(number: number): MaybePromise<DataKey | undefined> {
    return this.#opened.get(number) ?? runSteps(this.#load(number));
  }

  /** The newest key, for one seal. */
  takeSealer(): MaybePromise<Sealer> {
    return this.#sealing !== undefined && this.#sealing.left-- > 0 ? this.#sealing : runSteps(this.#takeSealer());
  }

  *#takeSealer(): Steps<Sealer> {
    for (;;) {
      if (this.#sealing !== undefined && this.#sealing.left-- > 0) return this.#sealing;
      if (this.#claiming === undefined) {
        const claim = runSteps(this.#claim());
        if (!(claim instanceof Promise)) continue;
        this.#claiming = claim.finally(() => (this.#claiming = undefined));
      }
      yield this.#claiming;
    }
  }

  *#claim(): Steps<void> {
    for (;;) {
      // Another may have retired the one that is known.
      while ((yield* this.#load(this.#newest + 1)) !== undefined);
      const number = this.#newest;
      if (yield* this.#claimBlock(number)) {
        const key = this.#opened.get(number) as DataKey;
        this.#sealing = { number, key, left: Math.floor(this.#parts.sealLimit / this.#blocks) };
        return;
      }
      yield* this.#parts.records.make(keyPlace(this.#parts.names, this.#tag, number + 1));
    }
  }

  *#load(number: number): Steps<DataKey | undefined> {
    const { store, names, records } = this.#parts;
    const place = keyPlace(names, this.#tag, number);
    const record = yield* settled(store.get(place.name));
    if (record === undefined) return undefined;
    try {
      const key = yield* records.open(record, place);
      this.#opened.set(number, key);
      if (number === this.#newest + 1) this.#newest = number;
      return key;
    } catch (error) {
      if (isDamaged(error)) yield* this.#deleteAll();
      throw error;
    }
  }

  /** Whether a block was left of that key. */
  *#claimBlock(number: number): Steps<boolean> {
    const { store, names } = this.#parts;
    const token = randomBytes(TOKEN_BYTES);
    for (let block = yield* this.#firstFree(number); block < this.#blocks; block++) {
      const kept = yield* settled(store.putIfAbsent(names.block(this.#tag, number, block), token));
      if (sameBytes(kept, token)) return true;
    }
    return false;
  }

  /** Blocks are taken in order, so that the first free one is found by halving. */
  *#firstFree(number: number): Steps<number> {
    const { store, names } = this.#parts;
    let [taken, free] = [-1, 0];
    const isTaken = function* (this: TenantKeys, block: number): Steps<boolean> {
      return (yield* settled(store.get(names.block(this.#tag, number, block)))) !== undefined;
    }.bind(this);
    while (free < this.#blocks && (yield* isTaken(free))) [taken, free] = [free, 2 * free + 1];
    free = Math.min(free, this.#blocks);
    while (free - taken > 1) {
      const middle = (taken + free) >> 1;
      if (yield* isTaken(middle)) taken = middle;
      else free = middle;
    }
    return free;
  }

  get #blocks(): number {
    return Math.min(BLOCKS, this.#parts.sealLimit);
  }
}
