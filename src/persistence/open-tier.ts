/** @module Opens one persistent tier: now, or once its store can be reached. */

import type { ByteStore } from '../cache/byte-store.ts';
import type { NamedTier } from '../cache/lower-tiers.ts';
import { HashesOnlyTier } from '../cache/sealed/hashes-only-tier.ts';
import { L2Cache } from '../cache/sealed/l2-cache.ts';
import { L3Cache } from '../cache/sealed/l3-cache.ts';
import type { InferenceConfig } from '../config.ts';
import { EpochlyError } from '../errors.ts';
import { KeyError } from '../key-error.ts';
import type { Platform } from '../platform.ts';
import type { AuditEvent } from '../privacy/audit-logger.ts';
import type { MasterKeys } from './key-sources.ts';
import { reasonOf } from './rare-warnings.ts';
import type { RareWarnings } from './rare-warnings.ts';

export interface OpenTierOptions {
  readonly platform: Platform;
  readonly config: InferenceConfig;
  readonly keys: MasterKeys;
  readonly audit: (event: AuditEvent) => void;
  readonly warnings: RareWarnings;
}

export interface OpenedTier {
  readonly name: NamedTier['name'];
  readonly store: ByteStore;
  readonly tier: L2Cache | L3Cache | HashesOnlyTier;
  /** Closes the tier, and its store. */
  close(): Promise<void>;
}

/** While the store cannot be reached, it is tried so often whether the keys fit. */
const RETRY_MS = { first: 1000, longest: 60_000 };

/**
 * A tier on a store, which is closed with it, or where this rejects. A store that cannot be reached is tried again, and the
 * console and the audit log say that it could not, and when it could.
 *
 * @throws KeyError where the master key is not the one that the store was sealed with
 */
export async function openTier(
  name: NamedTier['name'],
  store: ByteStore,
  { platform, config, keys, audit, warnings }: OpenTierOptions,
): Promise<OpenedTier> {
  const { clock } = platform;
  const { keyring, previous: previousKeyrings, isBrowsersOwn } = keys;
  const { ttlSeconds, l2MaxBytes, redisUrl } = config.cache;
  const maxBytes = name === 'l2' ? l2MaxBytes : undefined;
  const Tier = config.privacy.mode === 'hashes_only' ? HashesOnlyTier : name === 'l2' ? L2Cache : L3Cache;
  const tier = new Tier({ store, keyring, previousKeyrings, clock, ttlSeconds, maxBytes });
  let retry: Disposable | undefined;
  let isClosed = false;
  const reason = (error: unknown): string => reasonOf(error, redisUrl);
  const tell = (result: string, details: AuditEvent['details']): void =>
    audit({ operation: 'tier_opened', modelId: '', result, details: { tier: name, ...details } });
  tier.onError((error) =>
    warnings.warn(name, `the ${name} cache failed, and answers are computed meanwhile: ${reason(error)}`),
  );

  const close = async (): Promise<void> => {
    isClosed = true;
    retry?.[Symbol.dispose]();
    try {
      await tier.close();
    } finally {
      await store.close();
    }
  };
  try {
    await openKeys();
  } catch (error) {
    if (EpochlyError.isInstance(error, 'KEY')) {
      await close();
      throw error;
    }
    warnings.warn(name, `the ${name} cache cannot be reached, and is tried again: ${reason(error)}`);
    tell('unreachable', { reason: reason(error) });
    tryLater(RETRY_MS.first);
  }
  return { name, store, tier, close };

  async function openKeys(): Promise<void> {
    try {
      await tier.open();
    } catch (error) {
      const why = whyBeginAnew(error);
      if (why === undefined) throw error;
      console.warn(`epochly: the ${name} cache is begun anew: ${why.message}.`);
      tell(why.result, { key: keyring.id });
      await store.deletePrefix('');
      await tier.open();
    }
    tell('opened', { key: keyring.id });
  }

  function whyBeginAnew(error: unknown): { readonly result: string; readonly message: string } | undefined {
    if (!(error instanceof KeyError)) return undefined;
    const { reason: kind } = error;
    // What this very master key wrapped does not open: nobody can open it.
    if (kind === 'damaged') return { result: 'key_damaged', message: 'its key in the store is damaged' };
    // What a browser's own key sealed is nobody's any more; what others share is not a browser's.
    if (kind === 'wrong' && isBrowsersOwn && name === 'l2')
      return { result: 'key_lost', message: 'the browser lost the master key that it was sealed with' };
    return undefined;
  }

  function tryLater(delayMs: number): void {
    if (isClosed) return;
    retry = clock.after(delayMs, () => {
      openKeys().catch((error: unknown) => {
        if (isClosed) return;
        if (!EpochlyError.isInstance(error, 'KEY')) return tryLater(Math.min(delayMs * 2, RETRY_MS.longest));
        console.error(`epochly goes on without its ${name} cache: ${error.message}`);
        tell('refused', { reason: error.message });
      });
    });
  }
}
