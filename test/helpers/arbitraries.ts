/** Values for property tests. */

import * as fc from 'fast-check';
import { Tensor } from '../../src/tensor.ts';
import type { Portable } from '../../src/portable.ts';

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\ud800', '\udc00', '\ufffd', '__proto__'),
);

const typedArray = fc.oneof(
  fc.float32Array(),
  fc.float64Array(),
  fc.uint8Array(),
  fc.int8Array(),
  fc.uint8ClampedArray(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
);

const tensor = fc.oneof(
  fc.float32Array().map((data) => new Tensor('float32', data, [data.length])),
  fc.float32Array().map((data) => new Tensor('float32', data, [1, data.length])),
  fc.bigInt64Array().map((data) => new Tensor('int64', data, [data.length])),
  fc.uint16Array().map((data) => new Tensor('float16', data, [data.length])),
  fc.uint16Array().map((data) => new Tensor('uint16', data, [data.length])),
  fc.uint8Array().map((data) => new Tensor('bool', data, [data.length])),
  fc.uint8Array().map((data) => new Tensor('uint8', data, [data.length])),
  fc.array(text).map((data) => new Tensor('string', data, [data.length])),
);

const leaf = fc.oneof(
  fc.constantFrom(undefined, null, true, false, 0, -0, NaN, Infinity, 0n, -1n),
  fc.double(),
  fc.bigInt(),
  text,
  typedArray,
  tensor,
);

export const portable: fc.Arbitrary<Portable> = fc.letrec<{ value: Portable }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    leaf as fc.Arbitrary<Portable>,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4, noNullPrototype: true }) as fc.Arbitrary<Portable>,
  ),
})).value;
