/** @module What is in an input: its type, its shape, and which of its values are out of range, in one pass and without a copy. */

import { isOnDevice } from '../device-tensor.ts';
import { float16Value } from '../float16.ts';
import { MAX_PORTABLE_DEPTH } from '../portable.ts';
import { read } from '../shapes.ts';
import { isTensorLike, TENSOR_ARRAYS } from '../tensor.ts';
import type { TensorType } from '../tensor.ts';
import type { OutOfRange } from './field-error.ts';
import type { FieldSpec } from './input-schema.ts';

/** What was found. */
export interface Contents {
  /** What it is instead, where it is not of the type, in words. */
  readonly misfit: string | undefined;
  /** Where in a list that is: '[0][2]'. */
  readonly place?: string;
  /** Undefined where it has none, as of what is no value of a model at all. */
  readonly shape: readonly number[] | undefined;
  /** Why there is no shape, or why it cannot be, in words. */
  readonly unshaped: string | undefined;
  readonly out: OutOfRange | undefined;
}

/** Most dimensions that are looked at. */
const MAX_DIMS = 255;
const NOTHING: Contents = { misfit: undefined, shape: undefined, unshaped: undefined, out: undefined };

/**
 * Looks at a value: a tensor, a typed array, a number, a text, a boolean, or arrays of those. What a tensor has on a GPU is not read. Throws what
 * the value throws.
 */
export function contentsOf(value: unknown, spec: FieldSpec): Contents {
  if (isTensorLike(value)) return tensorContents(value.type, value.dims, value.data, spec);
  if (isOnDevice(value)) return tensorContents(read(value, 'type'), read(value, 'dims'), undefined, spec);
  if (ArrayBuffer.isView(value)) return arrayContents(value as ArrayBufferView, spec);
  if (Array.isArray(value)) return listContents(value, spec, 0, new Map()).contents;
  return scalarContents(value, spec);
}

function tensorContents(type: unknown, dims: unknown, data: unknown, spec: FieldSpec): Contents {
  const found = typeof type === 'string' ? shorten(type) : 'a type that is no text';
  const misfit = spec.dtype === undefined || type === spec.dtype ? undefined : found;
  const shape = dimsOf(dims);
  if (shape === undefined) return { ...NOTHING, misfit, unshaped: 'dims that are no sizes' };
  if (data === undefined) return { ...NOTHING, misfit, shape };
  const length = (data as ArrayLike<unknown>).length;
  const size = shape.reduce((product, dim) => product * dim, 1);
  const unshaped = size === length ? undefined : `dims [${shape.join(', ')}] with ${length} elements`;
  if (type === 'string') {
    const other = Array.isArray(data) ? data.find((each) => typeof each !== 'string') : data;
    const texts = other === undefined ? misfit : `string with ${describe(other)} in it`;
    return { misfit: misfit ?? texts, shape, unshaped, out: undefined };
  }
  if (!isArrayOf(type as TensorType, data))
    return { ...NOTHING, misfit: misfit ?? `${found} in ${describe(data)}`, shape, unshaped };
  return { misfit, shape, unshaped, out: outOfRange(data as Elements, spec, type === 'float16') };
}

/** Dims as plain numbers; undefined where they are none. */
function dimsOf(dims: unknown): readonly number[] | undefined {
  if (!Array.isArray(dims) || dims.length > MAX_DIMS) return undefined;
  const shape = Array.from(dims as readonly unknown[]);
  return shape.every((dim) => Number.isSafeInteger(dim) && (dim as number) >= 0) ? (shape as number[]) : undefined;
}

function arrayContents(array: ArrayBufferView, spec: FieldSpec): Contents {
  const tag = tagOf(array);
  if (tag === undefined || tag === 'DataView') return { ...NOTHING, misfit: describe(array) };
  const length = (array as unknown as Elements).length;
  const misfit = spec.dtype === undefined || isArrayOf(spec.dtype, array) ? undefined : describe(array);
  const isHalf = spec.dtype === 'float16' && tag === 'Uint16Array';
  return { ...NOTHING, misfit, shape: [length], out: outOfRange(array as unknown as Elements, spec, isHalf) };
}

