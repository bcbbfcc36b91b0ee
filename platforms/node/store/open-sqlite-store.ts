/** @module Opens a store in a file. */

import { resolve } from 'node:path';
import { HostError } from '../../../src/model-errors.ts';
import { nodeClock } from '../clock.ts';
import { SqliteStore } from './sqlite-store.ts';
import type { SqliteStoreParts } from './sqlite-store.ts';
import { loadSqlite } from './sqlite.ts';
import type { Sqlite, SqliteDriver } from './sqlite.ts';
import { openWritesHere, openWriteThread } from './write-place.ts';
import { Writer } from './writer.ts';

export interface SqliteStoreOptions {
  /** Of the database. Its folder is made where there is none; beside it SQLite keeps files of the same name with an ending. */
  readonly path: string;
  /** Default: 'better-sqlite3' where it is installed, else 'node:sqlite'. */
  readonly driver?: SqliteDriver | undefined;
}

/**
 * Opens the store at a path, or begins one. Any number of processes of one machine may have it open; not over a network.
 * Nobody but the user of this process may read what is written.
 *
 * A store that is damaged is renamed to `<path>.damaged-<time>` and another one begun: `warnings` says so. A file that is no
 * store is left as it is, with its mode.
 * @throws MissingPeerError where neither better-sqlite3 is installed nor Node has SQLite (it has since 22.13).
 * @throws StoreError where nothing can be written there, where something else is there, and where a newer version of epochly wrote it.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  if (typeof options.path !== 'string' || options.path === '') throw new TypeError('The path of a store is a string.');
  const sqlite = loadSqlite(options.driver);
  const path = resolve(options.path);
  const store = new SqliteStore({ sqlite, path, ...openPlace(sqlite, path) });
  try {
    await store.opened();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

function openPlace(sqlite: Sqlite, path: string): Pick<SqliteStoreParts, 'place' | 'warning'> {
  try {
    return { place: openWriteThread({ driver: sqlite.driver, path }) };
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    const warning = `Writing blocks this thread, because none of its own could be opened for it: ${error.message}`;
    return { place: openWritesHere(new Writer({ sqlite, path, clock: nodeClock }), nodeClock), warning };
  }
}
