/** @module All keys of a store wrapped by another master key, while they are in use. */

import { KeyError } from '../../key-error.ts';
import { runSteps, settled } from '../../maybe-promise.ts';
import type { Keyring } from '../../privacy/keyring.ts';
import type { StoreEntry } from '../byte-store.ts';
import { keyPlaceOf, rootPlace } from './key-places.ts';
import type { KeyPlace } from './key-records.ts';
import type { VaultParts } from './vault-parts.ts';

/** What a rotation did. */
export interface KeyRotation {
  /** Keys that are now wrapped by the new master key. */
  readonly rewrapped: number;
  /** Keys that none of the master keys opens, and that stay as they are. */
  readonly unreadable: number;
}

/** Keys after which others get their turn, and milliseconds: a device may take long for each. */
const RECORDS_A_TURN = 256;
const TURN_MS = 500;
/** Once for what is there, and again for what was made meanwhile by those who have the master key of before. */
const MAX_PASSES = 3;

/**
 * Both master keys open what there is at any time, also where it fails half-way: then it is done again. Nothing is forgotten
 * meanwhile. @throws KeyError where the root key opens with none; StoreError where it was held up for so long that it must be done again.
 */
export async function rotateKeys(parts: VaultParts, keyring: Keyring): Promise<KeyRotation> {
  parts.records.accept(keyring);
  return runSteps(parts.keyLock.during(() => settled(rotateAll(parts, keyring))));
}

async function rotateAll(parts: VaultParts, keyring: Keyring): Promise<KeyRotation> {
  const { store, records, keyLock } = parts;
  let rewrapped = 0;
  let unreadable = 0;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const found = await rewrapAll(parts, keyring);
    ({ unreadable } = found);
    if (found.puts.length === 0) break;
    // Else those that another deleted in between would be written again.
    await runSteps(keyLock.goOn());
    await store.write({ puts: found.puts });
    rewrapped += found.puts.length;
    records.use(keyring);
  }
  records.use(keyring);
  return { rewrapped, unreadable };
}

async function rewrapAll(
  { store, names, records, keyLock, clock }: VaultParts,
  keyring: Keyring,
): Promise<{ readonly puts: readonly StoreEntry[]; readonly unreadable: number }> {
  const root = rootPlace(names);
  const places: readonly KeyPlace[] = [root, ...(await store.keys(names.keys)).map((name) => keyPlaceOf(names, name))];
  const puts: StoreEntry[] = [];
  let unreadable = 0;
  let turnAt = clock.now();
  for (const [i, place] of places.entries()) {
    if (i % RECORDS_A_TURN === RECORDS_A_TURN - 1 || clock.now() - turnAt >= TURN_MS) {
      turnAt = clock.now();
      await runSteps(keyLock.goOn());
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
    const record = await store.get(place.name);
    if (record === undefined) continue;
    try {
      const put = await runSteps(records.rewrap(record, place, keyring));
      if (put !== undefined) puts.push(put);
    } catch (error) {
      const isUnreadable = error instanceof KeyError && (error.reason === 'wrong' || error.reason === 'damaged');
      if (!isUnreadable || place === root) throw error;
      unreadable++;
    }
  }
  return { puts, unreadable };
}
