/** @module Opens the persistent tiers that the configuration asks for. */

import type { ByteStore } from '../cache/byte-store.ts';
import { guardStore } from '../cache/guarded-store.ts';
import type { InferenceCache } from '../cache/inference-cache.ts';
import { LowerTiers } from '../cache/lower-tiers.ts';
import type { NamedTier } from '../cache/lower-tiers.ts';
import { HashesOnlyTier } from '../cache/sealed/hashes-only-tier.ts';
import { L2Cache } from '../cache/sealed/l2-cache.ts';
import { L3Cache } from '../cache/sealed/l3-cache.ts';
import type { KeyRotation } from '../cache/sealed/rotate-keys.ts';
import type { InferenceConfig } from '../config.ts';
import { EpochlyError } from '../errors.ts';
import { KeyError } from '../key-error.ts';
import type { Platform } from '../platform.ts';
import type { AuditEvent } from '../privacy/audit-logger.ts';
import type { InputRedactor } from '../privacy/input-redactor.ts';
import type { Keyring } from '../privacy/keyring.ts';

export interface OpenTiersOptions {
  readonly platform: Platform;
  readonly config: InferenceConfig;
  readonly cache: InferenceCache;
  readonly keyring: Keyring;
  readonly previousKeyrings: readonly Keyring[];
  /** Of what must not be kept. */
  readonly redactor: InputRedactor | undefined;
  readonly audit: (event: AuditEvent) => void;
}

export interface OpenedTiers {
  /** Undefined where none could be opened. */
  readonly lower: LowerTiers | undefined;
  /** Wraps all keys of all tiers by another master key, while they are in use. */
  rotateKey(keyring: Keyring): Promise<KeyRotation>;
  close(): Promise<void>;
}

type OpenTier = L2Cache | L3Cache | HashesOnlyTier;

interface Opened {
  readonly name: NamedTier['name'];
  readonly store: ByteStore;
  readonly tier: OpenTier;
  /** Resolves once it is told what others invalidate, where the store can tell, or after Redis's time-out. */
  readonly isHeard: Promise<void>;
}

/**
 * A store that cannot be had is no tier, and the console and the audit log say so; one that cannot be reached now is asked again
 * later. @throws KeyError where the master key is not the one that a store was sealed with.
 */
export async function openTiers(options: OpenTiersOptions): Promise<OpenedTiers> {
  const { platform, config, cache, keyring, redactor, audit } = options;
  const { clock, waitUntil, digest } = platform;
  const { l2Path, redisUrl, redisTimeoutMs, ttlSeconds, crossNodeSingleFlight } = config.cache;
  const hashesOnly = config.privacy.mode === 'hashes_only';
  const opened: Opened[] = [];
  const close = async (): Promise<void> => {
    await Promise.allSettled(opened.map(async ({ tier }) => tier.close()));
    await Promise.allSettled(opened.map(async ({ store }) => store.close()));
  };

  try {
    if (l2Path !== '' || redisUrl === '') {
      const open = (): Promise<ByteStore> => platform.openStore(l2Path);
      const l2 = await openTier('l2', open, options);
      if (l2 !== undefined) opened.push(l2);
    }
    if (redisUrl !== '') {
      const open = async (): Promise<ByteStore> =>
        guardStore(await platform.openRemoteStore(redisUrl, redisTimeoutMs), { timeoutMs: redisTimeoutMs, clock });
      const l3 = await openTier('l3', open, options);
      if (l3 !== undefined) opened.push(l3);
    }
  } catch (error) {
    await close();
    throw error;
  }

  for (const { name, tier } of opened) {
    tier.onInvalidated((what) => {
      if ('model' in what) cache.dropIdentity(what.model);
      else cache.dropTenant(what.tenant);
    });
    if (tier instanceof HashesOnlyTier) {
      tier.onAnswerChanged(({ model, tenant }) => {
        console.warn(`epochly: the model ${model} answered otherwise than the last time that it was asked the same.`);
        const details = { tier: name, identity: model, tenant };
        audit({ operation: 'answer_compared', modelId: model, result: 'changed', details });
      });
    }
  }
  await Promise.all(opened.map(({ isHeard }) => isHeard));
  // Something may have been missed from now on: whatever it was, nothing of before is served.
  for (const { store } of opened) store.onAnnounced?.((message) => message === '' && cache.dropAll());
  const [first] = opened;
  const holding = crossNodeSingleFlight ? opened.at(-1) : first?.name === 'l2' ? first : undefined;
  return {
    lower:
      first &&
      new LowerTiers({
        tiers: opened,
        clock,
        digest,
        ttlMs: ttlSeconds * 1000,
        hashesOnly,
        isSecret: redactor && ((value) => redactor.matches(value)),
        hold: hashesOnly ? undefined : holding?.store.lock?.bind(holding.store),
        waitUntil,
      }),
    async rotateKey(next) {
      const rotations = await Promise.all(opened.map(({ tier }) => tier.rotateKey(next)));
      return {
        rewrapped: rotations.reduce((sum, each) => sum + each.rewrapped, 0),
        unreadable: rotations.reduce((sum, each) => sum + each.unreadable, 0),
      };
    },
    close,
  };

  async function openTier(
    name: NamedTier['name'],
    open: () => Promise<ByteStore>,
    { previousKeyrings }: OpenTiersOptions,
  ): Promise<Opened | undefined> {
    let store: ByteStore;
    try {
      store = await open();
    } catch (error) {
      const reason = (error as Error).message;
      console.warn(`epochly goes on without its ${name} cache: ${reason}`);
      audit({ operation: 'tier_opened', modelId: '', result: 'unavailable', details: { tier: name, reason } });
      return undefined;
    }
    const isHeard = name === 'l2' ? Promise.resolve() : heard(store, platform, redisTimeoutMs);
    const maxBytes = name === 'l2' ? config.cache.l2MaxBytes : undefined;
    const tierOptions = { store, keyring, previousKeyrings, clock, ttlSeconds, maxBytes };
    const Tier = hashesOnly ? HashesOnlyTier : name === 'l2' ? L2Cache : L3Cache;
    const tier = new Tier(tierOptions);
    try {
      await openKeys(tier, store, name);
    } catch (error) {
      await tier.close();
      await store.close();
      throw error;
    }
    audit({ operation: 'tier_opened', modelId: '', result: 'opened', details: { tier: name, key: keyring.id } });
    return { name, store, tier, isHeard };
  }

  async function openKeys(tier: OpenTier, store: ByteStore, name: string): Promise<void> {
    try {
      await tier.open();
    } catch (error) {
      // Whether the keys fit is then found out once it can be reached.
      if (!EpochlyError.isInstance(error, 'KEY')) return;
      // A browser makes its key itself: where that is gone, nobody has it, and what it sealed is nothing any more.
      const isLost = platform.name === 'browser' && error instanceof KeyError && error.reason === 'wrong';
      if (!isLost) throw error;
      console.warn(`epochly: the browser lost the master key of the ${name} cache, which is begun anew.`);
      audit({ operation: 'tier_opened', modelId: '', result: 'key_lost', details: { tier: name, key: keyring.id } });
      await store.deletePrefix('');
      await tier.open();
    }
  }
}

/** A server's store says so with an empty announcement: answers of before would be dropped with it. */
function heard(store: ByteStore, { clock }: Platform, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const subscription = store.onAnnounced?.((message) => message === '' && end());
    const timer = clock.after(timeoutMs, () => end(), true);
    const end = (): void => {
      timer[Symbol.dispose]();
      subscription?.[Symbol.dispose]();
      resolve();
    };
  });
}
