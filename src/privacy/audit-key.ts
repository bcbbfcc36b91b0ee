/** @module The key of an audit log, wrapped by the master key and kept beside what it protects. */

import { KeyError } from '../key-error.ts';
import type { MaybePromise } from '../platform.ts';
import type { AuditStorage } from './audit-storage.ts';
import type { DataKey, Keyring } from './keyring.ts';

/** What it is kept as: the id of the keyring that wrapped it, filled up to 16 characters, and what that gave. */
const NAME = 'key';
const ID_LENGTH = 16;
const BEGIN_ANEW =
  'Nobody can verify what was logged with it. Move the log away, or name another folder in privacy.audit_log_path.';
const encoder = new TextEncoder();
const CONTEXT = encoder.encode('epochly audit');

/**
 * The key of the audit log in this place, made at first use: of several processes, the first one's. It is not that of any
 * tenant, so forgetting a tenant leaves the log as it is.
 *
 * @throws KeyError 'wrong' where the log was begun with another master key; 'damaged' where it was this one, which does not open
 * it any more, and where it cannot be told.
 */
export async function openAuditKey(storage: AuditStorage, keyring: Keyring): Promise<DataKey> {
  const kept = (await storage.read(NAME)) ?? (await makeKey(storage, keyring));
  const { id, wrapped } = split(kept);
  if (id !== keyring.id) throw otherKey(id, keyring.id);
  return undamaged(() => keyring.openKey(wrapped, CONTEXT), id);
}

/**
 * Wraps the log's key by another master key, as when keys are rotated. Processes that have it open go on with it. Does nothing
 * where there is no log, or it was done before.
 *
 * @throws KeyError 'wrong' where the log was begun with a third master key, 'damaged' as `openAuditKey`.
 */
export async function rewrapAuditKey(storage: AuditStorage, from: Keyring, to: Keyring): Promise<void> {
  const kept = await storage.read(NAME);
  if (kept === undefined) return;
  const { id, wrapped } = split(kept);
  if (id === to.id) return;
  if (id !== from.id) throw otherKey(id, from.id);
  const again = await undamaged(() => to.rewrap(wrapped, CONTEXT, from), id);
  await storage.replace(NAME, join(to.id, again));
}

async function makeKey(storage: AuditStorage, keyring: Keyring): Promise<Uint8Array> {
  return storage.putIfAbsent(NAME, join(keyring.id, await keyring.newKey(CONTEXT)));
}

/** @throws KeyError 'damaged' where it is none. */
function split(kept: Uint8Array): { readonly id: string; readonly wrapped: Uint8Array } {
  const id = String.fromCharCode(...kept.subarray(0, ID_LENGTH)).trimEnd();
  if (kept.length <= ID_LENGTH || !/^[\x21-\x7e]+$/.test(id))
    throw new KeyError(
      `The key of the audit log is damaged: it does not say which master key wrapped it. ${BEGIN_ANEW}`,
      {
        reason: 'damaged',
      },
    );
  return { id, wrapped: kept.slice(ID_LENGTH) };
}

/** What a keyring makes of a key that it wrapped itself, by its id. @throws KeyError 'damaged' where it did not. */
async function undamaged<T>(task: () => MaybePromise<T>, id: string): Promise<T> {
  try {
    return await task();
  } catch (cause) {
    if (!(cause instanceof KeyError) || cause.reason !== 'wrong') throw cause;
    throw new KeyError(
      `The key of the audit log is damaged: the master key ${id} wrapped it, and does not open it. ${BEGIN_ANEW}`,
      { reason: 'damaged', cause },
    );
  }
}

function join(id: string, wrapped: Uint8Array): Uint8Array {
  const kept = new Uint8Array(ID_LENGTH + wrapped.length);
  kept.set(encoder.encode(id.padEnd(ID_LENGTH)));
  kept.set(wrapped, ID_LENGTH);
  return kept;
}

function otherKey(expected: string, actual: string): KeyError {
  return new KeyError(
    `The audit log was begun with the master key ${expected}, and given is ${actual}. Give the key of before in EPOCHLY_PREVIOUS_ENCRYPTION_KEY, or name another folder in privacy.audit_log_path.`,
    { reason: 'wrong' },
  );
}
