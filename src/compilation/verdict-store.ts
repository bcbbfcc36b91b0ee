/** @module Verdicts in a store that outlives the process. */

import type { ByteStore } from '../cache/byte-store.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import { bounded, lifetimeOf } from './verdict-memory.ts';
import type { KeptVerdict, VerdictMemory } from './verdict-memory.ts';

export interface VerdictStoreParts {
  /** Opens the store, whose caller closes it. */
  readonly open: () => Promise<ByteStore>;
  readonly digest: (bytes: Uint8Array) => MaybePromise<string>;
  readonly clock: Clock;
}

const PREFIX = 'verdict/';
/** Most bytes of one verdict that are read, and of all that are kept. */
const MAX_BYTES = 2 << 20;
const MAX_TOTAL_BYTES = 8 << 20;

/**
 * Keeps verdicts as JSON. The store is opened for each question and closed after it: a model asks it once or twice, at its start, and
 * nothing has to be closed with whoever asked.
 */
export function verdictsIn({ open, digest, clock }: VerdictStoreParts): VerdictMemory {
  const withStore = async <T>(key: string, task: (store: ByteStore, name: string) => MaybePromise<T>): Promise<T> => {
    const name = `${PREFIX}${await digest(new TextEncoder().encode(key))}`;
    const store = await open();
    try {
      return await task(store, name);
    } finally {
      await store.close();
    }
  };
  return {
    get: (key) =>
      withStore(key, async (store, name) => {
        const bytes = await store.get(name);
        if (bytes === undefined || bytes.length > MAX_BYTES) return undefined;
        // Who reads it checks it.
        return JSON.parse(new TextDecoder().decode(bytes)) as KeptVerdict;
      }),
    put: (key, verdict) =>
      withStore(key, async (store, name) => {
        const bytes = new TextEncoder().encode(JSON.stringify(bounded(verdict)));
        const nowMs = clock.epochNow();
        await store.write({ puts: [{ key: name, bytes, expiresAt: nowMs + lifetimeOf(verdict) }] });
        await store.trim({ prefix: PREFIX, nowMs, maxBytes: MAX_TOTAL_BYTES });
      }),
    delete: (key) => withStore(key, (store, name) => store.delete(name)),
  };
}
