/**
 * @module Portable values as bytes and back. The encoding is canonical and injective: equal values give equal bytes and
 * different values different ones, so that the same bytes serve as the preimage of a cache key and as what a persistent
 * tier stores.
 *
 * What is only stored keeps the order of its objects' keys, which programs may read: a record in place of an object.
 *
 * Each value is a tag byte and what the tag says, with every length in front of what it counts. Numbers are little
 * endian. Strings keep their UTF-16 code units: as UTF-8, lone surrogates would all become U+FFFD and collide.
 */

import { EpochlyError } from './errors.ts';
import { isPlainObject, isTensor, isTypedArray, MAX_PORTABLE_DEPTH } from './portable.ts';
import type { Portable, TypedArray } from './portable.ts';
import { Tensor, TENSOR_ARRAYS } from './tensor.ts';
import type { TensorLike, TensorType } from './tensor.ts';

const TAG = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  number: 4,
  bigint: 5,
  ascii: 6,
  utf16: 7,
  array: 8,
  object: 9,
  typedArray: 10,
  tensor: 11,
  record: 12,
} as const;

/** Codes are part of what is stored: append, never reorder. */
const ARRAY_TYPES = [
  Float32Array,
  Float64Array,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
] as const;

const TENSOR_TYPES: readonly TensorType[] = [
  'float32',
  'float64',
  'float16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
  'string',
];

const FORMAT_VERSION = 1;
const ARRAY_CODES = new Map<string, number>(ARRAY_TYPES.map((type, code) => [type.name, code]));
const TENSOR_CODES = new Map<string, number>(TENSOR_TYPES.map((type, code) => [type, code]));

/** Stored bytes that are no encoding: damaged, cut off, or of another version. */
export class CodecError extends EpochlyError {
  override readonly name: string = 'CodecError';
  constructor(message: string) {
    super('CODEC', message);
  }
}

/** Writes values into one growing buffer, which `reset()` makes ready for reuse. */
export class PortableWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  readonly #isOrdered: boolean;

  /** `isOrdered`: objects keep the order of their keys, and equal ones may give different bytes. */
  constructor(capacity = 1024, isOrdered = false) {
    this.#isOrdered = isOrdered;
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What was written since the last reset: a view that the next reset makes stale. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  reset(): this {
    this.#length = 0;
    return this;
  }

  /** @throws TypeError for what is no plain data, RangeError for values nested deeper than MAX_PORTABLE_DEPTH. */
  write(value: Portable, depth = 0): this {
    switch (typeof value) {
      case 'undefined':
        return this.#byte(TAG.undefined);
      case 'boolean':
        return this.#byte(value ? TAG.true : TAG.false);
      case 'number':
        return this.#byte(TAG.number).#float64(value);
      case 'bigint':
        return this.#byte(TAG.bigint).#text(value.toString(16));
      case 'string':
        return this.#text(value);
      default:
        return this.#object(value, depth);
    }
  }

  #object(value: Exclude<Portable, undefined | boolean | number | bigint | string>, depth: number): this {
    if (value === null) return this.#byte(TAG.null);
    if (isTypedArray(value)) {
      const code = ARRAY_CODES.get(value[Symbol.toStringTag]) as number;
      return this.#byte(TAG.typedArray).#byte(code).#uint(value.byteLength).#raw(value);
    }
    if (isTensor(value)) return this.#tensor(value);
    if (depth >= MAX_PORTABLE_DEPTH)
      throw new RangeError(`A value nested deeper than ${MAX_PORTABLE_DEPTH} cannot be encoded.`);
    if (Array.isArray(value)) {
      this.#byte(TAG.array).#uint(value.length);
      for (const each of value as readonly Portable[]) this.write(each, depth + 1);
      return this;
    }
    // What is no plain data would be taken for an empty object: another input's key.
    if (!isPlainObject(value)) throw new TypeError('Only plain data can be encoded.');
    const keys = Object.keys(value);
    if (!this.#isOrdered) keys.sort();
    this.#byte(this.#isOrdered ? TAG.record : TAG.object).#uint(keys.length);
    for (const key of keys) this.#text(key).write((value as Record<string, Portable>)[key], depth + 1);
    return this;
  }

  #tensor(value: TensorLike): this {
    this.#byte(TAG.tensor)
      .#byte(TENSOR_CODES.get(value.type) as number)
      .#byte(value.dims.length);
    for (const dim of value.dims) this.#uint(dim);
    if (value.type === 'string') {
      for (const text of (value as TensorLike<'string'>).data) this.#text(text);
      return this;
    }
    const data = value.data as TypedArray;
    return this.#uint(data.byteLength).#raw(data);
  }

  #text(text: string): this {
    const { length } = text;
    this.#reserve(9 + length * 2);
    const start = this.#length;
    this.#byte(TAG.ascii).#uint(length);
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) return this.#utf16(text, start);
      this.#bytes[this.#length++] = unit;
    }
    return this;
  }

  #utf16(text: string, start: number): this {
    this.#length = start;
    this.#byte(TAG.utf16).#uint(text.length);
    for (let i = 0; i < text.length; i++, this.#length += 2)
      this.#view.setUint16(this.#length, text.charCodeAt(i), true);
    return this;
  }

  #byte(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  /** A whole number from 0 to 2^53 - 1. */
  #uint(value: number): this {
    return this.#float64(value);
  }

  #float64(value: number): this {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
    return this;
  }

  #raw(data: TypedArray): this {
    this.#reserve(data.byteLength);
    this.#bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), this.#length);
    this.#length += data.byteLength;
    return this;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.bytes());
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** The value as bytes of its own, with the format's version in front. @throws TypeError for what is no plain data. */
export function encodePortable(value: Portable): Uint8Array {
  return encode(value, false);
}

