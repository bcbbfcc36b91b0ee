/** @module Opens the audit log's files, in a folder or a database, with the key that they are sealed by. */

import type { InferenceConfig } from '../config.ts';
import { SECTIONS } from '../config/schema.ts';
import { ConfigError, EpochlyError } from '../errors.ts';
import { KeyError } from '../key-error.ts';
import type { Platform } from '../platform.ts';
import { AuditChain } from '../privacy/audit-chain.ts';
import { openAuditKey, rewrapAuditKey } from '../privacy/audit-key.ts';
import type { AuditSink } from '../privacy/audit-logger.ts';
import type { AuditStorage } from '../privacy/audit-storage.ts';
import type { DataKey, Keyring } from '../privacy/keyring.ts';
import type { MasterKeys } from './key-sources.ts';

/** The oldest files go: a page's log is nobody's to look after, and a server's is 4 GiB by then. */
const MAX_FILES_IN_BROWSERS = 32;
const MAX_FILES = 256;

export interface OpenedAudit {
  readonly sink: AuditSink;
  /** Wraps the log's key by another master key. */
  rotateKey(from: Keyring, to: Keyring): Promise<void>;
}

/**
 * Undefined where it cannot be written in the place that nobody named: then it stays in memory, and the console says so.
 *
 * @throws ConfigError where it cannot be written in the place that the configuration names
 * @throws KeyError where it was begun with another master key, or its key is damaged
 */
export async function openAudit(
  platform: Platform,
  config: InferenceConfig,
  keys: MasterKeys,
): Promise<OpenedAudit | undefined> {
  const { auditLogPath: path } = config.privacy;
  let storage: AuditStorage | undefined;
  try {
    storage = await platform.openAuditStorage(path);
    return await openIn(storage, platform, keys);
  } catch (error) {
    await storage?.close();
    // What is said of the key, once there is a place, is no failure of the place.
    if (EpochlyError.isInstance(error, 'KEY')) throw error;
    const reason = (error as Error).message;
    if (path !== SECTIONS.privacy['auditLogPath']?.initial) {
      if (EpochlyError.isInstance(error, 'CONFIG')) throw error;
      const message = `The audit log cannot be written to ${path}, which privacy.audit_log_path names: ${reason}`;
      throw new ConfigError('privacy.audit_log_path', message, { cause: error });
    }
    console.warn(`epochly keeps its audit log in memory only: ${reason}`);
    return undefined;
  }
}

async function openIn(storage: AuditStorage, platform: Platform, keys: MasterKeys): Promise<OpenedAudit> {
  for (const previous of keys.previous) await rewrapWherePossible(storage, previous, keys.keyring);
  const key = await openKey(storage, keys);
  const maxFiles = platform.name === 'browser' ? MAX_FILES_IN_BROWSERS : MAX_FILES;
  return {
    sink: new AuditChain({ storage, key, clock: platform.clock, maxFiles }),
    rotateKey: (from, to) => rewrapAuditKey(storage, from, to),
  };
}

async function openKey(storage: AuditStorage, { keyring, isBrowsersOwn }: MasterKeys): Promise<DataKey> {
  try {
    return await openAuditKey(storage, keyring);
  } catch (error) {
    // Nobody has the key of before, so nobody can verify what was logged with it.
    if (!isBrowsersOwn || !isUnfit(error)) throw error;
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
    if (!isUnfit(error)) throw error;
  }
}

/** Whether the key of the log is another master key's, or damaged. */
function isUnfit(error: unknown): boolean {
  return error instanceof KeyError && (error.reason === 'wrong' || error.reason === 'damaged');
}
