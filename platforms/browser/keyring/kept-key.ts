/** @module The master key in IndexedDB, which keeps a CryptoKey without showing its bytes to anybody. */

import { systemClock } from '../../../src/clock.ts';
import { openDatabase } from '../store/open-database.ts';
import type { Database } from '../store/open-database.ts';
import { settled } from '../store/requests.ts';

export interface KeptKey {
  /** 16 hexadecimal digits. */
  readonly id: string;
  readonly key: CryptoKey;
}

const KEYS = 'keys';
const MASTER = 'master';

/** The key in the database of this name, or, where there is none, the one that is made: of several tabs, by the first. */
export async function keepKey(
  name: string,
  make: () => Promise<KeptKey>,
  onWarning: (warning: string) => void,
): Promise<KeptKey> {
  const description: Database = {
    name,
    version: 1,
    create: (made) => void made.createObjectStore(KEYS),
  };
  const database = await openDatabase(description, { clock: systemClock, onWarning, onLost: () => undefined });
  try {
    return (await read(database)) ?? (await addUnlessThere(database, await make()));
  } finally {
    database.close();
  }
}

async function read(database: IDBDatabase): Promise<KeptKey | undefined> {
  const transaction = database.transaction(KEYS);
  const request = transaction.objectStore(KEYS).get(MASTER);
  await settled(transaction);
  return request.result as KeptKey | undefined;
}

async function addUnlessThere(database: IDBDatabase, made: KeptKey): Promise<KeptKey> {
  // To the disk: were it lost, so would be all that is sealed by then.
  const transaction = database.transaction(KEYS, 'readwrite', { durability: 'strict' });
  const end = settled(transaction);
  const keys = transaction.objectStore(KEYS);
  const first = keys.get(MASTER);
  first.addEventListener('success', () => {
    if (first.result === undefined) keys.add(made, MASTER);
  });
  await end;
  return (first.result as KeptKey | undefined) ?? made;
}