type Elements = ArrayLike<number | bigint>;

/** Whether an array is what elements of the type are kept in. */
function isArrayOf(type: TensorType, data: unknown): boolean {
  if (type === 'string') return false;
  const tag = tagOf(data);
  if (tag === TENSOR_ARRAYS[type].name) return true;
  return type === 'float16'
    ? tag === 'Float16Array'
    : (type === 'uint8' || type === 'bool') && tag === 'Uint8ClampedArray';
}

function tagOf(value: unknown): string | undefined {
  return ArrayBuffer.isView(value)
    ? (value as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag]
    : undefined;
}

function outOfRange(data: Elements, { minVal, maxVal }: FieldSpec, isHalf: boolean): OutOfRange | undefined {
  if (minVal === undefined && maxVal === undefined) return undefined;
  const isWide = typeof data[0] === 'bigint';
  const least = isWide ? wide(minVal ?? LEAST_WIDE, Math.ceil) : (minVal ?? -Infinity);
  const most = isWide ? wide(maxVal ?? MOST_WIDE, Math.floor) : (maxVal ?? Infinity);
  const isPlain = !isWide && !isHalf && typeof least === 'number' && typeof most === 'number';
  let out: OutOfRange | undefined;
  for (let i = isPlain ? firstOutside(data as ArrayLike<number>, least, most) : 0; i < data.length; i++) {
    const element = data[i] as number | bigint;
    const value = isHalf ? float16Value(element as number) : element;
    if (!isWithin(value, least, most))
      out = { value: out?.value ?? value, index: out?.index ?? i, count: (out?.count ?? 0) + 1 };
  }
  return out;
}

/** Its length where there is none. Of numbers only: a comparison that never meets a bigint is five times as fast. */
function firstOutside(data: ArrayLike<number>, least: number, most: number): number {
  let i = 0;
  while (i < data.length && (data[i] as number) >= least && (data[i] as number) <= most) i++;
  return i;
}

/** What 64-bit integers reach, with a sign and without. */
const LEAST_WIDE = -(2n ** 63n);
const MOST_WIDE = 2n ** 64n - 1n;

/** A bound as a bigint, for to compare one with a number takes long; as it is where it is infinite. */
function wide(bound: number | bigint, round: (value: number) => number): number | bigint {
  return typeof bound === 'number' && Number.isFinite(bound) ? BigInt(round(bound)) : bound;
}

/** Written so that NaN is out of every range. */
function isWithin(value: number | bigint, least: number | bigint, most: number | bigint): boolean {
  return value >= least && value <= most;
}

function scalarContents(value: unknown, spec: FieldSpec): Contents {
  const kind = typeof value;
  if (kind !== 'number' && kind !== 'bigint' && kind !== 'string' && kind !== 'boolean')
    return { ...NOTHING, misfit: describe(value) };
  const { minVal = -Infinity, maxVal = Infinity } = spec;
  const number = value as number | bigint;
  // NaN is out of every range, but where there is none.
  const isFree = (kind !== 'number' && kind !== 'bigint') || (spec.minVal === undefined && spec.maxVal === undefined);
  return {
    misfit: fits(value, spec.dtype) ? undefined : describe(value),
    shape: [],
    unshaped: undefined,
    out: isFree || isWithin(number, minVal, maxVal) ? undefined : { value: number, index: 0, count: 1 },
  };
}

/** What each integer type holds. */
const INTEGERS: Readonly<Partial<Record<TensorType, readonly [number | bigint, number | bigint]>>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32_768, 32_767],
  uint16: [0, 65_535],
  int32: [-2_147_483_648, 2_147_483_647],
  uint32: [0, 4_294_967_295],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};
/** The largest finite numbers. */
const REALS: Readonly<Partial<Record<TensorType, number>>> = {
  float16: 65_504,
  float32: 3.4028234663852886e38,
  float64: Number.MAX_VALUE,
};

