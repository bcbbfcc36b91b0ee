/** @module Writes the file of a store. Every call blocks the thread. */

import type { Clock } from '../../../src/platform.ts';
import { Checkpoints } from './checkpoints.ts';
import { openDatabaseFile } from './database-file.ts';
import { afterPrefix, keyToBytes } from './key-bytes.ts';
import { fileIdentity } from './set-aside.ts';
import { isDamage } from './sqlite.ts';
import type { Connection, Sqlite } from './sqlite.ts';
import { Tables } from './tables.ts';
import { firstOf, STEP_ENTRIES, trimStep } from './trim.ts';
import type { Outcome, StoreTask } from './write-protocol.ts';

export interface WriterOptions {
  readonly sqlite: Sqlite;
  /** Absolute. */
  readonly path: string;
  readonly clock: Clock;
}

const REPLACED =
  'The file of the store was removed or replaced while it was open. What is written goes to the one there now.';

/** The file at the path is another one, or it is damaged: `reopen()` before anything else. */
export class UnusableFileError extends Error {
  override readonly name: string = 'UnusableFileError';
  readonly damaged: boolean;
  constructor(damaged: boolean) {
    super('The file of the store cannot be used.');
    this.damaged = damaged;
  }
}

/** Another connection holds the lock, or none can be had: no other transaction will fare better. */
class NotBegunError extends Error {
  override readonly name: string = 'NotBegunError';
}

interface OpenFile {
  readonly identity: string;
  readonly connection: Connection;
  readonly tables: Tables;
  readonly checkpoints: Checkpoints;
}

type Change = StoreTask & { readonly type: 'write' | 'putIfAbsent' };

export class Writer {
  readonly #options: WriterOptions;
  #file: OpenFile | undefined;
  /** A file that is damaged again at once tells of a disk that is: no more of them are set aside. */
  #hasReplaced = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  get identity(): string {
    return this.#opened.identity;
  }

  /** Returns the warning, if there is one. @throws StoreError */
  open(damaged?: string): string | undefined {
    const { connection, identity, warning } = openDatabaseFile({ ...this.#options, damaged });
    this.#file = {
      identity,
      connection,
      tables: new Tables(connection),
      checkpoints: new Checkpoints(connection, this.#options.path),
    };
    return warning;
  }

  /** Closes what is open and opens what is at the path, after setting it aside where it is still the one that is damaged. */
  reopen(identity: string, damaged: boolean): string | undefined {
    const sets = damaged && !this.#hasReplaced;
    if (sets) this.#hasReplaced = true;
    this.close();
    const warning = this.open(sets ? identity : undefined);
    return damaged ? warning : (warning ?? REPLACED);
  }

  /**
   * One outcome for each task. What changes entries goes in as few transactions as can be; one that fails is undone, and its
   * tasks are tried one by one. @throws UnusableFileError; all are to be performed again.
   */
  perform(tasks: readonly StoreTask[]): readonly Outcome[] {
    // Who removed or replaced it meant the next writes to go elsewhere than into a file without a name.
    if (fileIdentity(this.#options.path) !== this.identity) throw new UnusableFileError(false);
    const outcomes: Outcome[] = [];
    for (let from = 0; from < tasks.length;) {
      const changes = changesFrom(tasks, from);
      if (changes.length > 0) outcomes.push(...this.#together(changes));
      else outcomes.push(this.#alone(tasks[from] as Exclude<StoreTask, Change>));
      from = outcomes.length;
    }
    return outcomes;
  }

  /** Carries the log over where it is time. */
  keepUp(): void {
    this.#opened.checkpoints.keepUp();
  }

  close(): void {
    this.#file?.connection.close();
    this.#file = undefined;
  }

  #together(changes: readonly Change[]): readonly Outcome[] {
    try {
      return this.#transact(() => changes.map((change) => ({ value: this.#change(change) })));
    } catch (error) {
      const outcome = this.#failure(error);
      if (changes.length === 1 || error instanceof NotBegunError) return changes.map(() => outcome);
      return changes.flatMap((change) => this.#together([change]));
    }
  }

  #alone(task: Exclude<StoreTask, Change>): Outcome {
    try {
      return { value: this.#answer(task) };
    } catch (error) {
      return this.#failure(error);
    }
  }

  #change(task: Change): unknown {
    const { tables } = this.#opened;
    if (task.type === 'putIfAbsent') {
      const kept = tables.get(task.key);
      if (kept === undefined) tables.put(task);
      return kept ?? task.bytes;
    }
    const { deletes = [], puts = [], used = [] } = task.batch;
    for (const key of deletes) tables.delete(keyToBytes(key));
    for (const entry of puts) tables.put(entry);
    for (const key of used) tables.markUsed(key);
    return undefined;
  }

  #answer(task: Exclude<StoreTask, Change>): unknown {
    const { tables } = this.#opened;
    switch (task.type) {
      case 'keys':
        return tables.keys(task.prefix);
      case 'usage':
        return tables.usage(task.prefix);
      case 'deletePrefix':
        while (this.#deleteSome(task.prefix));
        return undefined;
      case 'trim':
        return trimStep({ tables, transact: (work) => this.#transact(work) }, task.options, task.progress);
    }
  }

  /** Whether there was something to delete. */
  #deleteSome(prefix: string): boolean {
    const { tables } = this.#opened;
    return this.#transact(() => {
      const step = firstOf(tables.listByKey(keyToBytes(prefix), afterPrefix(prefix), STEP_ENTRIES));
      for (const { key } of step) tables.delete(key);
      return step.length > 0;
    });
  }

  #transact<T>(task: () => T): T {
    const { tables } = this.#opened;
    try {
      tables.begin();
    } catch (cause) {
      throw new NotBegunError((cause as Error).message, { cause });
    }
    try {
      tables.catchUp();
      const result = task();
      tables.commit();
      return result;
    } catch (error) {
      try {
        tables.rollBack();
      } catch {
        // SQLite has rolled it back by itself, as it does when the disk is full.
      }
      throw error;
    }
  }

  /** @throws UnusableFileError */
  #failure(error: unknown): Outcome {
    const cause = error instanceof NotBegunError ? error.cause : error;
    if (isDamage(cause) && !this.#hasReplaced) throw new UnusableFileError(true);
    return { failure: (error as Error).message };
  }

  get #opened(): OpenFile {
    if (this.#file === undefined) throw new Error('The file of the store is not open.');
    return this.#file;
  }
}

/** Those that can go into one transaction, in their order, from a position on. */
function changesFrom(tasks: readonly StoreTask[], from: number): readonly Change[] {
  const isOther = ({ type }: StoreTask): boolean => type !== 'write' && type !== 'putIfAbsent';
  const length = tasks.slice(from).findIndex(isOther);
  return tasks.slice(from, length < 0 ? undefined : from + length) as readonly Change[];
}
