/** @module A data key in Node: at once. */

import { createSecretKey, hkdfSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { HASH_INFO, KEY_BYTES, NONCE_BYTES, SEAL_INFO } from '../../../src/privacy/key-format.ts';
import type { DataKey } from '../../../src/privacy/keyring.ts';
import { open, seal } from './gcm.ts';
import { Hmac } from './hmac.ts';
import type { RandomBytes } from './random.ts';

export class NodeDataKey implements DataKey {
  readonly #sealing: KeyObject;
  readonly #hashing: Hmac;
  readonly #random: RandomBytes;

  /** `raw` is 32 bytes, of which nothing is kept. `random` gives nonces. */
  constructor(raw: Uint8Array, random: RandomBytes) {
    const sealing = derive(raw, SEAL_INFO);
    this.#sealing = createSecretKey(sealing);
    sealing.fill(0);
    this.#hashing = new Hmac(derive(raw, HASH_INFO));
    this.#random = random;
  }

  seal(plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
    return seal(this.#sealing, this.#random(NONCE_BYTES), plaintext, aad);
  }

  sealBehind(header: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
    return seal(this.#sealing, this.#random(NONCE_BYTES), plaintext, aad, header);
  }

  open(sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
    return open(this.#sealing, sealed, aad);
  }

  hash(message: Uint8Array): Uint8Array {
    return this.#hashing.digest(message);
  }

  hashText(message: Uint8Array): string {
    return this.#hashing.digestText(message);
  }
}

function derive(raw: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', raw, '', info, KEY_BYTES));
}
