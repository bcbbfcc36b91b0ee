/** @module When the write-ahead log of a database is carried over into its file. */

import { statSync } from 'node:fs';
import { BUSY_MS } from './database-file.ts';
import type { Connection } from './sqlite.ts';

/** Once the log has grown by so much: a thousand pages, which is SQLite's own default. */
const CHECKPOINT_BYTES = 16 << 20;

/** A longer log is cut off: while processes write without a pause it never begins anew. The longer it is the slower are reads. */
const MAX_LOG_BYTES = 4 * CHECKPOINT_BYTES;

/** How long readers elsewhere are waited for, while writers wait themselves. */
const TRUNCATE_BUSY_MS = 50;

export class Checkpoints {
  readonly #connection: Connection;
  readonly #log: string;
  /** The length of the log at the last checkpoint. */
  #seenBytes = 0;

  constructor(connection: Connection, path: string) {
    this.#connection = connection;
    this.#log = `${path}-wal`;
    // A log that begins anew is cut off there, so that its length tells what is in it.
    connection.exec(`PRAGMA journal_size_limit = ${CHECKPOINT_BYTES / 2}`);
  }

  /** Call between transactions. Never fails: what could not be carried over is so the next time. */
  keepUp(): void {
    try {
      const { size: bytes } = statSync(this.#log);
      if (bytes < this.#seenBytes) this.#seenBytes = 0;
      if (bytes - this.#seenBytes < CHECKPOINT_BYTES) return;
      this.#seenBytes = bytes;
      this.#checkpoint('PASSIVE');
      if (bytes < MAX_LOG_BYTES) return;
      this.#connection.exec(`PRAGMA busy_timeout = ${TRUNCATE_BUSY_MS}`);
      try {
        this.#checkpoint('TRUNCATE');
      } finally {
        this.#connection.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
      }
    } catch {
      // The disk is full, or the file is damaged or gone: writing will tell.
    }
  }

  #checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): void {
    this.#connection.prepare(`PRAGMA wal_checkpoint(${mode})`).get();
  }
}
