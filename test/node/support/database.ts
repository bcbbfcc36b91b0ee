/** A file as SQLite itself sees it, past all of the store's own code. */

import { loadSqlite } from '../../../platforms/node/store/sqlite.ts';
import type { Connection, SqliteDriver } from '../../../platforms/node/store/sqlite.ts';

/** All of a process, and of those it starts, uses one driver. */
export const driver = process.env['EPOCHLY_SQLITE_DRIVER'] as SqliteDriver | undefined;

export function openDatabase(path: string): Connection {
  return loadSqlite(driver).open(path);
}

/** What SQLite finds wrong with a file, and what the store's tables say that cannot be. */
export function problemsOf(path: string): readonly unknown[] {
  const database = openDatabase(path);
  const all = (sql: string): readonly unknown[] =>
    database
      .prepare(sql)
      .all()
      .flatMap((row) => Object.values(row));
  const problems = [
    ...all('PRAGMA integrity_check').filter((each) => each !== 'ok'),
    ...all('SELECT hex(key) FROM entries WHERE id NOT IN (SELECT id FROM contents)'),
    ...all('SELECT id FROM contents WHERE id NOT IN (SELECT id FROM entries)'),
    ...all('SELECT id FROM entries GROUP BY id HAVING count(*) > 1'),
    ...all('SELECT used FROM entries GROUP BY used HAVING count(*) > 1'),
    ...all('SELECT id FROM entries WHERE id > used'),
  ];
  database.close();
  return problems;
}
