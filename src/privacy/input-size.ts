/** @module How large an input is, counted where it stands. */

import { isTypedArray, MAX_PORTABLE_DEPTH } from '../portable.ts';
import type { Portable } from '../portable.ts';
import { isTensorLike } from '../tensor.ts';
import type { TensorLike } from '../tensor.ts';
import { utf8Length } from './utf8.ts';

/**
 * Bytes: typed arrays' own, strings and keys in UTF-8, 8 for a number, 1 for a boolean or null, of bigints what they take.
 * Stops once it is above `limit`. Infinity for what is nested deeper than 64, or without end.
 */
export function inputSize(value: Portable, limit: number): number {
  let bytes = 0;
  const isTooMuch = (more: number): boolean => (bytes += more) > limit;
  // A string is no shorter in UTF-8: what is too long needs no counting.
  const addText = (text: string): boolean => isTooMuch(text.length > limit ? text.length : utf8Length(text));

  const add = (each: Portable, depth: number): boolean => {
    switch (typeof each) {
      case 'string':
        return addText(each);
      case 'number':
        return isTooMuch(8);
      case 'boolean':
        return isTooMuch(1);
      case 'bigint':
        return isTooMuch(Math.ceil(each.toString(16).length / 2));
      case 'object':
        return each === null ? isTooMuch(1) : addObject(each, depth);
      default:
        return false;
    }
  };
  const addObject = (object: object, depth: number): boolean => {
    if (ArrayBuffer.isView(object)) return isTooMuch(object.byteLength);
    if (object instanceof ArrayBuffer) return isTooMuch(object.byteLength);
    if (isTensorLike(object)) return addTensor(object);
    if (depth === MAX_PORTABLE_DEPTH) return isTooMuch(Infinity);
    if (Array.isArray(object)) return object.some((item: Portable) => add(item, depth + 1));
    return Object.entries(object).some(([key, item]: [string, Portable]) => addText(key) || add(item, depth + 1));
  };
  const addTensor = ({ type, data }: TensorLike): boolean =>
    isTypedArray(data) ? isTooMuch(data.byteLength) : type === 'string' && (data as readonly string[]).some(addText);

  add(value, 0);
  return bytes;
}
