/** The store in a file: the contract, and what files, processes and disks do to it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openSqliteStore } from '../../dist/platforms/node/store/open-sqlite-store.js';
import { openSqliteStore as openHere } from '../../platforms/node/store/open-sqlite-store.ts';
import { testByteStore } from '../contract/byte-store-contract.ts';

const root = mkdtempSync(join(tmpdir(), 'epochly-store-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const newPath = (): string => join(root, String(count++), 'store.db');

const paths = new WeakMap<object, string>();
for (const [name, open] of [
  ['SQLite', openSqliteStore],
  ['SQLite in this thread', openHere],
] as const) {
  const openAt = async (path: string) => {
    const store = await open({ path });
    paths.set(store, path);
    return store;
  };
  testByteStore(name, { open: () => openAt(newPath()), reopen: (store) => openAt(paths.get(store) as string) });
}
