/** @module The stores and keys of persistent tiers in Node. */

import type { ByteStore } from '../../src/cache/byte-store.ts';
import type { RemoteStoreOptions } from '../../src/platform.ts';
import type { Keyring, KeySource } from '../../src/privacy/keyring.ts';
import { expandHome } from './expand-home.ts';
import { openKeyring } from './keyring/open-keyring.ts';
import { plainKeyring } from './keyring/plain-keyring.ts';
import { openRedisStore } from './redis/open-redis-store.ts';
import { openSqliteStore } from './store/open-sqlite-store.ts';

const DEFAULT_PATH = '~/.epochly/answers.sqlite';

/**
 * Opens the SQLite file at a path, for an L2Cache; '' is `~/.epochly/answers.sqlite`. What was lost with a damaged file, or is
 * slower here, is written to the console.
 *
 * @throws MissingPeerError where neither better-sqlite3 is installed nor Node has SQLite; StoreError where nothing can be written there.
 */
export async function openStore(path: string): Promise<ByteStore> {
  const store = await openSqliteStore({ path: expandHome(path === '' ? DEFAULT_PATH : path) });
  for (const warning of store.warnings) console.warn(`epochly: ${warning}`);
  return store;
}

export function openRemoteStore(url: string, options: RemoteStoreOptions): Promise<ByteStore> {
  return openRedisStore({ url, ...options });
}

export async function openAnyKeyring(source: KeySource | 'plaintext'): Promise<Keyring> {
  if (source === 'plaintext') return plainKeyring();
  return openKeyring(source.kind === 'file' ? { ...source, path: expandHome(source.path) } : source, process.env);
}
