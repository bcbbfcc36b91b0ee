/** @module Memory for arrays that are needed for a moment, again and again: to allocate it anew costs more than to fill it. */

import type { TypedArray } from './portable.ts';

/** Of fewer bytes a new array costs next to nothing. */
const LEAST_BYTES = 8192;

type Free = Map<number, ArrayBuffer[]>;

/** What is given back is kept for as long as the garbage collector lets it live. */
export class ArrayPool {
  #free: WeakRef<Free> | undefined;
  /** Arrays that are lent, by themselves: their memory may be lent again, as another array. */
  readonly #lent = new WeakSet<object>();

  /** An array of the type of another, of any content. */
  take<T extends TypedArray>(like: T, length: number): T {
    const type = like.constructor as new (buffer: ArrayBuffer | number, offset?: number, length?: number) => T;
    const bytes = length * like.BYTES_PER_ELEMENT;
    if (bytes < LEAST_BYTES) return new type(length);
    const size = sizeFor(bytes);
    const array = new type(this.#free?.deref()?.get(size)?.pop() ?? new ArrayBuffer(size), 0, length);
    this.#lent.add(array);
    return array;
  }

  copy<T extends TypedArray>(source: T): T {
    const copy = this.take(source, source.length);
    (copy as Float32Array).set(source as Float32Array);
    return copy;
  }

  /** Nobody reads it any more. What was not lent, or was given back before, or away to another thread, is left alone. */
  giveBack(array: object): void {
    if (!this.#lent.delete(array)) return;
    const { buffer } = array as { readonly buffer: ArrayBuffer };
    const size = buffer.byteLength;
    if (size === 0) return;
    let free = this.#free?.deref();
    if (free === undefined) this.#free = new WeakRef((free = new Map()));
    const ofSize = free.get(size);
    if (ofSize === undefined) free.set(size, [buffer]);
    else ofSize.push(buffer);
  }
}

/** A power of two: arrays of much the same length have memory of the same size. */
function sizeFor(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes));
}
