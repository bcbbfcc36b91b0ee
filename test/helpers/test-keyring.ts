/** A keyring in memory, as the interface describes it. */

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { KeyError } from '../../src/key-error.ts';
import type { DataKey, Keyring } from '../../src/privacy/keyring.ts';

const TAG_BYTES = 16;

function seal(key: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  return new Uint8Array(Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
}

function unseal(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
  if (sealed.length < 12 + TAG_BYTES) return undefined;
  const cipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: TAG_BYTES });
  cipher.setAAD(aad).setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return new Uint8Array(Buffer.concat([cipher.update(sealed.subarray(12, -TAG_BYTES)), cipher.final()]));
  } catch {
    return undefined;
  }
}

/** A data key of these bytes; `later` makes it asynchronous, as WebCrypto is. */
export function createDataKey(secret: Uint8Array = randomBytes(32), later = false): DataKey {
  const derive = (use: string): Uint8Array => new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), use, 32));
  const [sealing, hashing] = [derive('seal'), derive('hash')];
  const maybe = <T>(value: T): T | Promise<T> => (later ? Promise.resolve(value) : value);
  return {
    seal: (plaintext, aad) => maybe(seal(sealing, plaintext, aad)),
    open: (sealed, aad) => maybe(unseal(sealing, sealed, aad)),
    hash: (message) => maybe(new Uint8Array(createHmac('sha256', hashing).update(message).digest())),
  };
}

export function createTestKeyring(master: Uint8Array = randomBytes(32)): Keyring {
  const open = (wrapped: Uint8Array, context: Uint8Array): Uint8Array => {
    const secret = unseal(master, wrapped, context);
    if (secret === undefined) throw new KeyError('It was wrapped by another key.', { reason: 'wrong' });
    return secret;
  };
  return {
    id: createHmac('sha256', master).update('id').digest('hex').slice(0, 16),
    newKey: (context) => seal(master, randomBytes(32), context),
    openKey: (wrapped, context) => createDataKey(open(wrapped, context)),
    rewrap: async (wrapped, context, from) => {
      // Only a keyring of this kind is known from within.
      const secret = (from as TestKeyring).unwrap(wrapped, context);
      return seal(master, secret, context);
    },
    close: () => undefined,
    unwrap: open,
  } as TestKeyring;
}

interface TestKeyring extends Keyring {
  unwrap(wrapped: Uint8Array, context: Uint8Array): Uint8Array;
}
