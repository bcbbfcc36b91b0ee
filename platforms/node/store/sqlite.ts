/** @module SQLite, as better-sqlite3 or Node itself has it. */

import { MissingPeerError } from '../../../src/model-errors.ts';
import { resolvePeer } from '../resolve-peer.ts';

/** Two drivers on one file in one process would undo each other's locks: POSIX gives them to the process. */
export type SqliteDriver = 'better-sqlite3' | 'node:sqlite';

export type SqlValue = null | number | string | Uint8Array;
export type Row = Readonly<Record<string, SqlValue>>;

export interface Statement {
  /** The first row. What a statement changes it has changed by then. */
  get(...values: readonly SqlValue[]): Row | undefined;
  all(...values: readonly SqlValue[]): readonly Row[];
  run(...values: readonly SqlValue[]): { readonly changes: number | bigint };
  /** The same statement, whose rows are their first values alone. Node's own SQLite has no such thing. */
  pluck?(): { get(...values: readonly SqlValue[]): SqlValue | undefined };
}

/** What both drivers have alike. Every call blocks the thread. */
export interface Connection {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

export interface Sqlite {
  readonly driver: SqliteDriver;
  /** Makes the file where there is none, unless `readOnly`. Reads nothing yet. */
  open(path: string, options?: { readonly readOnly?: boolean }): Connection;
}

/** What reads the first value of a statement's first row: without an object for the row, where the driver can */
export function prepareValue(
  connection: Connection,
  sql: string,
): (...values: readonly SqlValue[]) => SqlValue | undefined {
  const statement = connection.prepare(sql);
  const plucked = statement.pluck?.();
  if (plucked !== undefined) return (...values) => plucked.get(...values);
  return (...values) => {
    const row = statement.get(...values);
    return row && Object.values(row)[0];
  };
}

interface BetterSqlite3 {
  new (path: string, options?: { readonly readonly?: boolean; readonly fileMustExist?: boolean }): Connection;
}

interface NodeSqlite {
  readonly DatabaseSync: new (path: string, options?: { readonly readOnly?: boolean }) => Connection;
}

/** Node 22 takes an empty array for NULL where it has no memory, as one that came in a message. */
export const EMPTY_BLOB: Uint8Array = new Uint8Array(1).subarray(0, 0);

const VERSIONS = '>=12 <14; Node has its own SQLite since 22.13';

/** Default: better-sqlite3 where it is installed, else Node's own. @throws MissingPeerError where there is neither. */
export function loadSqlite(driver?: SqliteDriver): Sqlite {
  if (driver === 'node:sqlite') return nodeSqlite() ?? missing();
  if (driver === 'better-sqlite3') return betterSqlite3();
  try {
    return betterSqlite3();
  } catch (cause) {
    return nodeSqlite() ?? missing(cause);
  }
}

function missing(cause?: unknown): never {
  throw new MissingPeerError('better-sqlite3', VERSIONS, { cause });
}

function betterSqlite3(): Sqlite {
  const { require, path: module } = resolvePeer('better-sqlite3', VERSIONS);
  try {
    const Database = require(module) as BetterSqlite3;
    // Its native part is loaded with the first connection, and may be missing or another Node's.
    new Database(':memory:').close();
    return {
      driver: 'better-sqlite3',
      open: (path, { readOnly = false } = {}) => new Database(path, { readonly: readOnly, fileMustExist: readOnly }),
    };
  } catch (cause) {
    return missing(cause);
  }
}

function nodeSqlite(): Sqlite | undefined {
  const module = process.getBuiltinModule?.('node:sqlite') as NodeSqlite | undefined;
  if (module === undefined) return undefined;
  const { DatabaseSync } = module;
  return { driver: 'node:sqlite', open: (path, { readOnly = false } = {}) => new DatabaseSync(path, { readOnly }) };
}

/** What was read cannot be what was written, though SQLite itself found nothing wrong. */
export class DamagedError extends Error {
  override readonly name: string = 'DamagedError';
}

/** SQLITE_CORRUPT and SQLITE_NOTADB (https://sqlite.org/rescode.html). */
const DAMAGED_CODES = new Set([11, 26]);

/** Whether an error says that the file is damaged or no database, rather than busy, full or not to be had. */
export function isDamage(error: unknown): boolean {
  if (error instanceof DamagedError) return true;
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  // An integer that no number holds: none that large was ever written.
  if (code === 'ERR_OUT_OF_RANGE') return true;
  if (typeof errcode === 'number') return DAMAGED_CODES.has(errcode & 0xff);
  return typeof code === 'string' && /^SQLITE_(CORRUPT|NOTADB)/.test(code);
}
