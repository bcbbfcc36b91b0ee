/** @module The second tier: sealed answers in a store of this machine, which survive a restart. */

import { SealedTier } from './sealed-tier.ts';
import type { SealedTierOptions } from './vault-tier.ts';

/** The same as for any sealed tier, but that `maxBytes` is 1,073,741,824 (1 GiB) unless it is given. */
export type L2CacheOptions = SealedTierOptions;

const DEFAULT_MAX_BYTES = 1_073_741_824;

/**
 * Sealed answers in SQLite or IndexedDB, by `openStore()`.
 *
 * @example const cache = new L2Cache({ store: await openStore('answers.db'), keyring: await openKeyring({ kind: 'env' }) });
 */
export class L2Cache extends SealedTier {
  constructor({ maxBytes = DEFAULT_MAX_BYTES, ...options }: L2CacheOptions) {
    super({ ...options, maxBytes });
  }
}
