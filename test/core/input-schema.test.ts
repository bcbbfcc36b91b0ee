import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { FieldSpec, inferSchema, InputSchema } from '../../src/safety/input-schema.ts';
import type { FieldSpecInit } from '../../src/safety/input-schema.ts';
import { InputSchemaValidator } from '../../src/safety/input-schema-validator.ts';
import { tensor } from '../../src/tensor.ts';
import { portable } from '../helpers/arbitraries.ts';

const tokens = new InputSchemaValidator(
  new InputSchema({
    fields: {
      input_ids: new FieldSpec({ dtype: 'int64', shape: [-1, 128], minVal: 0, maxVal: 30_522 }),
      attention_mask: new FieldSpec({ dtype: 'int64', shape: [-1, 128], minVal: 0, maxVal: 1 }),
    },
  }),
);

const ids = (rows: number, width = 128, value = 0n) =>
  tensor('int64', new BigInt64Array(rows * width).fill(value), [rows, width]);

/** What is wrong with one value, as sentences without the field's name. */
function problems(spec: FieldSpecInit, value: unknown): readonly string[] {
  const { valid, errors } = new InputSchemaValidator({ fields: { x: spec } }).validate({ x: value });
  expect(valid).toBe(errors.length === 0);
  return errors.map((error) => String(error).replace(/^x: /, ''));
}

test('inputs that fit are valid, of any size where the schema says so', () => {
  for (const rows of [0, 1, 4])
    expect(tokens.validate({ input_ids: ids(rows), attention_mask: ids(rows, 128, 1n) })).toEqual({
      valid: true,
      errors: [],
    });
});

test('all errors come at once, each naming the field, what was expected and what there is', () => {
  const wrong = ids(2, 127, 1n);
  wrong.data[5] = 2n;
  wrong.data[9] = -1n;
  const { valid, errors } = tokens.validate({ attention_mask: wrong });
  expect(valid).toBe(false);
  expect(errors.map(({ field, problem, expected, got }) => ({ field, problem, expected, got }))).toEqual([
    { field: 'input_ids', problem: 'missing', expected: 'int64 of the shape [-1, 128]', got: 'nothing' },
    { field: 'attention_mask', problem: 'shape', expected: [-1, 128], got: [2, 127] },
    {
      field: 'attention_mask',
      problem: 'range',
      expected: { minVal: 0, maxVal: 1 },
      got: { value: 2n, index: 5, count: 2 },
    },
  ]);
  expect(errors.map(String)).toEqual([
    'input_ids: expected int64 of the shape [-1, 128], got nothing.',
    'attention_mask: expected the shape [-1, 128], got [2, 127].',
    'attention_mask: expected values from 0 to 1, got 2 at 5, and 1 more.',
  ]);
  expect(errors.map(({ message }) => message)).toEqual(errors.map(String));
});

test('fields may be left out where they are not required, and others may be there', () => {
  const validator = new InputSchemaValidator({ fields: { x: { dtype: 'float32', required: false } } });
  expect(validator.validate({ y: 1 }).valid).toBe(true);
  expect(validator.validate({ x: undefined }).valid).toBe(true);
  expect(validator.validate({ x: 'text' }).valid).toBe(false);
});

