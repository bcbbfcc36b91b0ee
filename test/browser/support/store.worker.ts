/** A Web Worker that opens a store of the same origin, and calls what it is told. */

import { openIndexedDbStore } from '../../../platforms/browser/store/indexed-db-store.ts';

type Call = readonly [id: number, method: string, ...args: unknown[]];

const opened = openIndexedDbStore(self.name);
const held = new Map<string, Disposable>();

const methods: Readonly<Record<string, (...args: never[]) => unknown>> = {
  lock: async (name: string) => {
    held.set(name, (await (await opened).lock?.(name)) as Disposable);
  },
  unlock: (name: string) => held.get(name)?.[Symbol.dispose](),
  deleteDatabase: (name: string) =>
    new Promise((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name);
      request.addEventListener('success', () => resolve(undefined));
      request.addEventListener('blocked', () => reject(new Error('blocked')));
    }),
};

addEventListener('message', ({ data }) => void answer(data as Call));

async function answer([id, method, ...args]: Call): Promise<void> {
  try {
    const store = (await opened) as unknown as Readonly<Record<string, (...args: unknown[]) => unknown>>;
    const value = await (methods[method]?.(...(args as never[])) ?? store[method]?.(...args));
    postMessage([id, { value }]);
  } catch (error) {
    postMessage([id, { error: String(error) }]);
  }
}
