/** @module Opens the file of a store for writing: makes it, tells whether it is one, and sets aside one that is damaged. */

import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { StoreError } from '../../../src/cache/store-errors.ts';
import type { Clock } from '../../../src/platform.ts';
import { isMarked, mark } from './marker.ts';
import { fileIdentity, setAside } from './set-aside.ts';
import { isDamage } from './sqlite.ts';
import type { Connection, Sqlite, SqlValue } from './sqlite.ts';
import { APPLICATION_ID, SCHEMA, SCHEMA_VERSION } from './tables.ts';

/** Of 1.5 KB and of 600 KB values, pages of 16 KB are written and read faster than SQLite's 4 KB. */
const PAGE_BYTES = 16_384;

/** How long a writer waits for others: without waiting, most writes of several processes at once fail. */
export const BUSY_MS = 5000;

export interface DatabaseFile {
  readonly connection: Connection;
  /** Which file it is, by `fileIdentity`. */
  readonly identity: string;
  /** Where a file was set aside for this one. */
  readonly warning?: string | undefined;
}

export interface DatabaseFileOptions {
  readonly sqlite: Sqlite;
  readonly path: string;
  readonly clock: Clock;
  /** The identity of a file that was found damaged while in use: set aside where it is still there. */
  readonly damaged?: string | undefined;
}

/** @throws StoreError where it cannot be opened, and where what is there is not epochly's: that is left as it is. */
export function openDatabaseFile({ sqlite, path, clock, damaged }: DatabaseFileOptions): DatabaseFile {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // Also the lock would be left beside it.
    leaveOthers(sqlite, path);
    return locked(sqlite, path, () => {
      let aside: string | undefined;
      if (damaged !== undefined && fileIdentity(path) === damaged) aside = setAside(path, clock);
      for (let attempt = 0; attempt < 2; attempt++) {
        if (fileIdentity(path) === undefined) makeFile(path);
        const connection = openConnection(sqlite, path);
        const kind = settle(connection);
        if (kind === 'ours') {
          restrict(path);
          mark(path);
          return { connection, identity: fileIdentity(path) as string, warning: warningOf(aside) };
        }
        if (!mayBeSetAside(kind, path)) {
          connection.close();
          throw notOurs(path);
        }
        // Closing it first would have SQLite tidy up; Windows renames nothing that is open.
        if (process.platform === 'win32') connection.close();
        aside = setAside(path, clock);
        if (process.platform !== 'win32') connection.close();
      }
      throw new StoreError(`The store ${path} cannot be begun: what is written there does not last.`);
    });
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError(`The store ${path} could not be opened: ${(cause as Error).message}`, { cause });
  }
}

/** @throws StoreError where something is at the path that is not epochly's. */
function leaveOthers(sqlite: Sqlite, path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isFile()) throw notOurs(path);
  if (found.size === 0 || isMarked(path)) return;
  // By SQLite: in this process another may have the file open, whose locks the closing of any other kind would give up.
  const connection = openConnection(sqlite, path);
  try {
    if (
      !mayBeSetAside(
        readable(() => kindOf(connection)),
        path,
      )
    )
      throw notOurs(path);
  } finally {
    connection.close();
  }
}

/** Whether a file is epochly's, though it may be none that can be used. */
function mayBeSetAside(kind: Kind, path: string): boolean {
  return kind === 'unreadable' ? isMarked(path) : kind !== 'foreign';
}

function notOurs(path: string): StoreError {
  return new StoreError(
    `What is at ${path} is not a store of epochly, and was left as it is. Name another path, or move it away.`,
  );
}

function warningOf(aside: string | undefined): string | undefined {
  if (aside === undefined) return undefined;
  return `The file of the store could not be used. It is now ${aside}, and a new one was begun.`;
}

/**
 * Runs a task while no other connection, process or thread, opens the same store: of two that find a file damaged, the
 * second one finds the new file. The lock is SQLite's on an empty file, which the system gives up with a process that dies.
 */
