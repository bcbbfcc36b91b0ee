/** @module What lies in the file of a store, and the statements that read and change it. */

import type { StoreEntry, StoreUsage } from '../../../src/cache/byte-store.ts';
import { afterPrefix, bytesToKey, keyToBytes } from './key-bytes.ts';
import { DamagedError, EMPTY_BLOB, prepareValue } from './sqlite.ts';
import type { Connection, Row, SqlValue, Statement } from './sqlite.ts';

/** 'epch': tells a store from other programs' databases (https://sqlite.org/pragma.html#pragma_application_id). */
export const APPLICATION_ID = 0x65706368;
/** Of what is below. A change that this code could not read counts it up. */
export const SCHEMA_VERSION = 1;
/**
 * Large values lie apart: scanning, counting and marking entries as used never reads them. `used` counts up with each write
 * and mark; an entry's `id` is the count at which it was made.
 */
export const SCHEMA: readonly string[] = [
  'CREATE TABLE entries (key BLOB NOT NULL PRIMARY KEY, id INTEGER NOT NULL, size INTEGER NOT NULL, used INTEGER NOT NULL, expires INTEGER) WITHOUT ROWID',
  'CREATE TABLE contents (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)',
  'CREATE INDEX entries_by_use ON entries (used)',
];

/** An entry without its value. */
export interface Listed {
  readonly key: Uint8Array;
  readonly size: number;
  readonly used: number;
}

/** Reads values. For a connection that does nothing else. */
export class Contents {
  readonly #get: (key: SqlValue) => SqlValue | undefined;

  constructor(connection: Connection) {
    const sql = 'SELECT bytes FROM contents WHERE id = (SELECT id FROM entries WHERE key = ?)';
    this.#get = prepareValue(connection, sql);
  }

  /** In memory of their own. @throws DamagedError */
  get(key: string): Uint8Array | undefined {
    const value = this.#get(keyToBytes(key));
    if (value === undefined) return undefined;
    const { buffer, byteOffset, length } = asBytes(value, 'bytes');
    // Not a Buffer, whose methods share memory where those of plain arrays copy.
    return new Uint8Array(buffer, byteOffset, length);
  }
}

/** Reads and changes entries; transactions are the caller's. */
export class Tables extends Contents {
  readonly #connection: Connection;
  readonly #statements = new Map<string, Statement>();
  #used = 0;

  constructor(connection: Connection) {
    super(connection);
    this.#connection = connection;
  }

  /** Another one after any other connection changed the file. */
  get dataVersion(): number {
    return this.#number('PRAGMA data_version');
  }

  /** Begins a transaction, as soon as no other connection is in one. */
  begin(): void {
    this.#sql('BEGIN IMMEDIATE').run();
  }

  commit(): void {
    this.#sql('COMMIT').run();
  }

  rollBack(): void {
    this.#sql('ROLLBACK').run();
  }

  /** Once in each transaction before anything is put or marked: other connections count as well. */
  catchUp(): void {
    const row = this.#sql('SELECT max(used) AS used FROM entries').get() as Row;
    this.#used = row['used'] === null ? 0 : numberOf(row, 'used');
  }