test.each<[string, FieldSpecInit, unknown, readonly string[]]>([
  ['a typed array', { dtype: 'float32', shape: [3] }, new Float32Array(3), []],
  [
    'a typed array of another type',
    { dtype: 'float32' },
    new Float64Array(3),
    ['expected float32, got a Float64Array.'],
  ],
  ['bytes for booleans', { dtype: 'bool' }, new Uint8Array(3), []],
  [
    'patterns of half floats',
    { dtype: 'float16', maxVal: 1 },
    Uint16Array.of(0x3c00, 0x3c01),
    ['expected values up to 1, got 1.0009765625 at 1.'],
  ],
  [
    'half floats in a tensor',
    { minVal: 0 },
    tensor('float16', Uint16Array.of(0x3c00, 0xbc00)),
    ['expected values from 0, got -1 at 1.'],
  ],
  ['a number', { dtype: 'float32', shape: [] }, 0.5, []],
  ['a number where a list is due', { dtype: 'float32', shape: [-1] }, 0.5, ['expected the shape [-1], got [].']],
  ['a fraction for a whole number', { dtype: 'int32' }, 0.5, ['expected int32, got 0.5.']],
  ['a number that the type cannot hold', { dtype: 'uint8' }, 256, ['expected uint8, got 256.']],
  ['a bigint', { dtype: 'int64', minVal: 0 }, 5n, []],
  ['a bigint that is too large', { dtype: 'int64' }, 2n ** 63n, ['expected int64, got 9223372036854775808n.']],
  ['a bigint for a double', { dtype: 'float64' }, 5n, ['expected float64, got 5n.']],
  ['a number that a float cannot hold', { dtype: 'float32' }, 1e39, ['expected float32, got 1e+39.']],
  ['Infinity', { dtype: 'float32' }, Infinity, []],
  ['NaN in a range', { dtype: 'float32', minVal: 0 }, [NaN], ['expected values from 0, got NaN at 0.']],
  ['NaN without one', { dtype: 'float32' }, [NaN], []],
  ['a text', { dtype: 'string', shape: [] }, 'hello', []],
  ['texts', { dtype: 'string', shape: [2] }, ['a', 'b'], []],
  ['a tensor of texts', { dtype: 'string', shape: [2] }, tensor('string', ['a', 'b']), []],
  [
    'a text among numbers',
    { dtype: 'float32', shape: [3] },
    [1, 'b', 2],
    ['expected float32, got the text "b" at [1].'],
  ],
  ['a boolean', { dtype: 'bool' }, [true, false, 0, 1], []],
  ['another number for one', { dtype: 'bool' }, 2, ['expected bool, got 2.']],
  [
    'rows',
    { dtype: 'int64', shape: [2, -1], maxVal: 9 },
    [
      [1, 2, 3],
      [4, 5, 60],
    ],
    ['expected values up to 9, got 60 at 5.'],
  ],
  [
    'rows of typed arrays',
    { dtype: 'float32', shape: [2, 2], maxVal: 3 },
    [Float32Array.of(1, 2), Float32Array.of(3, 4)],
    ['expected values up to 3, got 4 at 3.'],
  ],
  [
    'ragged rows',
    { dtype: 'int64', shape: [2, -1] },
    [[1, 2], [3]],
    ['expected the shape [2, -1], got rows of different shapes, as at 1.'],
  ],
  [
    'what is deep inside',
    { dtype: 'int64' },
    [
      [1, 2],
      [3, null],
    ],
    ['expected int64, got null at [1][1].'],
  ],
  ['no rows', { dtype: 'int64', shape: [-1, 3] }, [], ['expected the shape [-1, 3], got [0].']],
  ['null', {}, null, ['expected a tensor, a number or a text, got null.']],
  ['an object', {}, {}, ['expected a tensor, a number or a text, got an object that is no tensor.']],
  ['a function', { dtype: 'int8' }, () => 1, ['expected int8, got a function.']],
  ['a symbol', { dtype: 'int8' }, Symbol('x'), ['expected int8, got a symbol.']],
  ['anything of no specification', {}, [1, 2n, 'x'], []],
  [
    'all that is wrong',
    { dtype: 'int64', shape: [2], minVal: 0 },
    tensor('int32', [-1, 1, 1]),
    ['expected int64, got int32.', 'expected the shape [2], got [3].', 'expected values from 0, got -1 at 0.'],
  ],
  [
    'a bound that is a fraction, of 64-bit integers',
    { minVal: 0.5, maxVal: 1.5 },
    BigInt64Array.of(0n, 1n, 2n),
    ['expected values from 0.5 to 1.5, got 0 at 0, and 1 more.'],
  ],
  [
    'bounds of 64 bits',
    { minVal: 2n ** 60n, maxVal: Infinity },
    BigInt64Array.of(2n ** 60n - 1n, 2n ** 60n),
    ['expected values from 1152921504606846976, got 1152921504606846975 at 0.'],
  ],
])('%s', (_, spec, value, expected) => {
  const words = problems(spec, value).map((each) => each.replace(' to Infinity', ''));
  expect(words).toEqual(expected);
});

