import { expect, test } from 'vitest';
import { EpochlyError } from '../../src/errors.ts';
import { isTensorLike, tensor, Tensor } from '../../src/tensor.ts';

test('plain values become the type’s own array', () => {
  expect(tensor('int64', [1, 2n]).data).toEqual(BigInt64Array.from([1n, 2n]));
  expect(tensor('float32', [0.5]).data).toEqual(Float32Array.from([0.5]));
  expect(tensor('bool', [true, false, 1]).data).toEqual(Uint8Array.from([1, 0, 1]));
  expect(tensor('string', ['a', 'b'], [1, 2]).dims).toEqual([1, 2]);
  expect(tensor('float32', []).dims).toEqual([0]);
  expect(tensor('float32', [3], []).dims).toEqual([]);
});

test('a typed array is kept, not copied', () => {
  const data = new Float32Array(3);
  expect(tensor('float32', data).data).toBe(data);
});

test.each<[string, () => unknown]>([
  ['data that does not fit the dims', () => tensor('float32', [1, 2], [3])],
  ['a negative dim', () => new Tensor('float32', new Float32Array(0), [-1, 0])],
  ['a dim that is not whole', () => new Tensor('float32', new Float32Array(1), [0.5, 2])],
  ['an array of another type', () => new Tensor('int32', new Float32Array(1) as never, [1])],
  ['an unknown type', () => tensor('complex64' as never, [1] as never)],
  ['a type from the prototype', () => tensor('constructor' as never, [1] as never)],
  ['a number that the type cannot hold', () => tensor('uint8', [256])],
  ['a fraction in a whole type', () => tensor('int32', [0.5])],
  ['a number too large to be exact', () => tensor('int64', [2 ** 53])],
  ['a bigint too large for int64', () => tensor('int64', [2n ** 63n])],
  ['text among numbers', () => tensor('float32', ['1'] as never)],
  ['numbers among text', () => tensor('string', [1] as never)],
  ['numbers for float16, which would be rounded unseen', () => tensor('float16', [1] as never)],
  ['bigints in float32', () => tensor('float32', [1n] as never)],
])('%s is refused', (_name, make) => {
  let error: unknown;
  try {
    make();
  } catch (thrown) {
    error = thrown;
  }
  expect(EpochlyError.isInstance(error, 'INPUT')).toBe(true);
});

test('tensors are recognised by shape, and only in memory', () => {
  expect(isTensorLike({ type: 'float32', data: new Float32Array(1), dims: [1] })).toBe(true);
  expect(isTensorLike({ type: 'string', data: ['a'], dims: [1] })).toBe(true);
  const onGpu = {
    type: 'float32',
    dims: [1],
    location: 'gpu-buffer',
    get data(): never {
      throw new Error('not in memory');
    },
  };
  for (const other of [
    onGpu,
    null,
    'float32',
    { type: 'float32', dims: [1] },
    { type: 'nothing', data: [], dims: [] },
  ]) {
    expect(isTensorLike(other)).toBe(false);
  }
});
