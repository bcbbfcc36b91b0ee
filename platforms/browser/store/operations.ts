/** @module What a store does to its entries, request by request. */

import type { StoreBatch, StoreEntry, StoreUsage } from '../../../src/cache/byte-store.ts';
import { onSuccess } from './requests.ts';
import { prefixRange } from './schema.ts';
import type { Entry } from './schema.ts';
import type { Stores } from './transact.ts';

type Run<T> = (stores: Stores, answer: (value: T) => void) => void;

export function getOne(key: string): Run<Uint8Array | undefined> {
  return ({ values }, answer) => onSuccess<Uint8Array | undefined>(values.get(key), answer);
}

export function listKeys(prefix: string): Run<readonly string[]> {
  return ({ values }, answer) => onSuccess<readonly string[]>(values.getAllKeys(prefixRange(prefix)), answer);
}

export function sumUsage(prefix: string): Run<StoreUsage> {
  return ({ totals }, answer) => totals.sum(prefix, answer);
}

/** The latest time of use there is; 0 where there is none. */
export function latestUse(): Run<number> {
  return ({ entries }, answer) =>
    onSuccess<IDBCursor | null>(entries.index('usedAt').openKeyCursor(null, 'prev'), (latest) =>
      answer((latest?.key as number | undefined) ?? 0),
    );
}

/** `puts` hold copies of their own. */
export function writeBatch({ deletes = [], puts = [], used = [] }: StoreBatch): Run<undefined> {
  return (stores, answer) => {
    for (const key of used) stores.used.add(key);
    let waiting = deletes.length + puts.length;
    const done = (): void => {
      if (--waiting === 0) answer(undefined);
    };
    for (const key of deletes) deleteOne(stores, key, done);
    for (const entry of puts) putOne(stores, entry, done);
    if (waiting === 0) answer(undefined);
  };
}

function deleteOne({ values, entries, totals }: Stores, key: string, done: () => void): void {
  totals.expect(key);
  onSuccess<Entry | undefined>(entries.get(key), (entry) => {
    if (entry !== undefined) totals.change(key, -1, -entry.size);
    done();
  });
  values.delete(key);
  entries.delete(key);
}

function putOne({ values, entries, totals, mark }: Stores, put: StoreEntry, done: () => void): void {
  const entry = entryOf(put, mark());
  totals.expect(put.key);
  onSuccess<Entry | undefined>(entries.get(put.key), (before) => {
    totals.change(put.key, before === undefined ? 1 : 0, entry.size - (before?.size ?? 0));
    done();
  });
  values.put(put.bytes, put.key);
  entries.put(entry);
}

export function putFirst(put: StoreEntry): Run<Uint8Array> {
  return ({ values, entries, totals, mark }, answer) => {
    const entry = entryOf(put, mark());
    totals.expect(put.key);
    const adding = entries.add(entry);
    onSuccess(adding, () => totals.change(put.key, 1, entry.size));
    for (const request of [adding, values.add(put.bytes, put.key)]) {
      request.addEventListener('error', (event) => {
        if (request.error?.name !== 'ConstraintError') return;
        // There is one already. Left alone, the event would abort the transaction.
        event.preventDefault();
        event.stopPropagation();
      });
    }
    onSuccess<Uint8Array>(values.get(put.key), answer);
  };
}

export function deleteBelow(prefix: string): Run<undefined> {
  return ({ values, entries, totals }, answer) => {
    const range = prefixRange(prefix);
    onSuccess<readonly Entry[]>(entries.getAll(range), (deleted) => {
      for (const { key, size } of deleted) totals.change(key, -1, -size);
      answer(undefined);
    });
    values.delete(range);
    entries.delete(range);
  };
}

function entryOf({ key, bytes, expiresAt }: StoreEntry, usedAt: number): Entry {
  return { key, size: key.length + bytes.length, usedAt, ...(expiresAt !== undefined && { expiresAt }) };
}
