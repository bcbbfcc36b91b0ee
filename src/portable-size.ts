/** @module How much memory portable values take. */

import type { Portable } from './portable.ts';

/** Bytes the value takes in memory, by estimate: data as it is, 16 for each object, number and key. */
export function portableByteLength(value: Portable): number {
  if (typeof value === 'string') return 16 + value.length * 2;
  if (typeof value !== 'object' || value === null) return 16;
  if (ArrayBuffer.isView(value)) return 16 + value.byteLength;
  let bytes = 16;
  if (Array.isArray(value)) {
    for (const each of value as readonly Portable[]) bytes += portableByteLength(each);
    return bytes;
  }
  // Tensors too: their type, data and dims are fields of theirs.
  for (const key in value)
    bytes += 16 + key.length * 2 + portableByteLength((value as { readonly [key: string]: Portable })[key]);
  return bytes;
}
