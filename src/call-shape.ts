/** @module What a call looks like from afar: types and sizes of its inputs, and nothing that is in them. */

import type { Portable } from './portable.ts';
import { isTensorLike } from './tensor.ts';

/** Inputs that are nested deeper look alike. */
const MAX_DEPTH = 6;
/** Of lists that are longer, the first items stand for all. */
const MAX_ITEMS = 16;

/**
 * Equal for calls that a compiled model treats alike: of tensors and typed arrays their type and dims, of texts their length to
 * the next power of two, of lists and objects what is in them; of all else the kind.
 */
export function callShape(args: readonly Portable[]): string {
  return args.map((each) => shapeOf(each, 0)).join(';');
}

function shapeOf(value: Portable, depth: number): string {
  if (typeof value === 'string') return `text<${2 ** Math.ceil(Math.log2(value.length + 1))}`;
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  if (isTensorLike(value)) return `${value.type}[${value.dims.join()}]`;
  if (ArrayBuffer.isView(value)) return `${value[Symbol.toStringTag]}[${value.length}]`;
  if (depth === MAX_DEPTH) return '…';
  if (Array.isArray(value)) {
    const items = (value as readonly Portable[]).slice(0, MAX_ITEMS).map((each) => shapeOf(each, depth + 1));
    const alike = items.every((each) => each === items[0]);
    return `(${value.length}: ${alike ? (items[0] ?? '') : items.join()})`;
  }
  const fields = Object.entries(value as { readonly [key: string]: Portable });
  return `{${fields.map(([key, each]) => `${key}: ${shapeOf(each, depth + 1)}`).join()}}`;
}
