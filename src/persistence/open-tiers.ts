/** @module Opens the persistent tiers that the configuration asks for. */

import type { ByteStore } from '../cache/byte-store.ts';
import { guardStore } from '../cache/guarded-store.ts';
import type { InferenceCache } from '../cache/inference-cache.ts';
import { LowerTiers } from '../cache/lower-tiers.ts';
import type { LowerTiersOptions, NamedTier } from '../cache/lower-tiers.ts';
import { HashesOnlyTier } from '../cache/sealed/hashes-only-tier.ts';
import type { KeyRotation } from '../cache/sealed/rotate-keys.ts';
import { StoreUnavailableError } from '../cache/store-errors.ts';
import { ConfigError, EpochlyError } from '../errors.ts';
import type { Platform } from '../platform.ts';
import type { InputRedactor } from '../privacy/input-redactor.ts';
import type { Keyring } from '../privacy/keyring.ts';
import { openTier } from './open-tier.ts';
import type { OpenedTier, OpenTierOptions } from './open-tier.ts';
import { PartialTiers } from './partial-tiers.ts';
import { reasonOf } from './rare-warnings.ts';

export interface OpenTiersOptions extends OpenTierOptions {
  readonly cache: InferenceCache;
  /** L3's, in place of what the configuration says of Redis. Closed with the tiers. */
  readonly remoteStore: ByteStore | undefined;
  /** Of what must not be kept. */
  readonly redactor: InputRedactor | undefined;
}

export interface OpenedTiers {
  readonly lower: LowerTiers;
  /**
   * Wraps all keys of all tiers by another master key, while they are in use.
   * @throws StoreUnavailableError where one could not be opened, and has its keys as they were
   */
  rotateKey(keyring: Keyring): Promise<KeyRotation>;
  close(): Promise<void>;
}

/**
 * A store that cannot be had is no tier, and the console and the audit log say so; one that cannot be reached now is asked again
 * later. @throws KeyError where the master key is not the one that a store was sealed with.
 */
export async function openTiers(options: OpenTiersOptions): Promise<OpenedTiers> {
  const { platform, config, cache, redactor, audit, warnings } = options;
  const { clock, waitUntil, digest } = platform;
  const { l2Path, redisUrl, redisPrefix, redisTimeoutMs, ttlSeconds, crossNodeSingleFlight } = config.cache;
  const hashesOnly = config.privacy.mode === 'hashes_only';
  const opened: OpenedTier[] = [];
  const heardBy: Promise<void>[] = [];
  /** Tiers that are configured and not there, with the reason. */
  const missing: { readonly name: string; readonly reason: string }[] = [];
  /** What other machines invalidated, being forgotten here. */
  const forgetting = new Set<Promise<void>>();
  const close = async (): Promise<void> => {
    await Promise.all(forgetting);
    await Promise.allSettled(opened.map((each) => each.close()));
  };

  const remote = options.remoteStore;
  const isRemote = remote !== undefined || redisUrl !== '';
  try {
    if (l2Path !== '' || !isRemote) await open('l2', () => platform.openStore(l2Path));
    if (isRemote)
      await open('l3', async () => {
        if (remote === undefined && redisPrefix === '') throw new ConfigError('cache.redis_prefix', NO_PREFIX);
        const where = { timeoutMs: redisTimeoutMs, prefix: redisPrefix };
        const store = remote ?? (await platform.openRemoteStore(redisUrl, where));
        return guardStore(store, { timeoutMs: redisTimeoutMs, clock });
      });
  } catch (error) {
    await close();
    throw error;
  }

  for (const { name, tier } of opened) {
    tier.onInvalidated((what) => {
      if ('model' in what) return cache.dropIdentity(what.model);
      // Its entries are not found here any more, as those of a model are not; its keys have to go. Never the other way: two machines
      // would answer each other without an end.
      if (name === 'l3') for (const each of opened) if (each.name === 'l2') forgetIn(each, what.tenant);
      cache.dropTenant(what.tenant);
    });
    if (tier instanceof HashesOnlyTier) {
      tier.onAnswerChanged(({ model, tenant }) => {
        console.warn(`epochly: the model ${model} answered otherwise than the last time that it was asked the same.`);
        const details = { tier: name, identity: model, tenant };
        audit({ operation: 'answer_compared', modelId: model, result: 'changed', details });
      });
    }
  }
  await Promise.all(heardBy);
  // Something may have been missed from now on: whatever it was, nothing of before is served.
  for (const { store } of opened) store.onAnnounced?.((message) => message === '' && cache.dropAll());
  const [first] = opened;
  const holding = crossNodeSingleFlight ? opened.at(-1) : first?.name === 'l2' ? first : undefined;
  const lowerOptions: LowerTiersOptions = {
    tiers: opened,
    clock,
    digest,
    ttlMs: ttlSeconds * 1000,
    hashesOnly,
    isSecret: redactor && ((value) => redactor.matches(value)),
    hold: hashesOnly ? undefined : holding?.store.lock?.bind(holding.store),
    waitUntil,
  };
  const isComplete = missing.length === 0;
  return {
    lower: isComplete ? new LowerTiers(lowerOptions) : new PartialTiers(lowerOptions, whyIncomplete),
    async rotateKey(next) {
      const rotations = await Promise.all(opened.map(({ tier }) => tier.rotateKey(next)));
      if (!isComplete) throw whyIncomplete();
      return {
        rewrapped: rotations.reduce((sum, each) => sum + each.rewrapped, 0),
        unreadable: rotations.reduce((sum, each) => sum + each.unreadable, 0),
      };
    },
    close,
  };

  async function open(name: NamedTier['name'], openStore: () => Promise<ByteStore>): Promise<void> {
    let store: ByteStore;
    try {
      store = await openStore();
    } catch (error) {
      if (EpochlyError.isInstance(error, 'CONFIG')) throw error;
      const reason = reasonOf(error, redisUrl);
      console.warn(`epochly goes on without its ${name} cache: ${reason}`);
      audit({ operation: 'tier_opened', modelId: '', result: 'unavailable', details: { tier: name, reason } });
      missing.push({ name, reason });
      return;
    }
    if (name === 'l3') heardBy.push(heard(store, platform, redisTimeoutMs));
    opened.push(await openTier(name, store, options));
  }

  function whyIncomplete(): Error {
    const all = missing.map(({ name, reason }) => `the ${name} cache could not be opened (${reason})`).join(', and ');
    return new StoreUnavailableError(`What may be kept there stays as it is: ${all}.`);
  }

  function forgetIn({ name, tier }: OpenedTier, tenant: string): void {
    const forget = async (): Promise<void> => tier.forgetTenant(tenant);
    const forgotten: Promise<void> = forget()
      .catch((error: unknown) => {
        const message = `what another machine forgot of the tenant ${tenant} could not be forgotten in the ${name} cache`;
        warnings.warn(`${name} forgetting`, `${message}: ${reasonOf(error)}`);
      })
      .finally(() => forgetting.delete(forgotten));
    forgetting.add(forgotten);
  }
}

const NO_PREFIX = 'cache.redis_prefix is empty: all that is in the database would be taken for epochly’s.';

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
