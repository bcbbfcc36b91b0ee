/** @module The entries of one tenant, of one model, in one generation. */

import { toHex } from '../../bytes.ts';
import type { MaybePromise } from '../../platform.ts';
import { EntryCipher } from './entry-cipher.ts';
import { HASH_USE } from './hash-use.ts';
import type { ModelState } from './models.ts';
import { slotOf } from './names.ts';
import type { TenantKeys } from './tenant-keys.ts';
import type { TenantState } from './tenants.ts';
import { maxTextBytes, writeText } from './text.ts';

export class Space {
  readonly tenant: TenantState;
  readonly model: ModelState;
  readonly generation: Uint8Array;
  /** What their names begin with. */
  readonly names: string;
  readonly cipher: EntryCipher;
  /** What is hashed for a name, used again, unless a key that takes its time still has it. */
  #preimage = new Uint8Array(0);

  /** Another one after the tenant was forgotten, or the model invalidated. */
  readonly stamp: string;

  constructor(tenant: TenantState, model: ModelState, generation: Uint8Array, names: string) {
    this.stamp = `${tenant.fingerprint} ${toHex(generation)}`;
    this.tenant = tenant;
    this.model = model;
    this.generation = generation;
    this.names = names;
    this.cipher = new EntryCipher(generation, names);
  }

  get keys(): TenantKeys {
    return this.tenant.keys;
  }

  /** Whether, as far as is known, neither was the tenant forgotten nor the model invalidated. */
  get isCurrent(): boolean {
    return !this.tenant.dropped && this.model.generation === this.generation;
  }

  /** Whether that is so as of this tick. */
  isCurrentAt(tick: number): boolean {
    return this.isCurrent && this.tenant.tick === tick && this.model.tick === tick && !this.model.unwritten;
  }

  /** The name that the store has for a key: a hash of the use, the generation and the key. */
  nameOf(key: string): MaybePromise<string> {
    const start = 1 + this.generation.length;
    const needed = start + maxTextBytes(key);
    if (needed > this.#preimage.length) {
      this.#preimage = new Uint8Array(2 * needed);
      this.#preimage[0] = HASH_USE.slot;
      this.#preimage.set(this.generation, 1);
    }
    const preimage = this.#preimage.subarray(0, writeText(key, this.#preimage, start));
    const { first } = this.keys;
    const slot = first.hashText?.(preimage) ?? first.hash(preimage);
    if (!(slot instanceof Promise)) return this.#nameAt(slot);
    this.#preimage = new Uint8Array(0);
    return slot.then((later: string | Uint8Array) => this.#nameAt(later));
  }

  #nameAt(slot: string | Uint8Array): string {
    return this.names + (typeof slot === 'string' ? slot : slotOf(slot));
  }
}
