/** @module No encryption, in browsers. */

import { PlainKeyring } from '../../../src/privacy/plain-keyring.ts';
import { requireSubtle, source } from './web-crypto.ts';

/** A keyring that encrypts nothing: what is kept is readable for whoever has the store. {@link PlainKeyring} says more. */
export function plainKeyring(): PlainKeyring {
  const subtle = requireSubtle();
  return new PlainKeyring(async (key, message) => {
    const hashing = await subtle.importKey('raw', source(key), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    return new Uint8Array(await subtle.sign('HMAC', hashing, source(message)));
  });
}
