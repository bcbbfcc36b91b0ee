/** @module Reads the file of a store, on the thread that asks: readers of a write-ahead log wait for nobody. */

import { prepareValue } from './sqlite.ts';
import type { Connection, Sqlite, SqlValue } from './sqlite.ts';
import { Contents } from './tables.ts';

/** Only who opens the file or closes it last ever keeps a reader waiting. */
const BUSY_MS = 250;

export class Reader {
  readonly #connection: Connection;
  readonly #contents: Contents;
  readonly #dataVersion: () => SqlValue | undefined;

  constructor(sqlite: Sqlite, path: string) {
    this.#connection = sqlite.open(path, { readOnly: true });
    try {
      this.#connection.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA cell_size_check = ON`);
      this.#contents = new Contents(this.#connection);
      this.#dataVersion = prepareValue(this.#connection, 'PRAGMA data_version');
    } catch (error) {
      this.#connection.close();
      throw error;
    }
  }

  /** In memory of their own. */
  get(key: string): Uint8Array | undefined {
    return this.#contents.get(key);
  }

  /** Another one after any other connection, the one that writes for this one too, changed the file. */
  get dataVersion(): number {
    return this.#dataVersion() as number;
  }

  close(): void {
    this.#connection.close();
  }
}
