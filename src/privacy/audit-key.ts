/** @module The key of an audit log, wrapped by the master key and kept beside what it protects. */

import { ConfigError } from '../errors.ts';
import type { AuditStorage } from './audit-storage.ts';
import type { DataKey, Keyring } from './keyring.ts';

/** What it is kept as: the id of the keyring that wrapped it, filled up to 16 characters, and what that gave. */
const NAME = 'key';
const ID_LENGTH = 16;
const encoder = new TextEncoder();
const CONTEXT = encoder.encode('epochly audit');

/**
 * The key of the audit log in this place, made at first use: of several processes, the first one's. It is not that of any
 * tenant, so forgetting a tenant leaves the log as it is.
 *
 * @throws ConfigError where the log was begun with another master key.
 */
export async function openAuditKey(storage: AuditStorage, keyring: Keyring): Promise<DataKey> {
  const kept = (await storage.read(NAME)) ?? (await makeKey(storage, keyring));
  const { id, wrapped } = split(kept);
  if (id !== keyring.id) throw otherKey(id, keyring.id);
  return keyring.openKey(wrapped, CONTEXT);
}

/**
 * Wraps the log's key by another master key, as when keys are rotated. Processes that have it open go on with it. Does nothing
 * where there is no log, or it was done before.
 *
 * @throws ConfigError where the log was begun with a third master key.
 */
export async function rewrapAuditKey(storage: AuditStorage, from: Keyring, to: Keyring): Promise<void> {
  const kept = await storage.read(NAME);
  if (kept === undefined) return;
  const { id, wrapped } = split(kept);
  if (id === to.id) return;
  if (id !== from.id) throw otherKey(id, from.id);
  await storage.replace(NAME, join(to.id, await to.rewrap(wrapped, CONTEXT, from)));
}

async function makeKey(storage: AuditStorage, keyring: Keyring): Promise<Uint8Array> {
  return storage.putIfAbsent(NAME, join(keyring.id, await keyring.newKey(CONTEXT)));
}

function split(kept: Uint8Array): { readonly id: string; readonly wrapped: Uint8Array } {
  return { id: String.fromCharCode(...kept.subarray(0, ID_LENGTH)).trimEnd(), wrapped: kept.slice(ID_LENGTH) };
}

function join(id: string, wrapped: Uint8Array): Uint8Array {
  const kept = new Uint8Array(ID_LENGTH + wrapped.length);
  kept.set(encoder.encode(id.padEnd(ID_LENGTH)));
  kept.set(wrapped, ID_LENGTH);
  return kept;
}

function otherKey(expected: string, actual: string): ConfigError {
  return new ConfigError(
    'privacy.audit_log_path',
    `The audit log was begun with the master key ${expected}, and this one is ${actual}. Use that key, or begin the log in another place.`,
  );
}