/** Whether a value of JavaScript is one of the type: a number that it would have to round off or cut is none. */
function fits(value: unknown, dtype: TensorType | undefined): boolean {
  if (dtype === undefined) return true;
  if (dtype === 'string') return typeof value === 'string';
  if (dtype === 'bool') return typeof value === 'boolean' || value === 0 || value === 1;
  const integers = INTEGERS[dtype];
  if (integers === undefined) {
    if (typeof value !== 'number') return false;
    return !Number.isFinite(value) || Math.abs(value) <= (REALS[dtype] as number);
  }
  const isWide = typeof integers[0] === 'bigint';
  if (typeof value === 'bigint' ? !isWide : !Number.isSafeInteger(value)) return false;
  return isWithin(value as number | bigint, ...integers);
}

/** A list's contents, and how many elements it has. */
interface Listed {
  readonly contents: Contents;
  readonly size: number;
}

/**
 * A list in a list may be there many times over: it is looked at once. Of elements that are none of the type the first is enough to know: after it
 * the list is left, which may be nothing but holes.
 */
function listContents(list: readonly unknown[], spec: FieldSpec, depth: number, seen: Map<unknown, Listed>): Listed {
  const known = seen.get(list);
  if (known !== undefined) return known;
  if (depth >= MAX_PORTABLE_DEPTH) return { contents: { ...NOTHING, misfit: 'an array nested too deep' }, size: 0 };
  let misfit: string | undefined;
  let place = '';
  let unshaped: string | undefined;
  let shape: readonly number[] | undefined;
  let out: OutOfRange | undefined;
  let size = 0;
  const length = list.length;
  for (let i = 0; i < length && misfit === undefined; i++) {
    const element = list[i];
    const each = elementOf(element, spec, depth, seen);
    misfit = each.contents.misfit;
    if (misfit !== undefined) place = `[${i}]${each.contents.place ?? ''}`;
    unshaped ??= each.contents.unshaped;
    if (i === 0) shape = each.contents.shape;
    else if (each.contents.shape !== undefined && !isSameShape(shape, each.contents.shape))
      unshaped ??= `rows of different shapes, as at ${i}`;
    if (each.contents.out !== undefined) {
      const { value, index, count } = each.contents.out;
      out = { value: out?.value ?? value, index: out?.index ?? size + index, count: (out?.count ?? 0) + count };
    }
    size += each.size;
  }
  const listed: Listed = {
    contents: {
      misfit,
      place,
      shape: shape === undefined && length > 0 ? undefined : [length, ...(shape ?? [])],
      unshaped,
      out,
    },
    size,
  };
  if (depth > 0) seen.set(list, listed);
  return listed;
}

function elementOf(element: unknown, spec: FieldSpec, depth: number, seen: Map<unknown, Listed>): Listed {
  if (Array.isArray(element)) return listContents(element, spec, depth + 1, seen);
  if (ArrayBuffer.isView(element)) {
    const contents = arrayContents(element as ArrayBufferView, spec);
    return { contents, size: contents.shape?.[0] ?? 0 };
  }
  return { contents: scalarContents(element, spec), size: 1 };
}

function isSameShape(one: readonly number[] | undefined, other: readonly number[] | undefined): boolean {
  return one !== undefined && one.length === other?.length && one.every((dim, i) => dim === other[i]);
}

/** To write out a number of millions of digits takes more than a moment. */
export function isHuge(value: number | bigint): boolean {
  return typeof value === 'bigint' && (value < LEAST_WIDE || value > MOST_WIDE);
}

/** A value in words, whatever it is. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `the text ${JSON.stringify(shorten(value))}`;
    case 'bigint':
      return isHuge(value) ? 'a bigint of more than 64 bits' : `${value}n`;
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'function':
    case 'symbol':
      return `a ${typeof value}`;
    default:
  }
  if (value === null) return 'null';
  const tag = tagOf(value);
  if (tag !== undefined) return `a ${tag}`;
  return Array.isArray(value) ? 'an array' : 'an object that is no tensor';
}

export function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
