/** @module Whether two answers agree. */

import { float16Values } from '../float16.ts';
import { isPlainObject, isTypedArray } from '../portable.ts';
import { isTensorLike } from '../tensor.ts';

/**
 * Whether two values have the same structure, types and dims, and every number of a tensor or typed array is within
 * `tolerance` times the largest finite absolute value of the expected one. A number on its own is its own scale. A
 * non-finite value is a difference only where the expected one is finite; where it is not, anything goes.
 */
export function valuesMatch(expected: unknown, actual: unknown, tolerance: number): boolean {
  if (typeof expected === 'number' && typeof actual === 'number') return numbersMatch([expected], [actual], tolerance);
  if (typeof expected !== 'object' || expected === null || typeof actual !== 'object' || actual === null) {
    return Object.is(expected, actual);
  }
  if (isTensorLike(expected)) {
    return (
      isTensorLike(actual) &&
      expected.type === actual.type &&
      expected.dims.length === actual.dims.length &&
      expected.dims.every((dim, i) => dim === actual.dims[i]) &&
      (expected.type === 'float16'
        ? numbersMatch(float16Values(expected.data), float16Values(actual.data), tolerance)
        : valuesMatch(expected.data, actual.data, tolerance))
    );
  }
  if (isTypedArray(expected)) {
    if (!isTypedArray(actual) || expected[Symbol.toStringTag] !== actual[Symbol.toStringTag]) return false;
    return typeof expected[0] === 'bigint'
      ? expected.length === actual.length && (expected as BigInt64Array).every((each, i) => each === actual[i])
      : numbersMatch(expected as Float32Array, actual as Float32Array, tolerance);
  }
  if (Array.isArray(expected)) {
    return (
      Array.isArray(actual) &&
      expected.length === actual.length &&
      expected.every((each, i) => valuesMatch(each, actual[i], tolerance))
    );
  }
  if (!isPlainObject(expected) || !isPlainObject(actual)) return expected === actual;
  const keys = Object.keys(expected);
  return (
    keys.length === Object.keys(actual).length &&
    keys.every((key) => Object.hasOwn(actual, key) && valuesMatch(expected[key], actual[key], tolerance))
  );
}

function numbersMatch(expected: ArrayLike<number>, actual: ArrayLike<number>, tolerance: number): boolean {
  if (expected.length !== actual.length) return false;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    const size = Math.abs(expected[i] as number);
    if (size > scale && size !== Infinity) scale = size;
  }
  const bound = tolerance * scale;
  for (let i = 0; i < expected.length; i++) {
    const wanted = expected[i] as number;
    // Written so that a NaN in the actual answer fails the comparison.
    if (Number.isFinite(wanted) && !(Math.abs(wanted - (actual[i] as number)) <= bound)) return false;
  }
  return true;
}
