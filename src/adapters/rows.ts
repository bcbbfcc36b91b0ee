/** @module Several tensors as one along their first dimension, and one as several. */

import { Tensor } from '../tensor.ts';
import type { TensorData, TensorLike } from '../tensor.ts';
import { waitingCalls } from './waiting-calls.ts';

/** Makes a tensor around data, without a copy. */
export type MakeTensor = (type: string, data: unknown, dims: readonly number[]) => TensorLike;

/** Tensors of epochly's own class. */
export const makeOwn: MakeTensor = (type, data, dims) => new Tensor(type as never, data as never, dims);

/** Joins tensors of equal types and of equal dims but for the first, in memory that is used again where it is given back. */
export function joinRows(tensors: readonly TensorLike[], make: MakeTensor): TensorLike {
  const [first] = tensors as [TensorLike, ...TensorLike[]];
  const rows = tensors.reduce((sum, each) => sum + (each.dims[0] as number), 0);
  return make(first.type, joinData(tensors.map((each) => each.data)), [rows, ...first.dims.slice(1)]);
}

function joinData(parts: readonly TensorData[]): TensorData {
  if (Array.isArray(parts[0])) return (parts as readonly (readonly string[])[]).flat();
  const arrays = parts as readonly Float32Array[];
  const [first] = arrays as [Float32Array, ...Float32Array[]];
  const length = arrays.reduce((sum, each) => sum + each.length, 0);
  const joined = waitingCalls.take(first, length);
  let offset = 0;
  for (const part of arrays) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/**
 * Splits a tensor into consecutive runs of rows, each with memory of its own.
 * @throws RangeError where its first dimension is not the sum of `sizes`: the model mixes or reduces its rows.
 */
export function splitRows(tensor: TensorLike, sizes: readonly number[], make: MakeTensor): readonly TensorLike[] {
  const rows = sizes.reduce((sum, each) => sum + each, 0);
  if (tensor.dims[0] !== rows) {
    throw new RangeError(`A joined call of ${rows} rows was answered with dims [${tensor.dims.join(', ')}].`);
  }
  const rowLength = rows === 0 ? 0 : tensor.data.length / rows;
  let start = 0;
  return sizes.map((size) => {
    const end = start + size * rowLength;
    const data = tensor.data.slice(start, end);
    start = end;
    return make(tensor.type, data, [size, ...tensor.dims.slice(1)]);
  });
}