test('dims that are not those of the data are a shape that cannot be', () => {
  const lying = { type: 'int64', dims: [3], data: BigInt64Array.of(1n) };
  expect(problems({ shape: [-1] }, lying)).toEqual(['expected the shape [-1], got dims [3] with 1 elements.']);
  expect(problems({}, lying)).toEqual(['expected any shape, got dims [3] with 1 elements.']);
});

describe('hostile inputs are errors, and never thrown', () => {
  const revoked = () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  };
  const throwing = (key: string) =>
    Object.defineProperty({ type: 'int64', dims: [1], data: BigInt64Array.of(1n) }, key, {
      enumerable: true,
      get() {
        throw new Error(key);
      },
    });
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const detached = new BigInt64Array(4);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });

  test.each<[string, unknown]>([
    ['a revoked proxy', revoked()],
    ['a type that throws', throwing('type')],
    ['dims that throw', throwing('dims')],
    ['data that throws', throwing('data')],
    ['a list that holds itself', cyclic],
    ['a list of revoked proxies', [revoked()]],
    ['dims that are no sizes', { type: 'int64', dims: ['x'], data: BigInt64Array.of(1n) }],
    ['dims that are not those of the data', { type: 'int64', dims: [2 ** 40], data: BigInt64Array.of(1n) }],
    ['negative dims', { type: 'int64', dims: [-1], data: BigInt64Array.of(1n) }],
    ['thousands of dims', { type: 'int64', dims: Array<number>(100_000).fill(1), data: BigInt64Array.of(1n) }],
    ['data of another type', { type: 'int64', dims: [8], data: new Uint8Array(8) }],
    ['memory that is gone', detached],
    ['a view of bytes', new DataView(new ArrayBuffer(8))],
    ['holes only', Array(2 ** 32 - 1)],
    ['a number of millions of digits', -(10n ** 1_000_000n)],
    ['an object with a length', { length: 1e9, 0: 1n }],
  ])('%s', (_, value) => {
    const { valid, errors } = new InputSchemaValidator({
      fields: { x: { dtype: 'int64', shape: [1], minVal: 0 } },
    }).validate({
      x: value,
    });
    expect(valid).toBe(false);
    for (const { field, message } of errors) {
      expect(field).toBe('x');
      expect(message.length).toBeLessThan(200);
    }
  });

  test.each([undefined, null, 1, 'text', () => 1, Symbol('x'), 1n])('inputs that are none: %s', (inputs) => {
    expect(tokens.validate(inputs)).toMatchObject({ valid: false, errors: [{ field: 'inputs', problem: 'type' }] });
  });

  test('inputs that cannot be looked at', () => {
    expect(tokens.validate(revoked()).errors.map(({ problem }) => problem)).toEqual(['unreadable', 'unreadable']);
    const throws = new Proxy(
      {},
      {
        getOwnPropertyDescriptor: () => {
          throw new Error('no');
        },
      },
    );
    expect(tokens.validate(throws).valid).toBe(false);
  });

  test('what is inherited is not there', () => {
    const validator = new InputSchemaValidator({ fields: { constructor: {}, toString: {} } });
    expect(validator.validate({}).errors.map(({ problem }) => problem)).toEqual(['missing', 'missing']);
    const named = new InputSchemaValidator({
      fields: Object.fromEntries([['__proto__', { dtype: 'int64' as const }]]),
    });
    expect(named.validate({}).errors).toMatchObject([{ field: '__proto__', problem: 'missing' }]);
  });

  test('one list held many times over is looked at once', () => {
    let list: unknown[] = [1];
    for (let depth = 0; depth < 60; depth++) list = [list, list];
    expect(problems({ dtype: 'int64' }, list)).toEqual([]);
    for (let depth = 0; depth < 10; depth++) list = [list, list];
    expect(problems({ dtype: 'int64' }, list)[0]).toMatch(/nested too deep/);
  });
});

test('a tensor on a GPU is held to its type and dims, and is not read', () => {
  const onDevice = {
    type: 'float32',
    dims: [1, 3],
    location: 'gpu-buffer',
    get data(): never {
      throw new Error('The data is not on the CPU.');
    },
  };
  expect(problems({ dtype: 'float32', shape: [1, 3], minVal: 0 }, onDevice)).toEqual([]);
  expect(problems({ dtype: 'int64', shape: [2, 3] }, onDevice)).toEqual([
    'expected int64, got float32.',
    'expected the shape [2, 3], got [1, 3].',
  ]);
});

