import { expect, test } from 'vitest';
import { ArrayPool } from '../../src/array-pool.ts';

const picture = Float32Array.from({ length: 3000 }, (_, i) => i);

test('memory that is given back is lent again, to an array of as many bytes', () => {
  const pool = new ArrayPool();
  const first = pool.copy(picture);
  expect(first).toEqual(picture);
  pool.giveBack(first);
  const second = pool.take(new BigInt64Array(0), 1500);
  expect([second.buffer === first.buffer, second.length, second.constructor]).toEqual([true, 1500, BigInt64Array]);
});

test('what is lent shares memory with nothing else', () => {
  const pool = new ArrayPool();
  const [first, second] = [pool.copy(picture), pool.copy(picture)];
  expect(new Set([first.buffer, second.buffer, picture.buffer]).size).toBe(3);
});

test('what is given back twice is lent once, also where it was lent to another meanwhile', () => {
  const pool = new ArrayPool();
  const first = pool.copy(picture);
  pool.giveBack(first);
  const second = pool.copy(picture);
  pool.giveBack(first);
  expect(pool.copy(picture).buffer).not.toBe(second.buffer);
});

test.each([16, 10_000])('of a Buffer of %d bytes an array of bytes is made', (length) => {
  const copy = new ArrayPool().copy(Buffer.alloc(length, 7));
  expect([copy.constructor, copy.length, copy.every((each) => each === 7)]).toEqual([Uint8Array, length, true]);
});

test.each([
  ['of another’s', () => new Float32Array(3000)],
  ['that was given away to another thread', (pool: ArrayPool) => structuredCloned(pool.copy(picture))],
])('an array %s is left alone', (_, make) => {
  const pool = new ArrayPool();
  const array = make(pool);
  const { buffer } = array;
  pool.giveBack(array);
  expect(pool.copy(picture).buffer).not.toBe(buffer);
  expect(pool.copy(picture)).toEqual(picture);
});

/** The same array, whose memory another thread has now. */
function structuredCloned(array: Float32Array): Float32Array {
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}
