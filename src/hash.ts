/** @module SHA-256 by web standards. */

/**
 * SHA-256 of the bytes, as 64 hexadecimal digits (FIPS 180-4): by WebCrypto, and in JavaScript where a page has none, on an
 * insecure origin. `bytes` may be reused by the caller as soon as this returns.
 */
export async function sha256(bytes: Uint8Array): Promise<string> {
  if (crypto.subtle !== undefined)
    return toHex(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  const copy = bytes.slice();
  return (await import('./sha256.ts')).sha256Hex(copy);
}

function toHex(buffer: ArrayBuffer): string {
  let text = '';
  for (const byte of new Uint8Array(buffer)) text += byte.toString(16).padStart(2, '0');
  return text;
}
