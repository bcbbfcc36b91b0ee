/** @module Memory for arrays that are needed for a moment, again and again: to allocate it anew costs more than to fill it. */

import type { TypedArray } from './portable.ts';

/** Of fewer bytes a new array costs next to nothing. */
const LEAST_BYTES = 8192;

/** More than so many are not kept: all that is kept is let go, so that sizes that are no longer asked for do not stay. */
const MOST_BYTES = 64 * 2 ** 20;

interface Free {
  bytes: number;
  readonly bySize: Map<number, ArrayBuffer[]>;
}

/** What is given back is kept for as long as the garbage collector lets it live. */
export class ArrayPool {
  #free: WeakRef<Free> | undefined;
  /** Arrays that are lent, by themselves: their memory may be lent again, as another array. */
  readonly #lent = new WeakSet<object>();

  /** An array of the type of another, of any content, which has a buffer of its own. */
  take<T extends TypedArray>(like: T, length: number): T {
    // A Node Buffer is made otherwise.
    const type = (like[Symbol.toStringTag] === 'Uint8Array' ? Uint8Array : like.constructor) as new (
      buffer: ArrayBuffer | number,
    ) => T;
    const bytes = length * like.BYTES_PER_ELEMENT;
    if (bytes < LEAST_BYTES) return new type(length);
    const free = this.#free?.deref();
    const buffer = free?.bySize.get(bytes)?.pop();
    if (buffer !== undefined) (free as Free).bytes -= bytes;
    const array = new type(buffer ?? new ArrayBuffer(bytes));
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
    if (free === undefined || free.bytes + size > MOST_BYTES) {
      free = { bytes: 0, bySize: new Map() };
      this.#free = new WeakRef(free);
    }
    free.bytes += size;
    const ofSize = free.bySize.get(size);
    if (ofSize === undefined) free.bySize.set(size, [buffer]);
    else ofSize.push(buffer);
  }
}