  put({ key, bytes, expiresAt = Infinity }: StoreEntry): void {
    const name = keyToBytes(key);
    const value = bytes.length === 0 ? EMPTY_BLOB : bytes;
    const size = key.length + bytes.length;
    const used = ++this.#used;
    const expires = expiresAt === Infinity ? null : expiresAt;
    // Most keys are new ones. RETURNING would cost more than all else.
    const isNew = this.#change(
      'INSERT INTO entries (key, id, size, used, expires) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING',
      name,
      used,
      size,
      used,
      expires,
    );
    if (isNew) {
      const isFree = this.#change(
        'INSERT INTO contents (id, bytes) VALUES (?, ?) ON CONFLICT (id) DO NOTHING',
        used,
        value,
      );
      if (!isFree) throw new DamagedError('A value has no entry.');
      return;
    }
    this.#change('UPDATE entries SET size = ?, used = ?, expires = ? WHERE key = ?', size, used, expires, name);
    const isWhole = this.#change(
      'UPDATE contents SET bytes = ? WHERE id = (SELECT id FROM entries WHERE key = ?)',
      value,
      name,
    );
    if (!isWhole) throw new DamagedError('An entry has no value.');
  }

  markUsed(key: string): void {
    this.#change('UPDATE entries SET used = ? WHERE key = ?', ++this.#used, keyToBytes(key));
  }

  /** Whether it was there; with `used`, only where it was not written or used since. */
  delete(key: Uint8Array, used?: number): boolean {
    const [which, values] = used === undefined ? ['key = ?', [key]] : ['key = ? AND used = ?', [key, used]];
    this.#change(`DELETE FROM contents WHERE id = (SELECT id FROM entries WHERE ${which})`, ...values);
    return this.#change(`DELETE FROM entries WHERE ${which}`, ...values);
  }

  keys(prefix: string): readonly string[] {
    return this.#sql('SELECT key FROM entries WHERE key >= ? AND key < ? ORDER BY key')
      .all(keyToBytes(prefix), afterPrefix(prefix))
      .map((row) => bytesToKey(bytesOf(row, 'key')));
  }

  usage(prefix: string): StoreUsage {
    const row = this.#sql(
      'SELECT count(*) AS entries, total(size) AS bytes FROM entries WHERE key >= ? AND key < ?',
    ).get(keyToBytes(prefix), afterPrefix(prefix)) as Row;
    return { entries: numberOf(row, 'entries'), bytes: numberOf(row, 'bytes') };
  }

  /** Entries from one key to before another, in their order. */
  listByKey(from: Uint8Array, before: Uint8Array, limit: number): readonly Listed[] {
    return this.#list('WHERE key >= ? AND key < ? ORDER BY key LIMIT ?', from, before, limit);
  }

  /** The same of those that have expired. */
  listExpired(from: Uint8Array, before: Uint8Array, nowMs: number, limit: number): readonly Listed[] {
    return this.#list('WHERE key >= ? AND key < ? AND expires <= ? ORDER BY key LIMIT ?', from, before, nowMs, limit);
  }

  /** Entries below a prefix that were used after the count `after`, those used longest ago first. */
  listByUse(prefix: string, after: number, limit: number): readonly Listed[] {
    const range = [keyToBytes(prefix), afterPrefix(prefix)] as const;
    return this.#list(
      'INDEXED BY entries_by_use WHERE used > ? AND key >= ? AND key < ? ORDER BY used LIMIT ?',
      after,
      ...range,
      limit,
    );
  }

  /** Gives unused pages back to the file system, `pages` at most, where more than `spare` and a quarter of all are unused. */
  giveBack(pages: number, spare: number): boolean {
    const unused = this.#number('PRAGMA freelist_count');
    if (unused <= spare || unused <= this.#number('PRAGMA page_count') / 4) return false;
    // Not a statement: it does its work in steps, as if each page were a row.
    this.#connection.exec(`PRAGMA incremental_vacuum(${pages})`);
    return true;
  }

  /** Whether anything was changed. */
  #change(sql: string, ...values: readonly SqlValue[]): boolean {
    return Number(this.#sql(sql).run(...values).changes) > 0;
  }

  #number(sql: string): number {
    const row = this.#sql(sql).get() as Row;
    return numberOf(row, Object.keys(row)[0] as string);
  }

  #list(which: string, ...values: readonly SqlValue[]): readonly Listed[] {
    return this.#sql(`SELECT key, size, used FROM entries ${which}`)
      .all(...values)
      .map((row) => ({ key: bytesOf(row, 'key'), size: numberOf(row, 'size'), used: numberOf(row, 'used') }));
  }

  #sql(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function numberOf(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value;
  throw new DamagedError(`The column ${column} holds no number.`);
}

function bytesOf(row: Row, column: string): Uint8Array<ArrayBuffer> {
  return asBytes(row[column], column);
}

function asBytes(value: SqlValue | undefined, column: string): Uint8Array<ArrayBuffer> {
  // Not `instanceof`: a test runner's Uint8Array may be another one than the driver's.
  if (ArrayBuffer.isView(value)) return value as Uint8Array<ArrayBuffer>;
  throw new DamagedError(`The column ${column} holds no bytes.`);
}
