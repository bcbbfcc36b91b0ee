/** @module What an answer is made of, without what is in it. */

import type { Portable } from '../portable.ts';
import { isTensorLike } from '../tensor.ts';

/**
 * Equal for answers that are of one kind: of tensors the type and the number of dims, of objects the names in any order, of all else
 * the kind. Sizes may depend on what was asked, and so may what is in a list.
 */
export function structureOf(value: Portable): string {
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  if (isTensorLike(value)) return `${value.type} of ${value.dims.length} dims`;
  if (ArrayBuffer.isView(value)) return value[Symbol.toStringTag];
  if (Array.isArray(value)) return 'list';
  const fields = Object.entries(value as { readonly [key: string]: Portable });
  const parts = fields.map(([key, each]) => `${key}: ${structureOf(each)}`);
  return `{${parts.toSorted().join(', ')}}`;
}
