/** @module The master key in Node, from where the configuration says it is. */

import { KeyError } from '../../../src/key-error.ts';
import { KEY_BYTES } from '../../../src/privacy/key-format.ts';
import type { Keyring, KeySource } from '../../../src/privacy/keyring.ts';
import { openHsmMasterKey } from './hsm-master-key.ts';
import { readKeyFile } from './key-file.ts';
import { NodeKeyring, softwareMasterKey } from './node-keyring.ts';
import type { MasterKey } from './node-keyring.ts';
import { MAKE_A_KEY, parseKey } from './parse-key.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_VARIABLE = 'EPOCHLY_ENCRYPTION_KEY';

/**
 * The keyring of a master key. Its data keys answer at once, and so does it.
 *
 * - 'env': 32 bytes in base64, base64url or hexadecimal digits in the variable of `env`.
 * - 'file': the same in a file that only its owner may use (no mode bits of group and others; no symbolic link), made with mode
 *   0600 where `create` is true and there is none.
 * - 'hsm': the AES-256 key with that label in a PKCS#11 token, made there as one that cannot be extracted where `create` is
 *   true and there is none. `slot` is the token's slot number, as its own tools name it; default: the first token that was
 *   initialised. Data keys are opened in the token, and then used in this process.
 * - 'bytes': the 32 bytes themselves.
 *
 * Its id is an HMAC-SHA-256 under the master key, or with 'hsm' SHA-256 over what the token encrypts a constant to.
 *
 * @throws KeyError where there is no such key, it is none, or others may read it; MissingPeerError where 'hsm' lacks its package.
 */
export async function openKeyring(source: KeySource, env: Environment): Promise<Keyring> {
  return new NodeKeyring(await openMasterKey(source, env));
}

async function openMasterKey(source: KeySource, env: Environment): Promise<MasterKey> {
  switch (source.kind) {
    case 'env':
      return fromBytes(readVariable(source.variable ?? DEFAULT_VARIABLE, env));
    case 'file':
      return fromBytes(await readKeyFile(source.path, source.create === true));
    case 'hsm':
      return openHsmMasterKey(source);
    case 'bytes':
      if (source.bytes.length !== KEY_BYTES)
        throw new KeyError(`A master key has ${KEY_BYTES} bytes, and this has ${source.bytes.length}.`, {
          reason: 'malformed',
        });
      // A copy: that of a Buffer would share its memory.
      return fromBytes(new Uint8Array(source.bytes));
    case 'browser':
      throw new KeyError(`A key source 'browser' is for browsers. In Node there are 'env', 'file', 'hsm' and 'bytes'.`);
  }
}

function fromBytes(bytes: Uint8Array): MasterKey {
  try {
    return softwareMasterKey(bytes);
  } finally {
    bytes.fill(0);
  }
}

function readVariable(name: string, env: Environment): Uint8Array {
  const text = env[name];
  if (text === undefined || text.trim() === '')
    throw new KeyError(`The environment variable ${name} holds no key. ${MAKE_A_KEY}`, { reason: 'missing' });
  return parseKey(text, `The environment variable ${name}`);
}
