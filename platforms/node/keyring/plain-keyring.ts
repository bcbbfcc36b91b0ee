/** @module No encryption, in Node. */

import { createHmac } from 'node:crypto';
import { PlainKeyring } from '../../../src/privacy/plain-keyring.ts';

/** A keyring that encrypts nothing: what is kept is readable for whoever has the store. {@link PlainKeyring} says more. */
export function plainKeyring(): PlainKeyring {
  return new PlainKeyring((key, message) => createHmac('sha256', key).update(message).digest());
}
