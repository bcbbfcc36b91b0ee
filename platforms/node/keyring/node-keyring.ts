/** @module The keyring of Node: it wraps data keys by a master key that is in this process, or in a device. */

import { createHmac, createSecretKey } from 'node:crypto';
import { ClosedError } from '../../../src/errors.ts';
import { KeyError } from '../../../src/key-error.ts';
import { KEY_BYTES, KEY_ID_INFO, NONCE_BYTES, WRAPPED_KEY_BYTES } from '../../../src/privacy/key-format.ts';
import type { DataKey, Keyring } from '../../../src/privacy/keyring.ts';
import { NodeDataKey } from './data-key.ts';
import { open, seal } from './gcm.ts';
import { createRandomBytes } from './random.ts';
import type { RandomBytes } from './random.ts';

/** A master key, wherever it is: AES-256-GCM with it. */
export interface MasterKey {
  /** 16 hexadecimal digits that tell nothing of the key, and are equal only for equal keys. */
  readonly id: string;
  /** The nonce, the ciphertext, the tag. */
  seal(nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array;
  /** Undefined where it does not authenticate. */
  open(sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined;
  close(): void;
}

/** A master key of 32 bytes, which node:crypto keeps out of JavaScript's memory. Nothing of `bytes` is kept. */
export function softwareMasterKey(bytes: Uint8Array): MasterKey {
  const key = createSecretKey(bytes);
  return {
    id: createHmac('sha256', key).update(KEY_ID_INFO).digest('hex').slice(0, 16),
    seal: (nonce, plaintext, aad) => seal(key, nonce, plaintext, aad),
    open: (sealed, aad) => open(key, sealed, aad),
    close: () => undefined,
  };
}

export class NodeKeyring implements Keyring {
  readonly id: string;
  readonly #random: RandomBytes;
  #master: MasterKey | undefined;

  /** `random` gives nonces and data keys. */
  constructor(master: MasterKey, random: RandomBytes = createRandomBytes()) {
    this.id = master.id;
    this.#master = master;
    this.#random = random;
  }

  newKey(context: Uint8Array): Uint8Array {
    return this.#wrap(this.#random(KEY_BYTES), context);
  }

  openKey(wrapped: Uint8Array, context: Uint8Array): DataKey {
    const raw = this.#unwrap(wrapped, context);
    try {
      return new NodeDataKey(raw, this.#random);
    } finally {
      raw.fill(0);
    }
  }

  rewrap(wrapped: Uint8Array, context: Uint8Array, from: Keyring): Uint8Array {
    if (!(from instanceof NodeKeyring))
      throw new KeyError('A key can be wrapped anew only from one keyring of openKeyring() to another.');
    return this.#wrap(from.#unwrap(wrapped, context), context);
  }

  close(): void {
    this.#master?.close();
    this.#master = undefined;
  }

  /** Leaves nothing of `raw`. */
  #wrap(raw: Uint8Array, context: Uint8Array): Uint8Array {
    try {
      return this.#open().seal(this.#random(NONCE_BYTES), raw, context);
    } finally {
      raw.fill(0);
    }
  }

  #unwrap(wrapped: Uint8Array, context: Uint8Array): Uint8Array {
    const raw = wrapped.length === WRAPPED_KEY_BYTES ? this.#open().open(wrapped, context) : undefined;
    if (raw === undefined)
      throw new KeyError(`The master key ${this.id} did not wrap this key, or not for this use of it.`, {
        reason: 'wrong',
      });
    return raw;
  }

  #open(): MasterKey {
    if (this.#master === undefined) throw new ClosedError('The keyring is closed.');
    return this.#master;
  }
}
