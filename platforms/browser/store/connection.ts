/** @module A connection to a database that is opened again when it was lost. */

import { openDatabase } from './open-database.ts';
import type { Database, OpenDatabaseOptions } from './open-database.ts';

/** Opens a database when it is asked for, and again where the browser or another tab has ended the connection. */
export class Connection {
  readonly #database: Database;
  readonly #options: OpenDatabaseOptions;
  #opening: Promise<IDBDatabase> | undefined;

  constructor(database: Database, options: OpenDatabaseOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** @throws StoreUnavailableError, and tries again when it is asked again. */
  open(): Promise<IDBDatabase> {
    if (this.#opening !== undefined) return this.#opening;
    const forget = (): void => {
      if (this.#opening === opening) this.#opening = undefined;
    };
    const onLost = (): void => {
      forget();
      this.#options.onLost();
    };
    const opening = openDatabase(this.#database, { ...this.#options, onLost });
    this.#opening = opening;
    opening.catch(forget);
    return opening;
  }

  /** Closes what `open()` gave, unless it has given another one since. */
  async drop(database: IDBDatabase): Promise<void> {
    const opening = this.#opening;
    if ((await opening?.catch(() => undefined)) !== database) return;
    if (this.#opening === opening) this.#opening = undefined;
    database.close();
  }

  /** Transactions that were begun finish first. */
  async close(): Promise<void> {
    const database = await this.#opening?.catch(() => undefined);
    database?.close();
  }
}
