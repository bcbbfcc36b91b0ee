/** @module Tensors, with the fields of onnxruntime's: `type`, `data`, `dims`. */

import { InputError } from './errors.ts';

/**
 * What each element type keeps its data in. `float16` is held as its 16-bit patterns (a Float16Array is taken as well,
 * where the runtime has one), `bool` as bytes 0 and 1, `string` as an array of strings.
 */
export interface TensorDataMap {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
  string: readonly string[];
}

/** Element types of tensors, named as onnxruntime names them. */
export type TensorType = keyof TensorDataMap;
export type TensorData = TensorDataMap[TensorType];

/** Anything with onnxruntime's three fields. Dims are sizes of the dimensions, outermost first; a scalar has none. */
export interface TensorLike<T extends TensorType = TensorType> {
  readonly type: T;
  readonly data: TensorDataMap[T];
  readonly dims: readonly number[];
}

/** A tensor that lives in this process's memory. */
export class Tensor<T extends TensorType = TensorType> implements TensorLike<T> {
  readonly type: T;
  readonly data: TensorDataMap[T];
  readonly dims: readonly number[];

  /** @throws InputError where the data does not fit the type or the dims. */
  constructor(type: T, data: TensorDataMap[T], dims: readonly number[]) {
    this.type = type;
    this.data = asFloat16Bits(type, data) as TensorDataMap[T];
    this.dims = dims;
    checkTensor(type, this.data, dims);
  }

  /** Number of elements. */
  get size(): number {
    return this.data.length;
  }
}

/** The constructor of each type's data; `string` has none. */
export const TENSOR_ARRAYS: TensorArrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

type TensorArrays = {
  readonly [T in Exclude<TensorType, 'string'>]: {
    readonly name: string;
    readonly BYTES_PER_ELEMENT: number;
    new (length: number): TensorDataMap[T];
    new (buffer: ArrayBuffer, byteOffset?: number, length?: number): TensorDataMap[T];
  };
};

type Elements<T extends TensorType> = T extends 'string'
  ? string
  : T extends 'int64' | 'uint64'
    ? bigint | number
    : T extends 'bool'
      ? boolean | number
      : number;

/**
 * Builds a tensor from a typed array (kept, not copied) or from plain numbers, bigints, booleans or strings.
 * `dims` defaults to one dimension of all elements.
 *
 * @example tensor('int64', [101, 2023, 102], [1, 3])
 * @throws InputError where the data does not fit the type or the dims.
 */
export function tensor<T extends TensorType>(
  type: T,
  data: TensorDataMap[T] | readonly Elements<T>[],
  dims: readonly number[] = [data.length],
): Tensor<T> {
  return new Tensor(type, toTensorData(type, data), dims);
}

function toTensorData<T extends TensorType>(type: T, data: TensorDataMap[T] | readonly unknown[]): TensorDataMap[T] {
  if (type === 'string' || !Array.isArray(data)) return asFloat16Bits(type, data) as TensorDataMap[T];
  if (type === 'float16') {
    throw new InputError(
      'A float16 tensor takes a Uint16Array of 16-bit patterns (or a Float16Array): converting numbers would round them unseen.',
    );
  }
  if (!Object.hasOwn(TENSOR_ARRAYS, type)) throw unknownType(type);
  const array = new TENSOR_ARRAYS[type as Exclude<TensorType, 'string'>](data.length);
  const wide = type === 'int64' || type === 'uint64';
  for (let i = 0; i < data.length; i++) {
    const value: unknown = data[i];
    if (
      typeof value === 'boolean' ? type !== 'bool' : typeof value !== 'number' && !(wide && typeof value === 'bigint')
    ) {
      throw new InputError(
        `Element ${i} of a ${type} tensor is ${describe(value)}, which is not a number of that type.`,
      );
    }
    if (wide) {
      if (typeof value === 'number' && !Number.isSafeInteger(value)) {
        throw new InputError(
          `Element ${i} of a ${type} tensor is ${value}, which is not a safe integer. Use a bigint.`,
        );
      }
      array[i] = BigInt(value as number | bigint);
    } else {
      array[i] = Number(value);
    }
    const kept = array[i];
    if (type !== 'float32' && type !== 'float64' && kept != value) {
      throw new InputError(`Element ${i} of a ${type} tensor is ${String(value)}, which that type cannot hold.`);
    }
  }
  return array as TensorDataMap[T];
}

