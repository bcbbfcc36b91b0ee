/** @module Opens the audit log: in memory at once, and in files or a database where the configuration asks for that. */

import type { InferenceConfig } from '../config.ts';
import { EpochlyError } from '../errors.ts';
import type { Platform } from '../platform.ts';
import { AuditChain } from '../privacy/audit-chain.ts';
import { openAuditKey, rewrapAuditKey } from '../privacy/audit-key.ts';
import type { AuditSink } from '../privacy/audit-logger.ts';
import type { AuditStorage } from '../privacy/audit-storage.ts';
import type { DataKey, Keyring } from '../privacy/keyring.ts';

/** A page's log is nobody's to look after: the oldest of its files go. */
const MAX_FILES_IN_BROWSERS = 32;

export interface OpenedAudit {
  readonly sink: AuditSink;
  /** Wraps the log's key by another master key. */
  rotateKey(from: Keyring, to: Keyring): Promise<void>;
}

/** @throws ConfigError where it cannot be written there, or was begun with another master key. */
export async function openAudit(
  platform: Platform,
  config: InferenceConfig,
  keyring: Keyring,
  previousKeyrings: readonly Keyring[],
): Promise<OpenedAudit> {
  const storage = await platform.openAuditStorage(config.privacy.auditLogPath);
  try {
    for (const previous of previousKeyrings) await rewrapWherePossible(storage, previous, keyring);
    const key = await openKey(platform, storage, keyring);
    const maxFiles = platform.name === 'browser' ? MAX_FILES_IN_BROWSERS : undefined;
    return {
      sink: new AuditChain({ storage, key, clock: platform.clock, maxFiles }),
      rotateKey: (from, to) => rewrapAuditKey(storage, from, to),
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
}

async function openKey(platform: Platform, storage: AuditStorage, keyring: Keyring): Promise<DataKey> {
  try {
    return await openAuditKey(storage, keyring);
  } catch (error) {
    // A browser makes its master key itself: where that is gone, nobody can verify what was logged before.
    if (platform.name !== 'browser' || !EpochlyError.isInstance(error, 'CONFIG')) throw error;
    console.warn('epochly: the browser lost the master key of the audit log, which is begun anew.');
    for (const name of await storage.list()) await storage.remove(name);
    return openAuditKey(storage, keyring);
  }
}

async function rewrapWherePossible(storage: AuditStorage, from: Keyring, to: Keyring): Promise<void> {
  try {
    await rewrapAuditKey(storage, from, to);
  } catch (error) {
    // It was another one's: whoever opens it says which.
    if (!EpochlyError.isInstance(error, 'CONFIG')) throw error;
  }
}
