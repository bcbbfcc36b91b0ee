/** @module One at a time deletes keys or wraps them anew: else those that were deleted in between would be written again. */

import { settled } from '../../maybe-promise.ts';
import type { Steps } from '../../maybe-promise.ts';
import type { ByteStore } from '../byte-store.ts';

export class KeyLock {
  readonly #store: ByteStore;
  readonly #name: string;
  #free: Promise<void> | undefined;

  constructor(store: ByteStore, name: string) {
    this.#store = store;
    this.#name = name;
  }

  /** Held by nobody else here, and where the store has locks by nobody anywhere, until it is disposed of. */
  *take(): Steps<Disposable> {
    while (this.#free !== undefined) yield this.#free;
    let free: () => void = () => undefined;
    this.#free = new Promise((resolve) => (free = resolve));
    const release = (): void => {
      this.#free = undefined;
      free();
    };
    try {
      const lock = this.#store.lock && (yield* settled(this.#store.lock(this.#name)));
      return {
        [Symbol.dispose]: () => {
          lock?.[Symbol.dispose]();
          release();
        },
      };
    } catch (error) {
      release();
      throw error;
    }
  }
}