function asFloat16Bits(type: TensorType, data: unknown): unknown {
  if (type === 'float16' && ArrayBuffer.isView(data) && tagOf(data) === 'Float16Array') {
    return new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
  }
  return data;
}

function checkTensor(type: TensorType, data: unknown, dims: readonly number[]): void {
  if (!ArrayBuffer.isView(data) || data.constructor !== TENSOR_ARRAYS[type as 'float32']) checkData(type, data);
  let size = 1;
  for (const dim of dims) {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw new InputError(`The dims of a tensor are whole numbers from 0, not [${dims.join(', ')}].`);
    }
    size *= dim;
  }
  const length = (data as ArrayLike<unknown>).length;
  if (length !== size) {
    throw new InputError(`A tensor of dims [${dims.join(', ')}] has ${size} elements; the data has ${length}.`);
  }
}

/** Data that is no instance of this realm's usual class for the type: strings, arrays of another realm, or a mistake. */
function checkData(type: TensorType, data: unknown): void {
  if (type !== 'string' && !Object.hasOwn(TENSOR_ARRAYS, type)) throw unknownType(type);
  const expected = type === 'string' ? 'Array' : TENSOR_ARRAYS[type].name;
  const actual = Array.isArray(data) ? 'Array' : tagOf(data);
  if (
    actual !== expected &&
    !(type === 'bool' && actual === 'Uint8ClampedArray') &&
    !(type === 'uint8' && actual === 'Uint8ClampedArray')
  ) {
    throw new InputError(
      `A ${type} tensor keeps its data in ${expected === 'Array' ? 'an array of strings' : `a ${expected}`}, not in ${describe(data)}.`,
    );
  }
  if (type === 'string' && !(data as readonly unknown[]).every((each) => typeof each === 'string')) {
    throw new InputError('A string tensor holds strings only.');
  }
}

function unknownType(type: unknown): InputError {
  return new InputError(
    `There is no tensor type ${JSON.stringify(type)}. The types are ${[...Object.keys(TENSOR_ARRAYS), 'string'].join(', ')}.`,
  );
}

function describe(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  if (typeof value === 'string')
    return `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  return Array.isArray(value) ? 'an Array' : `a ${tagOf(value) ?? typeof value}`;
}

/** The tag of a built-in object ('Float32Array'), which also holds for one of another realm. */
function tagOf(value: unknown): string | undefined {
  if (ArrayBuffer.isView(value)) return (value as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag];
  return typeof value === 'object' && value !== null ? Object.prototype.toString.call(value).slice(8, -1) : undefined;
}

/** Whether a value has onnxruntime's tensor fields with data in memory. Recognised by shape, whichever copy made it. */
export function isTensorLike(value: unknown): value is TensorLike {
  if (typeof value !== 'object' || value === null) return false;
  const { type, dims } = value as Partial<TensorLike>;
  if (typeof type !== 'string' || !Array.isArray(dims)) return false;
  if (type !== 'string' && !Object.hasOwn(TENSOR_ARRAYS, type)) return false;
  // onnxruntime's `data` throws where the tensor lives on a GPU; `location` says so without throwing.
  const location = (value as { location?: unknown }).location;
  if (location !== undefined && location !== 'cpu' && location !== 'cpu-pinned') return false;
  const data: unknown = (value as TensorLike).data;
  return ArrayBuffer.isView(data) || (type === 'string' && Array.isArray(data));
}

/** Bytes a tensor's data takes: strings are counted as UTF-16. */
export function tensorByteLength(value: TensorLike): number {
  if (value.type !== 'string') return (value.data as Float32Array).byteLength;
  let bytes = 0;
  for (const text of (value as TensorLike<'string'>).data) bytes += text.length * 2;
  return bytes;
}
