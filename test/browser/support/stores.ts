/** Databases of tests, and stores of theirs that are opened in a Web Worker. */

import { onTestFinished } from 'vitest';
import { openIndexedDbStore } from '../../../platforms/browser/store/indexed-db-store.ts';
import type { IndexedDbStoreOptions } from '../../../platforms/browser/store/indexed-db-store.ts';
import type { ByteStore } from '../../../src/cache/byte-store.ts';

let count = 0;

/** The name of a database that is not there yet, and not afterwards. */
export function databaseName(): string {
  const name = `test ${Date.now()} ${count++}`;
  onTestFinished(() => deleteDatabase(name));
  return name;
}

export async function openStore(name: string = databaseName(), options?: IndexedDbStoreOptions): Promise<ByteStore> {
  const store = await openIndexedDbStore(name, options);
  onTestFinished(() => store.close());
  return store;
}

/** Waits for connections that are still open. */
export function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name);
    for (const type of ['success', 'error', 'blocked']) request.addEventListener(type, () => resolve());
  });
}

/** A connection without epochly, which stands in the way of others until it is closed. */
export function openRaw(name: string, version?: number, store?: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.addEventListener('upgradeneeded', () => store !== undefined && request.result.createObjectStore(store));
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
}

export interface Elsewhere {
  call(method: string, ...args: unknown[]): Promise<unknown>;
  terminate(): void;
}

/** The store of this name in a Web Worker. */
export function openElsewhere(name: string): Elsewhere {
  const worker = new Worker(new URL('./store.worker.ts', import.meta.url), { type: 'module', name });
  const waiting: ((answer: { readonly value: unknown; readonly error?: string }) => void)[] = [];
  worker.addEventListener('message', ({ data: [id, answer] }) => waiting[id as number]?.(answer));
  const terminate = (): void => worker.terminate();
  onTestFinished(terminate);
  return {
    call(...call) {
      return new Promise((resolve, reject) => {
        worker.postMessage([waiting.length, ...call], []);
        waiting.push(({ value, error }) => (error === undefined ? resolve(value) : reject(new Error(error))));
      });
    },
    terminate,
  };
}
