/** @module Random bytes, many for one call to the system. */

import { randomFillSync } from 'node:crypto';
import { NONCE_BYTES } from '../../../src/privacy/key-format.ts';

/** So many bytes that nobody else gets. */
export type RandomBytes = (length: number) => Uint8Array;

/** A source that fetches nonces in advance. What is longer, and may be a key, is fetched for itself. */
export function createRandomBytes(): RandomBytes {
  let pool = new Uint8Array(0);
  let used = 0;
  return (length) => {
    if (length > NONCE_BYTES) return randomFillSync(new Uint8Array(length));
    if (used + length > pool.length) {
      // A new one, since parts of the old one are still held.
      pool = randomFillSync(new Uint8Array(4096));
      used = 0;
    }
    used += length;
    return pool.subarray(used - length, used);
  };
}