function locked<T>(sqlite: Sqlite, path: string, task: () => T): T {
  const lock = sqlite.open(`${path}-lock`);
  try {
    try {
      lock.exec(`PRAGMA busy_timeout = ${2 * BUSY_MS}; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE`);
    } catch (cause) {
      throw new StoreError(`${path}-lock could not be locked: ${(cause as Error).message}`, { cause });
    }
    restrict(`${path}-lock`);
    return task();
  } finally {
    lock.close();
  }
}

/** SQLite would make it readable for all. That of its companions is the file's own mode. */
function makeFile(path: string): void {
  closeSync(openSync(path, 'wx', 0o600));
}

function restrict(path: string): void {
  if ((statSync(path).mode & 0o077) === 0) return;
  try {
    chmodSync(path, 0o600);
  } catch {
    // Another user's file, which that user lets us write.
  }
}

function openConnection(sqlite: Sqlite, path: string): Connection {
  const connection = sqlite.open(path);
  connection.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
  return connection;
}

/**
 * 'damaged': a store of epochly's that cannot be used. 'foreign': another program's database. 'unreadable': it cannot be told
 * what it was.
 */
type Kind = 'ours' | 'empty' | 'damaged' | 'foreign' | 'unreadable';

/** Brings a connection into the state in which it writes, where the file is a store's. @throws StoreError */
function settle(connection: Connection): Exclude<Kind, 'empty'> {
  try {
    const kind = readable(() => kindOf(connection));
    if (kind !== 'empty' && kind !== 'ours') return kind;
    const settled = readable(() => {
      if (kind === 'empty') initialise(connection);
      configure(connection);
      return 'ours';
    });
    return settled === 'ours' ? 'ours' : 'damaged';
  } catch (error) {
    connection.close();
    throw error;
  }
}

function readable<T extends Kind>(task: () => T): T | 'unreadable' {
  try {
    return task();
  } catch (error) {
    if (isDamage(error)) return 'unreadable';
    throw error;
  }
}

/** Changes nothing. */
function kindOf(connection: Connection): Kind {
  const applicationId = pragma(connection, 'application_id');
  const version = pragma(connection, 'user_version') as number;
  const schema = schemaOf(connection);
  if (applicationId === 0 && version === 0 && schema?.length === 0) return 'empty';
  const isWhole = schema?.length === SCHEMA.length && schema.every((sql, i) => sql === SCHEMA[i]);
  if (applicationId !== APPLICATION_ID) {
    // Nobody else has such a one.
    if (isWhole) return 'damaged';
    return schema === undefined ? 'unreadable' : 'foreign';
  }
  if (version > SCHEMA_VERSION) {
    throw new StoreError(
      `The store was written by a newer version of epochly: its format is ${version}, and this one knows ${SCHEMA_VERSION}. Update epochly, or name another path.`,
    );
  }
  return isWhole ? 'ours' : 'damaged';
}

/** Undefined where it cannot be read. */
function schemaOf(connection: Connection): readonly SqlValue[] | undefined {
  try {
    const rows = connection.prepare("SELECT sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*'").all();
    return rows.map(({ sql }) => sql as SqlValue);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

function configure(connection: Connection): void {
  if (pragma(connection, 'journal_mode = WAL') !== 'wal') {
    throw new StoreError(
      'SQLite cannot share memory between processes there: is it a network drive? Name another path.',
    );
  }
  for (const each of ['synchronous = NORMAL', 'wal_autocheckpoint = 0', 'secure_delete = ON', 'cell_size_check = ON']) {
    connection.exec(`PRAGMA ${each}`);
  }
  // Changes nothing. Where nothing may be written it fails here, and not at some later write.
  connection.exec('DELETE FROM contents WHERE id IS NULL');
}

/** Interrupted at any point it leaves an empty file or a whole one. */
function initialise(connection: Connection): void {
  connection.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL`);
  connection.exec(
    [
      'BEGIN IMMEDIATE',
      ...SCHEMA,
      `PRAGMA application_id = ${APPLICATION_ID}`,
      `PRAGMA user_version = ${SCHEMA_VERSION}`,
      'COMMIT',
    ].join('; '),
  );
}

/** What a pragma answers. */
function pragma(connection: Connection, text: string): unknown {
  return Object.values(connection.prepare(`PRAGMA ${text}`).get() ?? {})[0];
}
