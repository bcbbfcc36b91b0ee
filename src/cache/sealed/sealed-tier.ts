/** @module Answers in a store that holds nothing readable: each is sealed with a key of its tenant, under a name that is a keyed hash. */

import { runSteps, settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { MaybePromise } from '../../platform.ts';
import type { TierPutOptions, TierScope } from '../cache-tier.ts';
import { clearByPrefix } from './clear-by-prefix.ts';
import { openEnvelope } from './open-envelope.ts';
import { isText } from './text.ts';
import { VaultTier } from './vault-tier.ts';
import type { SealedTierOptions } from './vault-tier.ts';

export class SealedTier extends VaultTier {
  constructor(options: SealedTierOptions) {
    super(options, 'e');
  }

  /** At once where the store and the keyring answer at once. */
  override get(key: string, scope: TierScope = {}): MaybePromise<Uint8Array | undefined> {
    return runSteps(this.#get(key, scope));
  }

  /** Returns when it is sealed. It is written a little later, in a batch; reads see it at once. */
  override put(key: string, value: Uint8Array, options: TierPutOptions = {}): MaybePromise<void> {
    return runSteps(this.#put(key, value, options));
  }

  /** Opens all entries of the tenant, of one model where the scope names it, to see which keys begin so. What does not open goes as well. */
  override clearPrefix(prefix: string, scope: TierScope = {}): MaybePromise<void> {
    return runSteps(this.#clearPrefix(prefix, scope));
  }

  // Promises are looked for where they may come, for a generator within a generator costs as much as some of what is done.
  *#get(key: string, { tenant = 'default', model = '' }: TierScope): Steps<Uint8Array | undefined> {
    if (this.isClosed) return this.counts.miss('absent');
    try {
      let space = this.vault.space(tenant, model, false);
      if (space instanceof Promise) space = yield* settled(space);
      if (space === undefined) return this.counts.miss('absent');
      let name = space.nameOf(key);
      if (name instanceof Promise) name = yield* settled(name);
      let envelope = this.read(name);
      if (envelope instanceof Promise) envelope = yield* settled(envelope);
      if (envelope === undefined) return this.counts.miss('absent');
      const opened = yield* openEnvelope(space, name, envelope, this.clock.epochNow());
      if (typeof opened === 'string') {
        // Another version may be served by others, and another master key's be opened by them.
        if (opened === 'expired' || opened === 'unauthentic') this.writes.delete(name, false);
        return this.counts.miss(opened);
      }
      // Invalidated while it was read, or of another key with the same slot.
      if (!space.isCurrent || this.isClosed || !isText(opened.key, key)) return this.counts.miss('absent');
      this.writes.markUsed(name);
      this.counts.hit();
      return opened.value;
    } catch (error) {
      return this.counts.failedGet(error);
    }
  }

  *#put(key: string, value: Uint8Array, options: TierPutOptions): Steps<void> {
    if (this.isClosed) return;
    const { tenant = 'default', model = '' } = options;
    this.counts.put();
    const invalidations = this.vault.invalidationsOf(model);
    try {
      const expiresAt = this.expiryOf(options);
      let bytes = value;
      // Where it is not sealed at once, the caller may change it before it is.
      const hold = (): void => {
        if (bytes === value) bytes = value.slice();
      };
      let space = this.vault.space(tenant, model, true);
      if (space instanceof Promise) {
        hold();
        space = yield* settled(space);
      }
      if (space === undefined) return this.counts.drop(1);
      let name = space.nameOf(key);
      if (name instanceof Promise) {
        hold();
        name = yield* settled(name);
      }
      let sealer = space.keys.takeSealer();
      if (sealer instanceof Promise) {
        hold();
        sealer = yield* settled(sealer);
      }
      let envelope = space.cipher.seal(sealer, name, key, bytes, expiresAt);
      if (envelope instanceof Promise) envelope = yield* settled(envelope);
      // Invalidated here, or by others, since whoever computed it began.
      const isOutdated = options.stamp !== undefined && options.stamp !== space.stamp;
      const isSame = space.isCurrent && this.vault.invalidationsOf(model) === invalidations;
      const mayBeKept = !this.isClosed && isSame && !isOutdated;
      if (!mayBeKept || !this.writes.put(name, envelope, expiresAt, space)) this.counts.drop(1);
    } catch (error) {
      this.counts.error(error);
      this.counts.drop(1);
    }
  }

  *#clearPrefix(prefix: string, { tenant = 'default', model }: TierScope): Steps<void> {
    if (this.isClosed) return;
    try {
      yield* settled(this.writes.flush());
      const { store, clock, names, vault, writes } = this;
      yield* clearByPrefix({ store, clock, names, vault, writes, tenant, model, prefix });
      yield* settled(this.writes.flush());
    } catch (error) {
      this.counts.error(error);
    }
  }
}
