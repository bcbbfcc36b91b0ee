/** @module Requests and transactions of IndexedDB. */

/** Calls the listener, in the transaction, with what a request gives. What it gives where it fails, the transaction tells. */
export function onSuccess<T>(request: IDBRequest, listener: (result: T) => void): void {
  request.addEventListener('success', () => listener(request.result as T));
}

/** Resolves when all of a transaction is kept, and rejects when nothing is. */
export function settled(transaction: IDBTransaction): Promise<void> {
  const { db } = transaction;
  const done = new AbortController();
  const until = { signal: done.signal };
  return new Promise<void>((resolve, reject) => {
    const fail = (): void =>
      reject(transaction.error ?? new DOMException('The transaction was aborted.', 'AbortError'));
    transaction.addEventListener('complete', () => resolve(), until);
    transaction.addEventListener('abort', fail, until);
    // Of one that is begun while the browser closes the connection, Chromium tells neither.
    db.addEventListener('close', fail, until);
  }).finally(() => done.abort());
}
