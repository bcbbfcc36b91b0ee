/** @module Several operations in one transaction. */

import { onSuccess, settled } from './requests.ts';
import { OBJECT_STORES } from './schema.ts';
import type { Entry } from './schema.ts';
import { Totals } from './totals.ts';

/** What an operation works on. */
export interface Stores {
  readonly values: IDBObjectStore;
  readonly entries: IDBObjectStore;
  readonly totals: Totals;
  /** Keys to be marked as used when all is done. */
  readonly used: Set<string>;
  /** The next time of use: later than all before. */
  readonly mark: () => number;
}

/** Something to be done in a transaction, and who waits for it. It may be begun again in another one. */
export interface Operation {
  readonly writes: boolean;
  /**
   * Makes all of its requests before it returns, so that operations take effect in their order, unless it has a transaction of
   * its own. Calls `answer` once, when it has no more to change.
   */
  readonly run: (stores: Stores, answer: (value: unknown) => void) => void;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Runs operations, and resolves them when what they wrote is kept. Rejects, and has done nothing, where one of them fails. */
export async function transact(
  database: IDBDatabase,
  operations: readonly Operation[],
  mark: Stores['mark'],
): Promise<void> {
  const writes = operations.some((operation) => operation.writes);
  const mode = writes ? 'readwrite' : 'readonly';
  // Written out to the system, not to the disk: a loss of power may take the last of a cache.
  const transaction = database.transaction(OBJECT_STORES, mode, { durability: 'relaxed' });
  const end = settled(transaction);
  const stores: Stores = {
    values: transaction.objectStore('values'),
    entries: transaction.objectStore('entries'),
    totals: new Totals(transaction),
    used: new Set(),
    mark,
  };
  const answers = new Map<Operation, unknown>();
  let waiting = operations.length;
  try {
    for (const operation of operations) {
      operation.run(stores, (answer) => {
        if (writes) answers.set(operation, answer);
        else operation.resolve(answer);
        if (--waiting === 0 && writes) finish(stores);
      });
    }
  } catch (error) {
    end.catch(() => undefined);
    transaction.abort();
    throw error;
  }
  await end;
  for (const [operation, answer] of answers) operation.resolve(answer);
}

function finish({ entries, totals, used, mark }: Stores): void {
  totals.write();
  for (const key of used) {
    onSuccess<Entry | undefined>(entries.get(key), (entry) => {
      if (entry !== undefined) entries.put({ ...entry, usedAt: mark() });
    });
  }
}
