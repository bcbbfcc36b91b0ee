/** @module How keys and what they seal look like as bytes: the same on every platform, held by test/contract/vectors. */

/** Of master keys and data keys. */
export const KEY_BYTES = 32;
/** Of AES-GCM's nonces, in front of the ciphertext (NIST SP 800-38D, 8.2.2: random, 96 bits). */
export const NONCE_BYTES = 12;
/** Of AES-GCM's tags, behind the ciphertext. */
export const TAG_BYTES = 16;
/** Of a wrapped data key. */
export const WRAPPED_KEY_BYTES: number = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/** HKDF-SHA-256 of a data key, without a salt, with this as `info`: the AES-256-GCM key that seals. */
export const SEAL_INFO = 'epochly seal';
/** The same: the HMAC-SHA-256 key that hashes. */
export const HASH_INFO = 'epochly hash';
/** HMAC-SHA-256 of this under a master key of known bytes: its first 16 hexadecimal digits are the keyring's id. */
export const KEY_ID_INFO = 'epochly key id';
