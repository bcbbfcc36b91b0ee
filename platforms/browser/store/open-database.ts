/** @module Opens a database of IndexedDB, or says why it cannot be opened. */

import { deleteDB, openDB, unwrap } from 'idb';
import { StoreUnavailableError } from '../../../src/cache/store-errors.ts';
import type { Clock } from '../../../src/platform.ts';

export interface Database {
  readonly name: string;
  /** Of its schema, from 1. */
  readonly version: number;
  /** Makes the schema in a new database. */
  readonly create: (database: IDBDatabase) => void;
}

export interface OpenDatabaseOptions {
  readonly clock: Clock;
  /** Called where something was lost that the user may miss. */
  readonly onWarning: (warning: string) => void;
  /** Called when the connection is gone: the user cleared the storage, or another tab deletes or upgrades the database. */
  readonly onLost: () => void;
}

/** Longer than a cold disk takes. Safari has been seen to leave requests unanswered (WebKit bug 226547). */
const OPEN_WITHIN_MS = 10_000;

/**
 * Opens a database, and makes it at its first use. One that is damaged is deleted and begun anew, with a warning. A connection
 * never stands in the way of another tab that deletes or upgrades the database: it closes.
 * @throws StoreUnavailableError with the reason.
 */
export async function openDatabase(database: Database, options: OpenDatabaseOptions): Promise<IDBDatabase> {
  const { name } = database;
  const { clock, onWarning } = options;
  try {
    for (let attempt = 1, isAnew = false; ; attempt++) {
      try {
        const opened = await open(database, options);
        if (isAnew) onWarning(`The database ${name} was damaged: it was deleted and begun anew.`);
        return opened;
      } catch (error) {
        // 'AbortError': the browser closed it before it was open, as while a user clears the storage. 'UnknownError': it is
        // damaged, or, in Safari, the connection to the database process was lost, which a second attempt opens again.
        if (attempt === 3 || !['AbortError', 'UnknownError'].includes(nameOf(error))) throw error;
        isAnew = attempt === 2 && nameOf(error) === 'UnknownError';
        if (isAnew) await within(clock, deleteDB(name), () => 'it is damaged and was not deleted');
      }
    }
  } catch (cause) {
    throw new StoreUnavailableError(`The database ${name} cannot be opened: ${reasonOf(cause)}`, { cause });
  }
}

async function open({ name, version, create }: Database, { clock, onLost }: OpenDatabaseOptions): Promise<IDBDatabase> {
  if (!globalThis.indexedDB) throw new DOMException('there is no IndexedDB', 'NotSupportedError');
  let isBlocked = false;
  const opening = openDB(name, version, {
    upgrade(database, _old, _new, transaction) {
      // What it fails of, the opening fails of.
      transaction.done.catch(() => undefined);
      create(unwrap(database));
    },
    blocked: () => {
      isBlocked = true;
    },
    blocking: (_current, _next, event) => {
      (event.target as IDBDatabase).close();
      onLost();
    },
    terminated: onLost,
  });
  try {
    return unwrap(
      await within(clock, opening, () =>
        isBlocked ? 'another tab holds an older version of it open' : 'the browser did not answer',
      ),
    );
  } catch (error) {
    // Should it be opened after all, nobody is there to close it.
    opening.then(
      (late) => late.close(),
      () => undefined,
    );
    throw error;
  }
}

function within<T>(clock: Clock, work: Promise<T>, reason: () => string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(OPEN_WITHIN_MS, () =>
      reject(new DOMException(`${reason()} within ${OPEN_WITHIN_MS / 1000} s`, 'TimeoutError')),
    );
    work.then(resolve, reject).finally(() => timer[Symbol.dispose]());
  });
}

function reasonOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
  switch (nameOf(error)) {
    case 'VersionError':
      return `a newer version of epochly wrote it. Reload the page, or delete the database. (${text})`;
    case 'TimeoutError':
      return `${text}. Close the other tabs of this origin, or restart the browser.`;
    case 'QuotaExceededError':
      return `there is no room left for it. (${text})`;
    default:
      return `${text}. Private windows, sandboxed frames and settings of the browser may forbid it.`;
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}
