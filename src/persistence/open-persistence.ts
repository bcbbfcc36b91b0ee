/**
 * @module What outlives the process: keys, tiers, the audit log's files, opened together in the order in which they need each
 * other. Loaded where the configuration asks for anything of it.
 */

import { AccessLog } from './access-log.ts';
import { createRedactor } from './create-audit-log.ts';
import type { ByteStore } from '../cache/byte-store.ts';
import { InferenceCache } from '../cache/inference-cache.ts';
import type { LowerTiers } from '../cache/lower-tiers.ts';
import type { KeyRotation } from '../cache/sealed/rotate-keys.ts';
import { StoreUnavailableError } from '../cache/store-errors.ts';
import type { InferenceConfig } from '../config.ts';
import { EpochlyError } from '../errors.ts';
import { KeyError } from '../key-error.ts';
import type { EventSource } from '../events.ts';
import { openKeyring, openMasterKeys } from './key-sources.ts';
import type { MasterKeys } from './key-sources.ts';
import { openAudit } from './open-audit.ts';
import type { OpenedAudit } from './open-audit.ts';
import { openTiers } from './open-tiers.ts';
import { noTiers, whyClosed } from './partial-tiers.ts';
import { RareWarnings, reasonOf } from './rare-warnings.ts';
import type { Platform } from '../platform.ts';
import type { AuditEvent, AuditLogger } from '../privacy/audit-logger.ts';
import type { Keyring, KeySource } from '../privacy/keyring.ts';
import { SecurityError } from '../privacy/security-result.ts';
import { SecurityValidator } from '../privacy/security-validator.ts';
import type { CallEvent } from '../wrap.ts';

export { closedTiers } from './partial-tiers.ts';

export interface PersistenceOptions {
  readonly platform: Platform;
  readonly config: InferenceConfig;
  readonly cache: InferenceCache;
  /** Undefined where there is to be none. */
  readonly auditLog: AuditLogger | undefined;
  readonly onCall: EventSource<CallEvent>;
  /** In place of what the configuration says. */
  readonly encryptionKey: KeySource | Keyring | undefined;
  /** L3's, in place of what the configuration says of Redis. Closed with the rest. */
  readonly remoteStore: ByteStore | undefined;
}

/** What is open. */
export interface Persistence {
  readonly lower: LowerTiers;
  /** Wraps all keys by another master key while they are in use. */
  rotateKey(to: KeySource | Keyring): Promise<KeyRotation>;
  /** Writes what waits, and closes all. */
  close(): Promise<void>;
}

/**
 * Opens all that the configuration asks for, or nothing.
 *
 * @throws KeyError where the master key is missing, is none, or is not the one of before
 * @throws ConfigError where a setting is wrong; SecurityError where checks fail and they are strict
 */
export async function openPersistence(options: PersistenceOptions): Promise<Persistence> {
  const { platform, config, auditLog } = options;
  const opened: (() => unknown)[] = [];
  const closeAll = async (): Promise<void> => {
    for (let close = opened.pop(); close !== undefined; close = opened.pop()) {
      try {
        await close();
      } catch (error) {
        console.warn('epochly could not close what it keeps:', error);
      }
    }
  };
  try {
    const keys = await openMasterKeys(platform, config, options.encryptionKey);
    opened.push(() => keys.keyring.close(), ...keys.previous.map((each) => () => each.close()));
    return await openWith(keys, options, opened, closeAll);
  } catch (error) {
    await closeAll();
    if (!isNowhere(platform, error)) throw error;
    const reason = (error as Error).message;
    console.warn(`epochly keeps answers in memory only: ${reason}`);
    auditLog?.logEvent({ operation: 'persistence_opened', modelId: '', result: 'unavailable', details: { reason } });
    const why = (): Error => new StoreUnavailableError(`What may be kept here stays as it is: ${reason}`);
    return {
      lower: noTiers(platform, why),
      rotateKey: () => Promise.reject(why()),
      close: async () => auditLog?.close(),
    };
  }
}

