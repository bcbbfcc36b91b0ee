/** @module The stores and keys of persistent tiers in browsers. */

import type { ByteStore } from '../../src/cache/byte-store.ts';
import { ConfigError, UnsupportedOperationError } from '../../src/errors.ts';
import { KeyError } from '../../src/key-error.ts';
import { StoredAuditStorage } from '../../src/privacy/audit-storage.ts';
import type { AuditStorage } from '../../src/privacy/audit-storage.ts';
import type { Keyring, KeySource } from '../../src/privacy/keyring.ts';
import { importKeyring, openBrowserKeyring } from './keyring/open-keyring.ts';
import { plainKeyring } from './keyring/plain-keyring.ts';
import { openIndexedDbStore } from './store/indexed-db-store.ts';

/**
 * Opens the IndexedDB database of a name, for an L2Cache; '' is 'epochly'.
 * @throws StoreUnavailableError where there is no IndexedDB, or it may not be used.
 */
export function openStore(name: string): Promise<ByteStore> {
  return openIndexedDbStore(name === '' ? 'epochly' : name);
}

export async function openRemoteStore(): Promise<ByteStore> {
  throw new UnsupportedOperationError('A page cannot reach Redis: leave cache.redis_url empty in browsers.');
}

/** Of the sources that name a place, only a browser's own is here; 'env', the default, is that. @throws KeyError */
export async function openAnyKeyring(source: KeySource | 'plaintext'): Promise<Keyring> {
  if (source === 'plaintext') return plainKeyring();
  switch (source.kind) {
    case 'browser':
      return openBrowserKeyring({ database: source.database });
    case 'env':
      return openBrowserKeyring();
    case 'bytes':
      return importKeyring(source.bytes);
    default:
      throw new KeyError(`A key source '${source.kind}' is for Node. In browsers there are 'browser' and 'bytes'.`, {
        reason: 'missing',
      });
  }
}

/** What the configuration says where nothing was said, which is no name of a database. */
const DEFAULT_AUDIT_PATH = '~/.epochly/audit/';

/** The log in a database of its own, whose name is the path: the cache may be cleared, and the log stays. */
export async function openAuditStorage(path: string): Promise<AuditStorage> {
  let store: ByteStore;
  try {
    store = await openIndexedDbStore(path === DEFAULT_AUDIT_PATH ? 'epochly-audit' : path);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new ConfigError('privacy.audit_log_path', `The audit log cannot be kept in this browser: ${reason}`, {
      cause,
    });
  }
  return new OwnedAuditStorage(store);
}

/** Closes its store. */
class OwnedAuditStorage extends StoredAuditStorage {
  readonly #store: ByteStore;

  constructor(store: ByteStore) {
    super(store);
    this.#store = store;
  }

  override async close(): Promise<void> {
    await this.#store.close();
  }
}
