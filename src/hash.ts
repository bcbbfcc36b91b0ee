/** @module SHA-256 in JavaScript: for small inputs in browsers, and wherever there is no WebCrypto. */

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** SHA-256 of the bytes, as 64 hexadecimal digits (FIPS 180-4). */
export function sha256Hex(bytes: Uint8Array): string {
  return bytesToHex(sha256(bytes));
}
