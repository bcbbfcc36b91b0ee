/** @module The master key, and the keys that it wraps. It never leaves its keyring. */

import type { MaybePromise } from '../platform.ts';

/**
 * Where the master key is. 'env': 32 bytes in base64 or hexadecimal digits, in the variable `EPOCHLY_ENCRYPTION_KEY` (or
 * another). 'file': the same in a file that nobody else may read, made on request. 'hsm': an AES key behind PKCS#11.
 * 'browser': a CryptoKey that no script can read, made at first use and kept in IndexedDB. 'bytes': 32 bytes that the caller has,
 * from a secrets manager say; kept nowhere, and the caller may overwrite them once the keyring is open.
 */
export type KeySource =
  | { readonly kind: 'env'; readonly variable?: string | undefined }
  | { readonly kind: 'file'; readonly path: string; readonly create?: boolean | undefined }
  | {
      readonly kind: 'hsm';
      /** The PKCS#11 library. */
      readonly library: string;
      readonly slot?: number | undefined;
      readonly pin: string;
      /** CKA_LABEL of the key. Default 'epochly'. */
      readonly label?: string | undefined;
      readonly create?: boolean | undefined;
    }
  | { readonly kind: 'browser'; readonly database?: string | undefined }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

/** A master key. Interchangeable between platforms: what one with the same key wrapped, another unwraps. */
export interface Keyring {
  /** Names the master key and tells nothing of it: 16 hexadecimal digits. Equal only for equal keys. */
  readonly id: string;
  /**
   * A new random data key, wrapped: a 96-bit nonce, 32 bytes under AES-256-GCM, a 128-bit tag; 60 bytes. `context` is
   * authenticated with it.
   */
  newKey(context: Uint8Array): MaybePromise<Uint8Array>;
  /** @throws KeyError where it was not wrapped by this master key, for this context. */
  openKey(wrapped: Uint8Array, context: Uint8Array): MaybePromise<DataKey>;
  /** The same data key, wrapped by this master key. @throws KeyError where `from` did not wrap it. */
  rewrap(wrapped: Uint8Array, context: Uint8Array, from: Keyring): MaybePromise<Uint8Array>;
  close(): MaybePromise<void>;
}

/** A data key: 32 random bytes, from which HKDF-SHA-256 makes a key to seal with and one to hash with (RFC 5869). */
export interface DataKey {
  /** AES-256-GCM under a random 96-bit nonce: the nonce, the ciphertext, a 128-bit tag. `aad` is authenticated with it. */
  seal(plaintext: Uint8Array, aad: Uint8Array): MaybePromise<Uint8Array>;
  /** `header`, and behind it what `seal()` makes, where that is had sooner than both put together. */
  sealBehind?(header: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): MaybePromise<Uint8Array>;
  /** What was sealed; undefined where it does not authenticate. */
  open(sealed: Uint8Array, aad: Uint8Array): MaybePromise<Uint8Array | undefined>;
  /** HMAC-SHA-256: 32 bytes. */
  hash(message: Uint8Array): MaybePromise<Uint8Array>;
  /** The same as 43 characters of base64url (RFC 4648, 5), where that is had sooner than the bytes. */
  hashText?(message: Uint8Array): MaybePromise<string>;
}
