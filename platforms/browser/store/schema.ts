/** @module What a store's database holds. */

import type { Database } from './open-database.ts';

/**
 * Of each entry, what is not its bytes. Kept apart from them: marking an entry as used writes it anew, and what is to be
 * deleted is found without reading any bytes.
 */
export interface Entry {
  readonly key: string;
  /** Of the key, in code units, and the bytes. */
  readonly size: number;
  /** When it was written or used last, in milliseconds since the Unix epoch; each time of one connection is another one. */
  readonly usedAt: number;
  /** In milliseconds since the Unix epoch. Absent: never. */
  readonly expiresAt?: number;
}

/** How much there is in a group of entries: see `groupOf`. */
export interface Total {
  readonly group: string;
  readonly entries: number;
  readonly bytes: number;
}

export const OBJECT_STORES: readonly string[] = ['values', 'entries', 'totals'];

export function storeDatabase(name: string): Database {
  return {
    name,
    version: 1,
    create(database) {
      database.createObjectStore('values');
      const entries = database.createObjectStore('entries', { keyPath: 'key' });
      entries.createIndex('usedAt', 'usedAt');
      entries.createIndex('expiresAt', 'expiresAt');
      database.createObjectStore('totals', { keyPath: 'group' });
    },
  };
}

/** All strings that begin so: IndexedDB compares them by code units, as JavaScript does. */
export function prefixRange(prefix: string): IDBKeyRange {
  // The first string after all of them ends in the next code unit; after the last code unit there is none.
  const end = prefix.replace(/\uffff+$/, '');
  if (end === '') return IDBKeyRange.lowerBound(prefix);
  const last = end.length - 1;
  const after = end.slice(0, last) + String.fromCharCode(end.charCodeAt(last) + 1);
  return IDBKeyRange.bound(prefix, after, false, true);
}
