/** @module L2 beside L3: what this machine's tier answers, the shared one tells of when others invalidate it. */

import type { TierScope } from '../cache/cache-tier.ts';
import { L2Cache } from '../cache/sealed/l2-cache.ts';
import { L3Cache } from '../cache/sealed/l3-cache.ts';
import { chain } from '../maybe-promise.ts';
import type { MaybePromise } from '../platform.ts';

/** A tier tells of the invalidation of what it knows: where L2 answers, L3 is never asked, and would know nothing. */
export class FarTier extends L3Cache {
  /** From now on it tells of the tenant and the model. Where the store cannot be reached, the next answer tries again. */
  watch({ tenant = 'default', model = '' }: TierScope): void {
    try {
      const known = this.vault.space(tenant, model, true);
      if (known instanceof Promise) known.catch(() => undefined);
    } catch {
      return;
    }
  }
}

export class NearTier extends L2Cache {
  /** Where the same is kept for all machines. */
  far: FarTier | undefined;

  override get(key: string, scope: TierScope = {}): MaybePromise<Uint8Array | undefined> {
    return chain(super.get(key, scope), (found) => {
      if (found !== undefined) this.far?.watch(scope);
      return found;
    });
  }
}
