/** @module When the write-ahead log of a database is carried over into its file. */

import { BUSY_MS } from './database-file.ts';
import type { Connection } from './sqlite.ts';
import { PAGE_BYTES } from './tables.ts';

/** After so many bytes written: SQLite's own default of a thousand pages of 4 KB. */
const CHECKPOINT_BYTES = 4 << 20;

/**
 * A log longer than this is cut off: processes that write without a pause never let it begin anew, and the longer it is the
 * slower are reads.
 */
const MAX_LOG_PAGES = (64 << 20) / PAGE_BYTES;

/** How long readers and writers elsewhere are waited for, who meanwhile wait themselves. */
const TRUNCATE_BUSY_MS = 50;

export class Checkpoints {
  readonly #connection: Connection;
  #carriedBytes = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Call between transactions, with the bytes written so far. Never fails: what could not be carried over is so the next time. */
  keepUp(writtenBytes: number): void {
    if (writtenBytes - this.#carriedBytes < CHECKPOINT_BYTES) return;
    this.#carriedBytes = writtenBytes;
    try {
      if (this.#checkpoint('PASSIVE') <= MAX_LOG_PAGES) return;
      this.#connection.exec(`PRAGMA busy_timeout = ${TRUNCATE_BUSY_MS}`);
      this.#checkpoint('TRUNCATE');
    } catch {
      // The disk is full, or the file is damaged: writing will tell.
    } finally {
      this.#connection.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    }
  }

  /** Returns the pages in the log. */
  #checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): number {
    const row = this.#connection.prepare(`PRAGMA wal_checkpoint(${mode})`).get();
    return row?.['log'] as number;
  }
}
