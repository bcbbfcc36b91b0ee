/** @module AES-256-GCM by node:crypto: a nonce, the ciphertext, a tag (NIST SP 800-38D). */

import { Buffer } from 'node:buffer';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { NONCE_BYTES, TAG_BYTES } from '../../../src/privacy/key-format.ts';

const OPTIONS = { authTagLength: TAG_BYTES } as const;

const NOTHING = new Uint8Array(0);

/** `header` goes before the nonce, as it is. */
export function seal(
  key: KeyObject,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
  header: Uint8Array = NOTHING,
): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, OPTIONS);
  cipher.setAAD(aad);
  const ciphertext = cipher.update(plaintext);
  // Of a cipher of streams nothing is left to be given at the end.
  cipher.final();
  const start = header.length + NONCE_BYTES;
  // Of its own, and not filled with zeros first: all of it is written.
  const { buffer } = Buffer.allocUnsafeSlow(start + ciphertext.length + TAG_BYTES);
  const sealed = new Uint8Array(buffer);
  sealed.set(header);
  sealed.set(nonce, header.length);
  sealed.set(ciphertext, start);
  sealed.set(cipher.getAuthTag(), start + ciphertext.length);
  return sealed;
}

/** Undefined where it does not authenticate. */
export function open(key: KeyObject, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
  const end = sealed.length - TAG_BYTES;
  if (end < NONCE_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), OPTIONS);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(end));
  const plaintext = decipher.update(sealed.subarray(NONCE_BYTES, end));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  // Not a Buffer, whose slice() would be no copy.
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
}
