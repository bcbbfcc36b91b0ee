/** @module The largest tensor of a call's inputs or of its answer: what a device's limits are held against. */

import { isPlainObject } from '../portable.ts';
import { isTensorLike, tensorByteLength } from '../tensor.ts';

const MAX_DEPTH = 4;

/** Bytes of the largest tensor in a value; 0 where it holds none in memory. */
export function largestTensorBytes(value: unknown, depth = 0): number {
  if (isTensorLike(value)) return tensorByteLength(value);
  if (depth >= MAX_DEPTH) return 0;
  const parts = Array.isArray(value) ? (value as readonly unknown[]) : isPlainObject(value) ? Object.values(value) : [];
  return parts.reduce<number>((most, part) => Math.max(most, largestTensorBytes(part, depth + 1)), 0);
}