/** The same with the order of objects' keys: for what is to come back as it was, and never for what is compared. */
export function encodeInOrder(value: Portable): Uint8Array {
  return encode(value, true);
}

function encode(value: Portable, isOrdered: boolean): Uint8Array {
  const body = new PortableWriter(256, isOrdered).write(value).bytes();
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = FORMAT_VERSION;
  bytes.set(body, 1);
  return bytes;
}

/** The value that `encodePortable` or `encodeInOrder` was given; shares no memory with `bytes`. @throws CodecError for anything else. */
export function decodePortable(bytes: Uint8Array): Portable {
  const reader = new PortableReader(bytes);
  if (reader.byte() !== FORMAT_VERSION) throw new CodecError('The stored value is of a version this one cannot read.');
  const value = reader.value(0);
  reader.end();
  return value;
}

/** Believes nothing: every length is held against the bytes that are left before anything is made of it. */
class PortableReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  end(): void {
    if (this.#position !== this.#bytes.length) throw damaged('has bytes after its end');
  }

  value(depth: number): Portable {
    if (depth > MAX_PORTABLE_DEPTH) throw damaged('is nested too deep');
    const tag = this.byte();
    switch (tag) {
      case TAG.undefined:
        return undefined;
      case TAG.null:
        return null;
      case TAG.false:
        return false;
      case TAG.true:
        return true;
      case TAG.number:
        return this.#float64();
      case TAG.bigint:
        return this.#bigint();
      case TAG.ascii:
      case TAG.utf16:
        return this.#textOf(tag);
      case TAG.array:
        return Array.from({ length: this.#count() }, () => this.value(depth + 1));
      case TAG.object:
      case TAG.record:
        return this.#object(depth);
      case TAG.typedArray:
        return this.#typedArray(ARRAY_TYPES[this.byte()], this.#count());
      case TAG.tensor:
        return this.#tensor();
      default:
        throw damaged('has an unknown tag');
    }
  }

  #object(depth: number): Portable {
    const entries: [string, Portable][] = [];
    for (let left = this.#count(); left > 0; left--) entries.push([this.#text(), this.value(depth + 1)]);
    return Object.fromEntries(entries);
  }

  #tensor(): Portable {
    const type = TENSOR_TYPES[this.byte()];
    if (type === undefined) throw damaged('has an unknown tensor type');
    const dims = Array.from({ length: this.byte() }, () => this.#uint());
    try {
      if (type !== 'string')
        return new Tensor(
          type,
          this.#typedArray(TENSOR_ARRAYS[type] as typeof Float32Array, this.#count()) as never,
          dims,
        );
      const size = dims.reduce((product, dim) => product * dim, 1);
      if (size > this.#left()) throw damaged('is cut off');
      return new Tensor(
        type,
        Array.from({ length: size }, () => this.#text()),
        dims,
      );
    } catch (error) {
      throw error instanceof CodecError ? error : damaged('has a tensor that does not fit its dims');
    }
  }

  #typedArray(
    type: { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBuffer): unknown } | undefined,
    byteLength: number,
  ): TypedArray {
    if (type === undefined) throw damaged('has an unknown array type');
    if (byteLength % type.BYTES_PER_ELEMENT !== 0) throw damaged('has an array of a broken length');
    const start = this.#take(byteLength);
    const copy = this.#bytes.slice(start, start + byteLength);
    return new type(copy.buffer as ArrayBuffer) as TypedArray;
  }

  #bigint(): bigint {
    const digits = this.#text();
    if (!/^-?[0-9a-f]+$/.test(digits)) throw damaged('has a broken bigint');
    return digits.startsWith('-') ? -BigInt(`0x${digits.slice(1)}`) : BigInt(`0x${digits}`);
  }

  #text(): string {
    return this.#textOf(this.byte());
  }

  #textOf(tag: number): string {
    if (tag !== TAG.ascii && tag !== TAG.utf16) throw damaged('lacks a string');
    const width = tag === TAG.ascii ? 1 : 2;
    const length = this.#uint();
    const start = this.#take(length * width);
    const units: string[] = [];
    // In runs, because one call takes only so many arguments.
    for (let from = 0; from < length; from += 4096) {
      const run = Array.from({ length: Math.min(4096, length - from) }, (_, i) =>
        width === 1 ? (this.#bytes[start + from + i] as number) : this.#view.getUint16(start + (from + i) * 2, true),
      );
      units.push(String.fromCharCode(...run));
    }
    return units.join('');
  }

  /** A count of things that take a byte at least each. */
  #count(): number {
    const count = this.#uint();
    if (count > this.#left()) throw damaged('is cut off');
    return count;
  }

  #uint(): number {
    const value = this.#float64();
    if (!Number.isSafeInteger(value) || value < 0) throw damaged('has a broken length');
    return value;
  }

  #float64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  #take(length: number): number {
    const start = this.#position;
    if (length > this.#left()) throw damaged('is cut off');
    this.#position = start + length;
    return start;
  }

  #left(): number {
    return this.#bytes.length - this.#position;
  }
}

function damaged(how: string): CodecError {
  return new CodecError(`The stored value is damaged: it ${how}.`);
}
