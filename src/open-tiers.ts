/** @module Opens the persistent tiers that the configuration asks for. Loaded where it asks for any. */

import type { CacheTier } from './cache/cache-tier.ts';
import { guardStore } from './cache/guarded-store.ts';
import type { InferenceCache } from './cache/inference-cache.ts';
import { LowerTiers } from './cache/lower-tiers.ts';
import type { NamedTier } from './cache/lower-tiers.ts';
import { HashesOnlyTier } from './cache/sealed/hashes-only-tier.ts';
import { L2Cache } from './cache/sealed/l2-cache.ts';
import { L3Cache } from './cache/sealed/l3-cache.ts';
import type { KeyRotation } from './cache/sealed/rotate-keys.ts';
import type { ByteStore } from './cache/byte-store.ts';
import type { InferenceConfig } from './config.ts';
import { EpochlyError } from './errors.ts';
import type { Platform } from './platform.ts';
import { InputRedactor } from './privacy/input-redactor.ts';
import type { Keyring } from './privacy/keyring.ts';

/** What happened to the tiers, for the audit log. */
export type TierEvent =
  | { readonly operation: 'tier_opened' | 'tier_unavailable'; readonly tier: 'l2' | 'l3'; readonly reason?: string }
  | { readonly operation: 'answer_changed'; readonly tier: 'l2' | 'l3'; readonly model: string };

export interface OpenTiersOptions {
  readonly platform: Platform;
  readonly config: InferenceConfig;
  readonly cache: InferenceCache;
  readonly keyring: Keyring;
  readonly onEvent: (event: TierEvent) => void;
}

export interface OpenedTiers {
  readonly lower: LowerTiers;
  /** Wraps all keys of all tiers by another master key, while they are in use. */
  rotateKey(keyring: Keyring): Promise<readonly KeyRotation[]>;
  close(): Promise<void>;
}

type OpenTier = L2Cache | L3Cache | HashesOnlyTier;

/**
 * A store that cannot be had is none: the cache then stays without that tier, and says so. @throws KeyError where the master key
 * is not the one that the store was sealed with.
 */
export async function openTiers({ platform, config, cache, keyring, onEvent }: OpenTiersOptions): Promise<OpenedTiers> {
  const { clock, waitUntil, digest } = platform;
  const { l2Path, l2MaxBytes, redisUrl, redisTimeoutMs, ttlSeconds, crossNodeSingleFlight } = config.cache;
  const { redactPatterns, redactBuiltIns } = config.privacy;
  const hashesOnly = config.privacyMode === 'hashes_only';
  const stores: ByteStore[] = [];
  const tiers: (NamedTier & { readonly tier: OpenTier })[] = [];

  const add = async (name: NamedTier['name'], open: () => Promise<ByteStore>): Promise<ByteStore | undefined> => {
    try {
      const store = await open();
      stores.push(store);
      const options = { store, keyring, clock, ttlSeconds, maxBytes: name === 'l2' ? l2MaxBytes : undefined };
      const tier = hashesOnly ? new HashesOnlyTier(options) : name === 'l2' ? new L2Cache(options) : new L3Cache(options);
      await tier.open();
      tiers.push({ name, tier });
      onEvent({ operation: 'tier_opened', tier: name });
      return store;
    } catch (error) {
      if (EpochlyError.isInstance(error, 'KEY')) throw error;
      const reason = (error as Error).message;
      onEvent({ operation: 'tier_unavailable', tier: name, reason });
      console.warn(`epochly goes on without its ${name} cache: ${reason}`);
      return undefined;
    }
  };

  let hold: ((name: string, signal: AbortSignal) => Promise<Disposable>) | undefined;
  try {
    if (l2Path !== '' || redisUrl === '') {
      const store = await add('l2', () => platform.openStore(l2Path));
      hold = store?.lock?.bind(store);
    }
    if (redisUrl !== '') {
      const open = async (): Promise<ByteStore> =>
        guardStore(await platform.openRemoteStore(redisUrl), { timeoutMs: redisTimeoutMs, clock });
      const store = await add('l3', open);
      if (crossNodeSingleFlight) hold = store?.lock?.bind(store);
    }
  } catch (error) {
    await closeAll(tiers, stores);
    throw error;
  }

  for (const { name, tier } of tiers) {
    tier.onInvalidated?.((what) => {
      if ('model' in what) cache.dropIdentity(what.model);
      else cache.dropTenant(what.tenant);
    });
    if (tier instanceof HashesOnlyTier) {
      tier.onAnswerChanged(({ model }) => onEvent({ operation: 'answer_changed', tier: name, model }));
    }
  }
  const redacts = redactPatterns.length > 0 || redactBuiltIns.length > 0;
  const redactor = redacts ? new InputRedactor({ patterns: redactPatterns, builtIns: redactBuiltIns }) : undefined;
  const lower = new LowerTiers({
    tiers,
    clock,
    digest,
    ttlMs: ttlSeconds * 1000,
    hashesOnly,
    isSecret: redactor && ((value) => redactor.matches(value)),
    hold: hashesOnly ? undefined : hold,
    waitUntil,
  });
  return {
    lower,
    rotateKey: (next) => Promise.all(tiers.map(({ tier }) => tier.rotateKey(next))),
    close: () => closeAll(tiers, stores),
  };
}

async function closeAll(tiers: readonly { readonly tier: CacheTier }[], stores: readonly ByteStore[]): Promise<void> {
  await Promise.allSettled(tiers.map(async ({ tier }) => tier.close()));
  await Promise.allSettled(stores.map(async (store) => store.close()));
}
