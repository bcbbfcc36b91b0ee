/** @module The third tier: sealed answers in a store that several machines share. */

import type { MaybePromise } from '../../platform.ts';
import type { TierPutOptions } from '../cache-tier.ts';
import { SealedTier } from './sealed-tier.ts';

/**
 * Sealed answers in Redis, which makes room by itself: there is no limit of bytes unless one is given. All nodes need the same
 * master key. A server that evicts keys of its choice may lose data keys and generations: what they opened is a miss then.
 */
export class L3Cache extends SealedTier {
  /** `options` may be the seconds for which it is served. */
  override put(key: string, value: Uint8Array, options?: number | TierPutOptions): MaybePromise<void> {
    return super.put(key, value, typeof options === 'number' ? { ttlSeconds: options } : options);
  }
}
