/** What sealed tiers are tested with. */

import { randomBytes } from 'node:crypto';
import type { DataKey, Keyring } from '../../src/privacy/keyring.ts';
import { NodeKeyring, softwareMasterKey } from '../../platforms/node/keyring/node-keyring.ts';

export function newKeyring(): NodeKeyring {
  return new NodeKeyring(softwareMasterKey(randomBytes(32)));
}

/** The same, but that nothing comes at once, and what it is given is looked at late: `pause` is waited for before. */
export function slowKeyring(keyring: Keyring, pause: () => Promise<void> = async () => undefined): Keyring {
  const later = async <T>(call: () => T): Promise<Awaited<T>> => {
    await pause();
    return await call();
  };
  const slowKey = (key: DataKey): DataKey => ({
    seal: (plaintext, aad) => later(() => key.seal(plaintext, aad)),
    open: (sealed, aad) => later(() => key.open(sealed, aad)),
    hash: (message) => later(() => key.hash(message)),
  });
  return {
    id: keyring.id,
    newKey: (context) => later(() => keyring.newKey(context)),
    openKey: (wrapped, context) => later(async () => slowKey(await keyring.openKey(wrapped, context))),
    rewrap: (wrapped, context, from) => later(() => keyring.rewrap(wrapped, context, from)),
    close: () => keyring.close(),
  };
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes);
