/** @module Bytes held against bytes, random ones, and as hexadecimal digits. */

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Whether both are the same; what is not there is the same as what is not there. Not in constant time: not for secrets. */
export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined || a.length !== b.length) return a === b;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** So many bytes that nobody can guess. */
export function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** The first so many bytes as hexadecimal digits. */
export function toHex(bytes: Uint8Array, length: number = bytes.length): string {
  let text = '';
  for (let i = 0; i < length; i++) text += HEX[bytes[i] as number];
  return text;
}

/** The parts, one after another, in memory of their own. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}
