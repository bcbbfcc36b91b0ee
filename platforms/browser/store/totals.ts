/** @module How much a store holds, counted as it changes. */

import type { StoreUsage } from '../../../src/cache/byte-store.ts';
import { onSuccess } from './requests.ts';
import { prefixRange } from './schema.ts';
import type { Entry, Total } from './schema.ts';

/** The beginning of a key up to its second '/', or to the last of fewer: what has the same one is counted together. */
export function groupOf(key: string): string {
  return /^(?:[^/]*\/){0,2}/.exec(key)?.[0] as string;
}

/** Whether what begins so is one or several groups, whole. */
function isOfGroups(prefix: string): boolean {
  return groupOf(prefix) === prefix;
}

/** The totals of groups in one transaction: changes are gathered, and written at its end. */
export class Totals {
  readonly #totals: IDBObjectStore;
  readonly #entries: IDBObjectStore;
  /** What was kept when the transaction began: only its end changes that. */
  readonly #kept = new Map<string, IDBRequest<Total | undefined>>();
  readonly #changes = new Map<string, StoreUsage>();

  constructor(transaction: IDBTransaction) {
    this.#totals = transaction.objectStore('totals');
    this.#entries = transaction.objectStore('entries');
  }

  /** Reads ahead what the change of an entry will need. */
  expect(key: string): void {
    this.#read(groupOf(key));
  }

  change(key: string, entries: number, bytes: number): void {
    const group = groupOf(key);
    const before = this.#changes.get(group) ?? { entries: 0, bytes: 0 };
    this.#changes.set(group, { entries: before.entries + entries, bytes: before.bytes + bytes });
  }

  /** Costs a read of each group, or, below a prefix that is not made of whole groups, of each entry. */
  sum(prefix: string, answer: (usage: StoreUsage) => void): void {
    if (isOfGroups(prefix)) {
      onSuccess<readonly Total[]>(this.#totals.getAll(prefixRange(prefix)), (totals) => {
        const changes = [...this.#changes].filter(([group]) => group.startsWith(prefix)).map(([, change]) => change);
        answer(add([...totals, ...changes]));
      });
    } else {
      onSuccess<readonly Entry[]>(this.#entries.getAll(prefixRange(prefix)), (entries) =>
        answer(add(entries.map(({ size }) => ({ entries: 1, bytes: size })))),
      );
    }
  }

  write(): void {
    for (const [group, change] of this.#changes) {
      const kept = this.#read(group);
      const write = (): void => {
        const total = add([kept.result ?? { entries: 0, bytes: 0 }, change]);
        if (total.entries === 0) this.#totals.delete(group);
        else this.#totals.put({ group, ...total } satisfies Total);
      };
      if (kept.readyState === 'done') write();
      else onSuccess(kept, write);
    }
  }

  #read(group: string): IDBRequest<Total | undefined> {
    const request = this.#kept.get(group) ?? (this.#totals.get(group) as IDBRequest<Total | undefined>);
    this.#kept.set(group, request);
    return request;
  }
}

function add(usages: readonly StoreUsage[]): StoreUsage {
  let [entries, bytes] = [0, 0];
  for (const usage of usages) {
    entries += usage.entries;
    bytes += usage.bytes;
  }
  return { entries, bytes };
}
