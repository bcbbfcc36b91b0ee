/** @module Opens the keyrings of browsers. */

import { randomBytes, toHex } from '../../../src/bytes.ts';
import { KeyError } from '../../../src/key-error.ts';
import { KEY_BYTES, KEY_ID_INFO } from '../../../src/privacy/key-format.ts';
import type { Keyring } from '../../../src/privacy/keyring.ts';
import { BrowserKeyring, generateMasterKey, MASTER_USAGES } from './browser-keyring.ts';
import type { RandomSource } from './browser-keyring.ts';
import { keepKey } from './kept-key.ts';
import { requireSubtle, source } from './web-crypto.ts';

export interface BrowserKeyringOptions {
  /** The database that keeps the master key. Default 'epochly-keyring'. */
  readonly database?: string | undefined;
  /** Told where the database was damaged, and a new key begun. Default: it is written to the console. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/**
 * The master key of this origin: an AES-256-GCM CryptoKey that no script can read, made at first use and kept in IndexedDB. All
 * tabs and workers get the same one. Its id is random and kept beside it: a hash of a key that cannot be read cannot be had.
 * It keeps from those who read the disk what the browser keeps from them. Scripts of the origin can use it as the page does.
 * @throws KeyError where there is no WebCrypto, on insecure origins, or the key cannot be kept.
 */
export async function openBrowserKeyring(options: BrowserKeyringOptions = {}): Promise<Keyring> {
  const { database = 'epochly-keyring', onWarning = (warning) => console.warn(`epochly: ${warning}`) } = options;
  requireSubtle();
  const make = async () => ({ id: toHex(randomBytes(8)), key: await generateMasterKey() });
  try {
    const { id, key } = await keepKey(database, make, onWarning);
    return new BrowserKeyring(id, key);
  } catch (cause) {
    throw new KeyError(
      `The master key cannot be kept in the database ${database}, so the cache stays in memory: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/**
 * A master key of 32 bytes that the page was given, by its server say: interchangeable with Node's keyrings of the same bytes,
 * and kept nowhere. The page may overwrite its bytes as soon as this returns.
 * @throws KeyError where they are not 32 bytes, or there is no WebCrypto.
 */
export async function importKeyring(bytes: Uint8Array, random?: RandomSource): Promise<Keyring> {
  const subtle = requireSubtle();
  if (bytes.length !== KEY_BYTES)
    throw new KeyError(`A master key has ${KEY_BYTES} bytes, and this has ${bytes.length}.`, { reason: 'malformed' });
  const [master, hashing] = await Promise.all([
    subtle.importKey('raw', source(bytes), 'AES-GCM', false, MASTER_USAGES),
    subtle.importKey('raw', source(bytes), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']),
  ]);
  const id = new Uint8Array(await subtle.sign('HMAC', hashing, new TextEncoder().encode(KEY_ID_INFO)));
  return new BrowserKeyring(toHex(id, 8), master, random);
}
