/** @module A data key in a browser: no script can read it. */

import { concat } from '../../../src/bytes.ts';
import { HASH_INFO, KEY_BYTES, NONCE_BYTES, SEAL_INFO, TAG_BYTES } from '../../../src/privacy/key-format.ts';
import type { DataKey } from '../../../src/privacy/keyring.ts';
import { isOperationError, requireSubtle, source } from './web-crypto.ts';

/** Makes a data key from its 32 bytes, which are the base key of HKDF-SHA-256 (RFC 5869). `nonce` gives 12 random bytes. */
export async function deriveDataKey(base: CryptoKey, nonce: () => Uint8Array): Promise<DataKey> {
  const [sealing, hashing] = await Promise.all([
    derive(base, SEAL_INFO, { name: 'AES-GCM', length: 8 * KEY_BYTES }, ['encrypt', 'decrypt']),
    derive(base, HASH_INFO, { name: 'HMAC', hash: 'SHA-256', length: 8 * KEY_BYTES }, ['sign']),
  ]);
  return new BrowserDataKey(sealing, hashing, nonce);
}

function derive(
  base: CryptoKey,
  info: string,
  made: AesKeyGenParams | HmacKeyGenParams,
  usages: readonly KeyUsage[],
): Promise<CryptoKey> {
  // No salt is a salt of zeros, as many as the hash has bytes: RFC 5869, 2.2.
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: new TextEncoder().encode(info) };
  return requireSubtle().deriveKey(hkdf, base, made, false, usages);
}

class BrowserDataKey implements DataKey {
  readonly #sealing: CryptoKey;
  readonly #hashing: CryptoKey;
  readonly #nonce: () => Uint8Array;

  constructor(sealing: CryptoKey, hashing: CryptoKey, nonce: () => Uint8Array) {
    this.#sealing = sealing;
    this.#hashing = hashing;
    this.#nonce = nonce;
  }

  async seal(plaintext: Uint8Array, aad: Uint8Array): Promise<Uint8Array> {
    const nonce = this.#nonce();
    const sealed = await requireSubtle().encrypt(gcm(nonce, aad), this.#sealing, source(plaintext));
    return concat([nonce, new Uint8Array(sealed)]);
  }

  async open(sealed: Uint8Array, aad: Uint8Array): Promise<Uint8Array | undefined> {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
    const parameters = gcm(sealed.subarray(0, NONCE_BYTES), aad);
    try {
      const ciphertext = source(sealed.subarray(NONCE_BYTES));
      return new Uint8Array(await requireSubtle().decrypt(parameters, this.#sealing, ciphertext));
    } catch (error) {
      if (isOperationError(error)) return undefined;
      throw error;
    }
  }

  async hash(message: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(await requireSubtle().sign('HMAC', this.#hashing, source(message)));
  }
}

/** AES-GCM (NIST SP 800-38D) with a tag of 128 bits. */
export function gcm(nonce: Uint8Array, aad: Uint8Array): AesGcmParams {
  return { name: 'AES-GCM', iv: source(nonce), additionalData: source(aad), tagLength: 8 * TAG_BYTES };
}
