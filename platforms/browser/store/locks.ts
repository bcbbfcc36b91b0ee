/** @module Locks that all tabs and workers of an origin share, through the Web Locks API. */

import { ClosedError } from '../../../src/errors.ts';

/** The locks of one connection: they end with it, and with its tab or worker. */
export class Locks {
  readonly #manager: LockManager;
  readonly #scope: string;
  readonly #closing = new AbortController();
  readonly #held = new Set<Disposable>();

  /** @param scope Whose locks of one name are one lock. */
  constructor(manager: LockManager, scope: string) {
    this.#manager = manager;
    this.#scope = scope;
  }

  lock(name: string, signal?: AbortSignal): Promise<Disposable> {
    const closing = this.#closing.signal;
    const options = { signal: signal === undefined ? closing : AbortSignal.any([closing, signal]) };
    return new Promise((resolve, reject) => {
      const hold = (): Promise<void> =>
        new Promise((release) => {
          const held = {
            [Symbol.dispose]: () => {
              this.#held.delete(held);
              release();
            },
          };
          this.#held.add(held);
          resolve(held);
        });
      this.#manager.request(JSON.stringify(['epochly', this.#scope, name]), options, hold).catch(reject);
    });
  }

  close(): void {
    this.#closing.abort(new ClosedError('The store is closed.'));
    for (const held of this.#held) held[Symbol.dispose]();
  }
}
