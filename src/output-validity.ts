/** @module Whether an answer can be right at all, seen without the reference's. */

import type { Portable } from './portable.ts';
import { isTensorLike } from './tensor.ts';
import type { TensorLike } from './tensor.ts';

/** What is wrong with an answer: where, and what; undefined where nothing is. NaN and infinities, in tensors and numbers. */
export function findNonFinite(value: Portable, path = 'the answer'): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${path} is ${value}`;
  if (typeof value !== 'object' || value === null) return undefined;
  if (isTensorLike(value)) return findInTensor(value, path);
  if (value instanceof Float32Array || value instanceof Float64Array) return findInArray(value, path);
  if (ArrayBuffer.isView(value)) return undefined;
  for (const [key, each] of Object.entries(value as { readonly [key: string]: Portable })) {
    const found = findNonFinite(each, Array.isArray(value) ? `${path}[${key}]` : key);
    if (found !== undefined) return found;
  }
  return undefined;
}

function findInTensor({ type, data }: TensorLike, path: string): string | undefined {
  if (type === 'float32' || type === 'float64') return findInArray(data as Float32Array, path);
  if (type !== 'float16') return undefined;
  // An exponent of all ones is an infinity or NaN: IEEE 754-2019, binary16.
  const at = (data as Uint16Array).findIndex((bits) => (bits & 0x7c00) === 0x7c00);
  return at < 0 ? undefined : `${path}[${at}] is not finite`;
}

function findInArray(array: Float32Array | Float64Array, path: string): string | undefined {
  // What is not finite is not zero when it is taken from itself; a sum is had faster than a look at each.
  let sum = 0;
  for (let i = 0; i < array.length; i++) sum += (array[i] as number) - (array[i] as number);
  if (sum === 0) return undefined;
  const at = array.findIndex((each) => !Number.isFinite(each));
  return `${path}[${at}] is ${array[at]}`;
}
