/** @module Deletes entries in the order of an index, a bounded number at a time. */

import { onSuccess } from './requests.ts';
import type { Entry } from './schema.ts';
import type { Stores } from './transact.ts';

/** How many entries are looked at in one transaction: others wait for it some milliseconds. */
const CHUNK = 64;

export interface Sweep {
  readonly index: 'usedAt' | 'expiresAt';
  /** Only entries whose keys begin so are deleted. */
  readonly prefix: string;
  /** The last value of the index that is looked at. */
  readonly until: number;
  /** Ends when so many bytes are left below the prefix. */
  readonly maxBytes: number;
}

/** The last entry that was looked at. */
interface Position {
  readonly at: number;
  readonly key: string;
}

export interface Swept {
  readonly deleted: number;
  /** Where to go on; undefined at the end. */
  readonly next: Position | undefined;
}

/** Deletes a chunk of entries. Its transaction may hold no other operation: it makes requests when others have been answered. */
export function sweepChunk(
  sweep: Sweep,
  from: Swept['next'],
): (stores: Stores, answer: (swept: Swept) => void) => void {
  const { index, prefix, until, maxBytes } = sweep;
  return ({ values, entries, totals }, answer) => {
    totals.sum(prefix, ({ bytes }) => {
      const range = IDBKeyRange.bound(from?.at ?? -Infinity, until);
      const doomed: Entry[] = [];
      let left = bytes;
      let last: Position | undefined;
      let seen = 0;
      const end = (next: Position | undefined): void => {
        // Not before: a write makes the browser forget what it has read ahead for the cursor.
        for (const { key, size } of doomed) {
          values.delete(key);
          entries.delete(key);
          totals.change(key, -1, -size);
        }
        answer({ deleted: doomed.length, next });
      };
      onSuccess<IDBCursorWithValue | null>(entries.index(index).openCursor(range), (cursor) => {
        if (cursor === null || left <= maxBytes) return end(undefined);
        if (seen === CHUNK) return end(last);
        const entry = cursor.value as Entry;
        const at = cursor.key as number;
        if (at !== from?.at || entry.key > from.key) {
          seen++;
          last = { at, key: entry.key };
          if (entry.key.startsWith(prefix)) {
            doomed.push(entry);
            left -= entry.size;
          }
        }
        cursor.continue();
      });
    });
  };
}
