/**
 * @module Values in a form that any part of epochly can keep, copy, compare and send: what an adapter turns a
 * framework's inputs and outputs into, and back.
 */

import { isTensorLike, Tensor, TENSOR_ARRAYS } from './tensor.ts';
import type { TensorLike } from './tensor.ts';

/** The typed arrays that models take and give. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** A tree of plain data. Tensors are leaves, in onnxruntime's form; objects are plain and have string keys. */
export type Portable =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | TypedArray
  | TensorLike
  | readonly Portable[]
  | { readonly [key: string]: Portable };

/** Deepest nesting that is taken: deeper values, and cyclic ones, are not portable. */
export const MAX_PORTABLE_DEPTH = 64;
/** Most dimensions of a tensor. */
const MAX_DIMS = 255;
const TENSOR_FIELDS: ReadonlySet<string> = new Set(['type', 'data', 'dims', 'location']);

/**
 * Whether `value` is portable as it stands: plain objects, arrays, primitives, typed arrays and tensors in memory.
 * Functions, symbols, class instances, cycles and sparse arrays are not.
 */
export function isPortable(value: unknown, depth = 0): value is Portable {
  switch (typeof value) {
    case 'undefined':
    case 'boolean':
    case 'number':
    case 'bigint':
    case 'string':
      return true;
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null || isTypedArray(value) || isTensor(value)) return true;
  if (depth >= MAX_PORTABLE_DEPTH || Object.getOwnPropertySymbols(value).length > 0) return false;
  if (Array.isArray(value)) {
    // Neither sparse nor with properties beside its elements, which no encoding would hold.
    if (Object.keys(value).length !== value.length) return false;
    return value.every((each) => isPortable(each, depth + 1));
  }
  if (!isPlainObject(value)) return false;
  for (const key of Object.keys(value)) if (!isPortable(value[key], depth + 1)) return false;
  return true;
}

/**
 * Whether a value is a tensor and nothing more: its type, dims and data are all that it says. What has fields beside them is
 * plain data, or not portable, and so is what holds its data in an array of another type.
 */
export function isTensor(value: unknown): value is TensorLike {
  if (!isTensorLike(value) || value.dims.length > MAX_DIMS) return false;
  const { type, data } = value;
  if (type === 'string') {
    if (!(data as readonly unknown[]).every((each) => typeof each === 'string')) return false;
  } else {
    const tag = (data as TypedArray)[Symbol.toStringTag] as string;
    if (tag !== TENSOR_ARRAYS[type].name && (type !== 'float16' || tag !== 'Float16Array')) return false;
  }
  if (!value.dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) return false;
  // A framework's tensor, which says where it is; its other fields are how it keeps what it says.
  if (!isPlainObject(value) && 'location' in value) return true;
  return Object.keys(value).every((key) => TENSOR_FIELDS.has(key));
}

/** A deep copy that shares no memory with the original. */
export function copyPortable<T extends Portable>(value: T): T;
export function copyPortable(value: Portable): Portable {
  if (typeof value !== 'object' || value === null) return value;
  if (isTypedArray(value)) return copyTypedArray(value);
  if (isTensor(value)) return copyTensor(value);
  if (Array.isArray(value)) return value.map((each: Portable) => copyPortable(each));
  const copy: Record<string, Portable> = {};
  for (const [key, each] of Object.entries(value as { readonly [key: string]: Portable }))
    define(copy, key, copyPortable(each));
  return copy;
}

function copyTensor({ type, data, dims }: TensorLike): TensorLike {
  return new Tensor(
    type,
    (Array.isArray(data) ? data.slice() : copyTypedArray(data as TypedArray)) as never,
    dims.slice(),
  );
}

/** Elements copied into memory of their own: `slice()` of a Node Buffer would share it, of shared memory stay shared. */
function copyTypedArray<T extends TypedArray>(array: T): T {
  if (array[Symbol.toStringTag] === 'Uint8Array') return new Uint8Array(array as Uint8Array) as T;
  return new (array.constructor as new (array: T) => T)(array);
}

/**
 * The same value as plain data that a structured clone carries over whole: tensors of any class as objects with just
 * their three fields, and parts of a larger or of a shared buffer as arrays of their own, so that a message is no larger
 * than its values. With `copy`, everything is copied.
 */
export function messagePortable(value: Portable, copy = false): Portable {
  if (typeof value !== 'object' || value === null) return value;
  if (isTypedArray(value)) return copy || !ownsBuffer(value) ? copyTypedArray(value) : value;
  if (isTensor(value)) {
    const { type, data, dims } = value;
    return { type, data: messagePortable(data as Portable, copy), dims: dims.slice() } as Portable;
  }
  if (Array.isArray(value)) return value.map((each: Portable) => messagePortable(each, copy));
  const result: Record<string, Portable> = {};
  for (const [key, each] of Object.entries(value as { readonly [key: string]: Portable })) {
    define(result, key, messagePortable(each, copy));
  }
  return result;
}

function ownsBuffer(array: TypedArray): boolean {
  return array.buffer instanceof ArrayBuffer && array.buffer.byteLength === array.byteLength;
}

/** Tensors of plain fields, as they come out of a message, made instances of Tensor; in place but for the tensors. */
export function reviveTensors(value: Portable): Portable {
  if (typeof value !== 'object' || value === null || isTypedArray(value)) return value;
  if (isTensor(value)) return new Tensor(value.type, value.data as never, value.dims);
  const container = value as Record<string, Portable>;
  for (const key of Object.keys(container)) define(container, key, reviveTensors(container[key]));
  return container;
}

/** Sets an own property, `__proto__` included, which assignment would take for the prototype. */
function define(target: Record<string, Portable>, key: string, value: Portable): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  else target[key] = value;
}

/** The buffers under a value, each once: what a message may transfer. Shared memory is left out. */
export function portableBuffers(value: Portable, found: Set<ArrayBuffer> = new Set()): Set<ArrayBuffer> {
  if (typeof value !== 'object' || value === null) return found;
  if (isTypedArray(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
  } else if (isTensor(value)) {
    if (value.type !== 'string') portableBuffers(value.data as TypedArray, found);
  } else if (Array.isArray(value)) {
    for (const each of value as readonly Portable[]) portableBuffers(each, found);
  } else {
    for (const each of Object.values(value as { readonly [key: string]: Portable })) portableBuffers(each, found);
  }
  return found;
}

/** A Float16Array, which not every runtime has, is portable only as the data of a tensor. */
export function isTypedArray(value: unknown): value is TypedArray {
  if (!ArrayBuffer.isView(value)) return false;
  const tag = (value as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag];
  return tag !== 'DataView' && tag !== 'Float16Array';
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Object.prototype, also of another realm: an object that inherits from one without a prototype is not plain.
  if (prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}
