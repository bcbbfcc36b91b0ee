/** @module Inputs made up from what a model says of itself, the same ones each time. */

import { Tensor, TENSOR_ARRAYS } from '../tensor.ts';
import type { TensorLike, TensorType } from '../tensor.ts';
import type { TensorInfo } from './adapter.ts';

/** Size of the first dimension where it is open: it is the batch of nearly all models. */
const OPEN_BATCH = 1;
/** Whole numbers are drawn below this: small enough to be an index into most vocabularies. */
const INTEGER_BOUND = 100;

/**
 * Inputs by name, drawn by a seeded generator: equal arguments give equal inputs on every machine. `openSize` is the size
 * that open dimensions but the first take. Undefined where the model does not say enough of one, or takes strings.
 */
export function generateInputs(
  infos: readonly TensorInfo[],
  seed: number,
  openSize: number,
): Record<string, TensorLike> | undefined {
  const random = mulberry32(seed);
  const inputs: Record<string, TensorLike> = {};
  for (const { name, type, dims } of infos) {
    if (type === undefined || dims === undefined || type === 'string') return undefined;
    const sizes = dims.map((dim, i) => {
      if (typeof dim === 'number' && dim >= 0) return dim;
      return i === 0 ? OPEN_BATCH : openSize;
    });
    const draw = numbersFor(name, type, sizes, random);
    const data = new TENSOR_ARRAYS[type](sizes.reduce((product, size) => product * size, 1));
    for (let i = 0; i < data.length; i++) {
      const value = draw(i);
      data[i] = type === 'int64' || type === 'uint64' ? BigInt(value) : value;
    }
    inputs[name] = new Tensor(type, data as never, sizes);
  }
  return inputs;
}

/** What fills an input. Those that language models name by convention have values that must not be drawn at random. */
function numbersFor(
  name: string,
  type: TensorType,
  sizes: readonly number[],
  random: () => number,
): (index: number) => number {
  if (type === 'float32' || type === 'float64') return () => random() * 2 - 1;
  // Bits of positive halves from 2^-4 to 1.
  if (type === 'float16') return () => 0x2c00 + Math.floor(random() * 0x1000);
  if (type === 'bool' || /mask/i.test(name)) return () => 1;
  if (/type_ids|segment/i.test(name)) return () => 0;
  if (/position/i.test(name)) return (index) => index % (sizes.at(-1) ?? 1);
  return () => Math.floor(random() * INTEGER_BOUND);
}

/** Tommy Ettinger's Mulberry32 generator: 32 bits of state, numbers from 0 to 1. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
