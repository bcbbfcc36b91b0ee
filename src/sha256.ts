/** @module SHA-256 in JavaScript: where there is no WebCrypto, and of what comes in parts. Loaded when it is needed. */

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** SHA-256 of the parts, one after another, as 64 hexadecimal digits (FIPS 180-4). */
export function sha256Hex(...parts: readonly Uint8Array[]): string {
  const hash = sha256.create();
  for (const part of parts) hash.update(part);
  return bytesToHex(hash.digest());
}