test('no portable value makes it throw, and it is not changed', () => {
  const dtype = fc.constantFrom('int64', 'float32', 'string', 'bool', 'uint8', undefined);
  const shape = fc.option(fc.array(fc.integer({ min: -1, max: 4 }), { maxLength: 3 }), { nil: undefined });
  fc.assert(
    fc.property(portable, dtype, shape, fc.boolean(), (value, type, dims, ranged) => {
      const before = structuredClone(value);
      const spec = { dtype: type, shape: dims, ...(ranged && type !== 'string' ? { minVal: 0, maxVal: 5 } : {}) };
      problems(spec, value);
      expect(structuredClone(value)).toStrictEqual(before);
    }),
  );
});

test('a tensor is valid exactly where its type, dims and every value fit', () => {
  const dims = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 });
  const wanted = fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 3 });
  fc.assert(
    fc.property(
      dims,
      wanted,
      fc.infiniteStream(fc.integer({ min: -3, max: 9 })),
      fc.boolean(),
      (sizes, shape, values, isWide) => {
        const count = sizes.reduce((product, dim) => product * dim, 1);
        const numbers = Array.from({ length: count }, () => values.next().value as number);
        const value = isWide ? tensor('int64', numbers, sizes) : tensor('int32', numbers, sizes);
        const isRight =
          isWide &&
          numbers.every((each) => each >= 0 && each <= 7) &&
          shape.length === sizes.length &&
          shape.every((dim, i) => dim === -1 || dim === sizes[i]);
        expect(problems({ dtype: 'int64', shape, minVal: 0, maxVal: 7 }, value).length === 0).toBe(isRight);
      },
    ),
  );
});

test('rows in lists are what a tensor of them is', () => {
  const rows = fc.integer({ min: 1, max: 4 }).chain((width) =>
    fc.array(fc.array(fc.integer({ min: -5, max: 5 }), { minLength: width, maxLength: width }), {
      minLength: 1,
      maxLength: 5,
    }),
  );
  fc.assert(
    fc.property(rows, (list) => {
      const flat = tensor('int32', list.flat(), [list.length, list[0]?.length ?? 0]);
      const spec = { dtype: 'int32', shape: [-1, 2], minVal: -3, maxVal: 3 } as const;
      expect(problems(spec, list)).toEqual(problems(spec, flat));
    }),
  );
});

test('a schema is made from what a model says of its inputs', () => {
  const { fields } = inferSchema({
    inputs: [
      { name: 'input_ids', type: 'int64', dims: ['batch', 128] },
      { name: 'pixels', type: 'float32', dims: [-1, 3, 224, 224] },
      { name: 'anything', type: undefined, dims: undefined },
    ],
  });
  expect(fields).toEqual({
    input_ids: new FieldSpec({ dtype: 'int64', shape: [-1, 128] }),
    pixels: new FieldSpec({ dtype: 'float32', shape: [-1, 3, 224, 224] }),
    anything: new FieldSpec({}),
  });
  expect(Object.values(fields).every(({ required }) => required)).toBe(true);
  expect(new InputSchemaValidator(inferSchema({ inputs: [] })).validate({ any: 1 }).valid).toBe(true);
});

test.each<[FieldSpecInit, string]>([
  [{ dtype: 'int65' as 'int64' }, 'fields.x.dtype'],
  [{ dtype: 'constructor' as 'int64' }, 'fields.x.dtype'],
  [{ shape: [-2] }, 'fields.x.shape'],
  [{ shape: [1.5] }, 'fields.x.shape'],
  [{ shape: 5 as unknown as number[] }, 'fields.x.shape'],
  [{ minVal: NaN }, 'fields.x.minVal'],
  [{ maxVal: '5' as unknown as number }, 'fields.x.maxVal'],
  [{ minVal: 2, maxVal: 1 }, 'fields.x.minVal'],
  [{ dtype: 'string', maxVal: 1 }, 'fields.x.maxVal'],
])('a specification that cannot be is refused: %j', (spec, field) => {
  const create = () => new InputSchema({ fields: { x: spec } });
  expect(create).toThrow(ConfigError);
  expect(create).toThrow(expect.objectContaining({ field }) as Error);
});
