/**
 * @module Keys as bytes in the order of their code units, so that keys that begin alike lie together: each code unit by
 * itself as UTF-8 would write it, halves of surrogate pairs too (CESU-8, Unicode Technical Report 26).
 */

import { EMPTY_BLOB } from './sqlite.ts';

// oxlint-disable-next-line no-control-regex
const ASCII = /^[\0-\x7f]*$/;

export function keyToBytes(key: string): Uint8Array {
  if (key === '') return EMPTY_BLOB;
  if (ASCII.test(key)) return Buffer.from(key, 'latin1');
  const bytes: number[] = [];
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    if (unit < 0x80) bytes.push(unit);
    else if (unit < 0x800) bytes.push(0xc0 | (unit >> 6), 0x80 | (unit & 0x3f));
    else bytes.push(0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f));
  }
  return Uint8Array.from(bytes);
}

/** The key that `keyToBytes` was given; of other bytes, some key or other. */
export function bytesToKey(bytes: Uint8Array): string {
  if (bytes.every((byte) => byte < 0x80)) return asBuffer(bytes).toString('latin1');
  const units = Buffer.alloc(bytes.length * 2);
  let length = 0;
  const at = (i: number): number => (bytes[i] ?? 0) & 0x3f;
  for (let i = 0; i < bytes.length; length += 2) {
    const byte = bytes[i] as number;
    const [unit, width] =
      byte < 0x80
        ? [byte, 1]
        : byte < 0xe0
          ? [((byte & 0x1f) << 6) | at(i + 1), 2]
          : [((byte & 0x0f) << 12) | (at(i + 1) << 6) | at(i + 2), 3];
    units.writeUInt16LE(unit, length);
    i += width;
  }
  return units.toString('utf16le', 0, length);
}

/** The first bytes that no key beginning so has: no byte of a key is 0xff. */
export function afterPrefix(prefix: string): Uint8Array {
  return Uint8Array.from([...keyToBytes(prefix), 0xff]);
}

/** The first bytes after those of one key. */
export function afterKey(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes, 0]);
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