async function openWith(
  keys: MasterKeys,
  { platform, config, cache, auditLog, onCall, remoteStore }: PersistenceOptions,
  opened: (() => unknown)[],
  closeAll: () => Promise<void>,
): Promise<Persistence> {
  const { privacy } = config;
  const audit = (event: AuditEvent): void => auditLog?.logEvent(event);
  const warnings = new RareWarnings(platform.clock);
  const redactor = await createRedactor(config);
  let log: OpenedAudit | undefined;
  if (auditLog !== undefined && privacy.auditLogPath !== '') {
    auditLog.onSinkError(({ error }) =>
      warnings.warn('audit log', `the audit log cannot be written: ${reasonOf(error)}`),
    );
    log = await openAudit(platform, config, keys);
    if (log !== undefined) auditLog.attach(log.sink);
    opened.push(() => auditLog.close());
  }
  const details = { mode: privacy.mode, encryptAtRest: privacy.encryptAtRest, key: keys.keyring.id };
  audit({
    operation: 'persistence_opened',
    modelId: '',
    result: privacy.encryptAtRest ? 'sealed' : 'plaintext',
    details,
  });
  await check(config, platform, audit);

  const tiers = await openTiers({
    platform,
    config,
    cache,
    keys,
    remoteStore,
    redactor,
    audit,
    warnings,
  });
  opened.push(
    () => tiers.close(),
    () => tiers.lower.flush(),
  );
  const accesses = new AccessLog(platform.clock, audit);
  const listening = onCall((event) => accesses.add(event));
  opened.push(
    () => accesses.close(),
    () => listening[Symbol.dispose](),
  );
  const ending = platform.onEnding(async () => {
    accesses.flush();
    await Promise.all([tiers.lower.flush(), auditLog?.flush()]);
  });
  opened.push(() => ending[Symbol.dispose]());

  let current = keys.keyring;
  const rotate = async (next: Keyring): Promise<KeyRotation> => {
    const event = { operation: 'key_rotated', modelId: '' };
    const ids = { from: current.id, to: next.id };
    try {
      const rotation = await tiers.rotateKey(next);
      await log?.rotateKey(current, next);
      audit({ ...event, result: 'done', details: { ...ids, ...rotation } });
      current = next;
      return rotation;
    } catch (error) {
      audit({ ...event, result: 'failed', details: { ...ids, reason: reasonOf(error, config.cache.redisUrl) } });
      throw error;
    }
  };
  let rotating: Promise<unknown> = Promise.resolve();
  opened.push(() => rotating);
  // What the key of before wrapped, behind the calls: both open until then.
  if (keys.previous.length > 0)
    rotating = rotate(keys.keyring).catch((error: unknown) => {
      const reason = reasonOf(error, config.cache.redisUrl);
      console.error(`epochly: the master key was not changed everywhere, and both are still needed: ${reason}`);
    });
  let isClosed = false;
  return {
    lower: tiers.lower,
    async rotateKey(to) {
      if (isClosed) throw whyClosed();
      const rotation = openKeyring(platform, to).then((next) => {
        opened.unshift(() => next.close());
        return rotate(next);
      });
      rotating = Promise.allSettled([rotating, rotation]);
      return rotation;
    },
    close() {
      isClosed = true;
      return closeAll();
    },
  };
}

/** What fails stops the start where that is wanted, and else is written to the console. */
async function check(config: InferenceConfig, platform: Platform, audit: (event: AuditEvent) => void): Promise<void> {
  const { mode, redactPatterns, redactBuiltIns, strictChecks, encryptAtRest } = config.privacy;
  // One of its own: what is tried in it is no call of anybody's.
  const cache = new InferenceCache({ config: config.cache, clock: platform.clock, digest: platform.digest });
  const report = await new SecurityValidator({ strict: false }).runAllChecks({
    cache,
    config,
    privacyMode: mode,
    encryptAtRest,
    encryptionKeyPresent: encryptAtRest,
    redactionPatternsConfigured: redactPatterns.length > 0 || redactBuiltIns.length > 0,
  });
  const result = report.passed ? 'passed' : strictChecks ? 'refused' : 'failed';
  const details = Object.fromEntries(report.results.map(({ check: name, message }) => [name, message]));
  audit({ operation: 'security_checks', modelId: '', result, details });
  const failed = report.results.filter(({ passed }) => !passed);
  if (failed.length === 0) return;
  if (strictChecks) throw new SecurityError(failed);
  for (const { message } of failed) console.warn(`epochly: ${message}`);
}

/** Whether there is no place for anything here, as on an insecure origin: then all works without. */
function isNowhere(platform: Platform, error: unknown): boolean {
  if (EpochlyError.isInstance(error, 'UNSUPPORTED_OPERATION')) return true;
  return platform.name === 'browser' && error instanceof KeyError && error.reason === 'unavailable';
}
