import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { copyPortable, isPortable, messagePortable, portableBuffers, reviveTensors } from '../../src/portable.ts';
import { portableByteLength } from '../../src/portable-size.ts';
import type { Portable } from '../../src/portable.ts';
import { decodePortable, encodePortable } from '../../src/codec.ts';
import { Tensor, tensor } from '../../src/tensor.ts';
import { portable } from '../helpers/arbitraries.ts';

test('a copy is equal and shares no memory', () => {
  fc.assert(
    fc.property(portable, (value) => {
      const copy = copyPortable(value);
      expect(copy).toStrictEqual(value);
      const before = portableBuffers(value);
      for (const buffer of portableBuffers(copy)) expect(before.has(buffer)).toBe(false);
    }),
  );
});

test('a Node Buffer, whose slice() shares memory, is copied', () => {
  const original = Buffer.from([1, 2, 3]);
  const copy = copyPortable<Portable>(original) as Uint8Array;
  original[0] = 9;
  expect(copy).toEqual(new Uint8Array([1, 2, 3]));
});

test('shared memory is copied out of it', () => {
  const view = new Float32Array(new SharedArrayBuffer(8));
  expect((copyPortable(view) as Float32Array).buffer).toBeInstanceOf(ArrayBuffer);
  expect((messagePortable(view) as Float32Array).buffer).toBeInstanceOf(ArrayBuffer);
});

test('a message survives a structured clone, tensors as instances again', () => {
  fc.assert(
    fc.property(portable, (value) => {
      expect(reviveTensors(structuredClone(messagePortable(value)))).toStrictEqual(value);
    }),
  );
});

test('a message is no larger than its values', () => {
  const part = new Float32Array(1_000_000).subarray(10, 12);
  expect((messagePortable(part) as Float32Array).buffer.byteLength).toBe(8);
  const whole = new Float32Array(4);
  expect(messagePortable(whole)).toBe(whole);
  expect(messagePortable(whole, true)).not.toBe(whole);
});

test('only plain data is portable', () => {
  class Model {
    readonly weights = 1;
  }
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  for (const value of [
    new Model(),
    () => 1,
    Symbol('x'),
    new Map(),
    new Date(),
    cycle,
    [new Model()],
    Array(2),
    new DataView(new ArrayBuffer(1)),
  ]) {
    expect(isPortable(value)).toBe(false);
  }
  expect(isPortable({ a: [1, 'b', tensor('float32', [1]), null, undefined, 2n] })).toBe(true);
});

test.each<[string, unknown]>([
  ['a field beside those of a tensor', { type: 'uint8', dims: [1], data: new Uint8Array(1), normalize: true }],
  ['data of another type', { type: 'float32', dims: [1], data: new Int32Array(1) }],
  ['dims that are none', { type: 'uint8', dims: [0.5], data: new Uint8Array(1) }],
])('%s makes plain data of it, all of which counts', (_name, value) => {
  expect(isPortable(value)).toBe(true);
  expect(copyPortable(value as Portable)).toStrictEqual(value);
  expect(decodePortable(encodePortable(value as Portable))).toStrictEqual(value);
});

test.each<[string, unknown]>([
  [
    'a class with a field beside those of a tensor',
    new (class {
      type = 'uint8';
      dims = [1];
      data = new Uint8Array(1);
      scale = 2;
    })(),
  ],
  [
    'text among numbers of a string tensor',
    new (class {
      type = 'string';
      dims = [1];
      data = [1];
    })(),
  ],
  ['more dims than can be written', new Tensor('uint8', new Uint8Array(1), Array<number>(256).fill(1))],
  ['a symbol among the keys', { [Symbol('a')]: 1 }],
  ['a property beside the elements', Object.assign([1], { index: 1 })],
  ['fields that are inherited', Object.create(Object.assign(Object.create(null), { a: 1 }))],
])('%s is not portable', (_name, value) => {
  expect(isPortable(value)).toBe(false);
});

test('bytes are counted with what they hold', () => {
  const small = portableByteLength({ a: new Float32Array(1) });
  expect(portableByteLength({ a: new Float32Array(1001) }) - small).toBe(4000);
  expect(portableByteLength('x'.repeat(100))).toBeGreaterThanOrEqual(200);
});
