import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CodecError, decodePortable, encodeInOrder, encodePortable, PortableWriter } from '../../src/codec.ts';
import { tensor } from '../../src/tensor.ts';
import type { Portable } from '../../src/portable.ts';
import { portable } from '../helpers/arbitraries.ts';

const hex = (value: Portable): string => Buffer.from(encodePortable(value)).toString('hex');

test('what was encoded is decoded as it was', () => {
  fc.assert(
    fc.property(portable, (value) => {
      expect(decodePortable(encodePortable(value))).toStrictEqual(value);
    }),
    { numRuns: 500 },
  );
});

test('what is only stored comes back with its keys in their order', () => {
  fc.assert(
    fc.property(portable, (value) => {
      const again = decodePortable(encodeInOrder(value));
      expect(again).toStrictEqual(value);
      expect(keysOf(again)).toEqual(keysOf(value));
    }),
    { numRuns: 500 },
  );
  expect(Object.keys(decodePortable(encodeInOrder({ b: 1, a: 2 })) as object)).toEqual(['b', 'a']);
});

/** All keys of all objects, in the order in which they stand. */
function keysOf(value: Portable): readonly string[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  return Object.entries(value as { readonly [key: string]: Portable }).flatMap(([key, each]) => [key, ...keysOf(each)]);
}

test('different values have different bytes, equal ones the same', () => {
  fc.assert(
    fc.property(portable, portable, (a, b) => {
      let same = true;
      try {
        expect(a).toStrictEqual(b);
      } catch {
        same = false;
      }
      expect(hex(a) === hex(b)).toBe(same);
    }),
    { numRuns: 1000 },
  );
});

test.each<[string, Portable, Portable]>([
  ['zero and minus zero', 0, -0],
  ['a missing key and an undefined one', {}, { a: undefined }],
  ['an array and an object with its keys', ['x'], { 0: 'x' }],
  ['one string and two with its halves', ['ab'], ['a', 'b']],
  ['the same bytes as another type', new Float32Array(2), new Int32Array(2)],
  [
    'the same bytes as another tensor type',
    tensor('float16', new Uint16Array(2)),
    tensor('uint16', new Uint16Array(2)),
  ],
  ['other dims of the same data', tensor('uint8', [1, 2], [1, 2]), tensor('uint8', [1, 2], [2, 1])],
  ['lone surrogates, which UTF-8 would make the same', '\ud800', '\udc00'],
  ['a lone surrogate and the replacement character', '\ud800', '\ufffd'],
  ['a number and its text', 1, '1'],
  ['a bigint and a number', 1n, 1],
  ['null and undefined', null, undefined],
  ['an own __proto__ and none', JSON.parse('{"__proto__": 1}') as Portable, {}],
])('%s are different', (_name, a, b) => {
  expect(hex(a)).not.toBe(hex(b));
});

test('the order of keys is no difference', () => {
  expect(hex({ a: 1, b: 2 })).toBe(hex({ b: 2, a: 1 }));
});

test('a writer that is reused writes the same bytes', () => {
  const writer = new PortableWriter(1);
  const once = writer.write({ a: 'long enough to grow the buffer' }).bytes().slice();
  expect(writer.reset().write({ a: 'long enough to grow the buffer' }).bytes()).toEqual(once);
});

test('decoded arrays share no memory with the bytes', () => {
  const bytes = encodePortable(new Uint8Array([1, 2, 3]));
  const decoded = decodePortable(bytes) as Uint8Array;
  bytes.fill(0);
  expect(decoded).toEqual(new Uint8Array([1, 2, 3]));
});

test('damaged bytes are an error of their own, whatever was done to them', () => {
  fc.assert(
    fc.property(portable, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (value, at, flip, cut) => {
      const bytes = encodePortable(value);
      const position = at % bytes.length;
      const damaged = cut ? bytes.slice(0, position) : bytes.with(position, (bytes[position] as number) ^ flip);
      try {
        decodePortable(damaged);
        expect(cut).toBe(false);
      } catch (error) {
        expect(error).toBeInstanceOf(CodecError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('a length that the bytes do not have is refused before anything is made of it', () => {
  const bytes = encodePortable(['x']);
  new DataView(bytes.buffer).setFloat64(2, 2 ** 52, true);
  expect(() => decodePortable(bytes)).toThrow(CodecError);
});

test('a value that is nested too deep is refused both ways', () => {
  let deep: Portable = 1;
  for (let i = 0; i < 100; i++) deep = [deep];
  expect(() => encodePortable(deep)).toThrow(RangeError);
  const one = encodePortable([1]);
  const nested = new Uint8Array([
    one[0] as number,
    ...Array.from({ length: 100 }, () => Array.from(one.slice(1, 10))).flat(),
    1,
  ]);
  expect(() => decodePortable(nested)).toThrow(CodecError);
});
