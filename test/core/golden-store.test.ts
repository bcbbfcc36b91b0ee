import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import type { CacheTier } from '../../src/cache/cache-tier.ts';
import type { Portable } from '../../src/portable.ts';
import { InputRedactor } from '../../src/privacy/input-redactor.ts';
import { callShape } from '../../src/call-shape.ts';
import { GoldenStore } from '../../src/safety/golden-store.ts';
import { tensor } from '../../src/tensor.ts';

/** A reference that answers with what it was asked, doubled. */
const double = async ([input]: readonly Portable[]): Promise<Portable> =>
  typeof input === 'string' ? input + input : Array.from(input as Float32Array, (each) => each * 2);

const numbers = (length: number, first = 0): Float32Array => Float32Array.from({ length }, (_, i) => first + i);

describe('shapes of calls', () => {
  test.each<[string, readonly Portable[], readonly Portable[], boolean]>([
    ['tensors of other values', [tensor('float32', [1, 2], [1, 2])], [tensor('float32', [3, 4], [1, 2])], true],
    ['tensors of other dims', [tensor('float32', [1, 2], [1, 2])], [tensor('float32', [1, 2], [2, 1])], false],
    ['tensors of other types', [tensor('float32', [1], [1])], [tensor('int32', [1], [1])], false],
    ['texts of much the same length', ['five!'], ['seven!!'], true],
    ['texts of other lengths', ['a'], ['a'.repeat(100)], false],
    ['named inputs', [{ a: numbers(1) }], [{ b: numbers(1) }], false],
    ['lists of other lengths', [['a', 'b']], [['a', 'b', 'c']], false],
    ['other numbers', [1], [2], true],
    ['nothing and a number', [null], [1], false],
  ])('%s', (_name, a, b, same) => {
    expect(callShape(a) === callShape(b)).toBe(same);
  });

  test('hold nothing of what is in a text', () => {
    expect(callShape(['a secret', { text: 'another secret' }])).not.toContain('secret');
  });
});

describe('goldens that are captured', () => {
  test('take the place of others where they have to be kept, though chance does not choose them', async () => {
    const store = new GoldenStore({ maxPerShape: 1, random: () => 0.99 });
    const capture = async (first: number, always?: boolean) =>
      store.capture('m', [numbers(3, first)], await double([numbers(3, first)]), double, always);
    expect(await capture(1)).toBeUndefined();
    expect(await capture(2)).toBe('enough');
    expect(await capture(3, true)).toBeUndefined();
    expect(store.get('m')).toMatchObject([{ inputs: [numbers(3, 3)] }]);
  });

  test('are copies, told from those that were made up, and asked first', async () => {
    const store = new GoldenStore();
    const input = numbers(3, 1);
    await store.generate('m', [[numbers(3)], [numbers(3, 5)]], double);
    expect(await store.capture('m', [input], await double([input]), double)).toBeUndefined();
    input.fill(9);
    const [first, ...others] = store.get('m');
    expect(first).toEqual({ inputs: [numbers(3, 1)], output: [2, 4, 6], origin: 'captured', shape: 'Float32Array[3]' });
    expect(others.map(({ origin }) => origin)).toEqual(['generated', 'generated']);
    expect(store.summary('m')).toMatchObject({ captured: 1, generated: 2, determinism: 'deterministic' });
    expect(store.get('another')).toEqual([]);
  });

  test('are different ones: the same again is no evidence more', async () => {
    const store = new GoldenStore({ redactor: new InputRedactor({ builtIns: ['email'] }) });
    for (const text of ['a', 'b', 'a', 'ann@example.com', 'bob@example.com'])
      await store.capture('m', [text], await double([text]), double);
    expect(store.get('m').map(({ inputs }) => inputs[0])).toEqual(['a', 'b', '[REDACTED]']);
    expect(store.summary('m').refused).toEqual({ known: 2 });
    // What was made up becomes what was asked.
    await store.generate('n', [[numbers(2)], [numbers(2, 7)]], double);
    expect(await store.capture('n', [numbers(2)], await double([numbers(2)]), double)).toBeUndefined();
    expect(store.summary('n')).toMatchObject({ captured: 1, generated: 2 });
  });

  test('hold nothing that is to be redacted, and their answers are those to what remains', async () => {
    const store = new GoldenStore({ redactor: new InputRedactor({ builtIns: ['email'] }) });
    const asked: string[] = [];
    const run = async (inputs: readonly Portable[]): Promise<Portable> => {
      asked.push(inputs[0] as string);
      return double(inputs);
    };
    await store.capture('m', ['to ann@example.com'], 'an answer to the secret', run);
    expect(asked).toEqual(['to [REDACTED]']);
    expect(store.get('m')).toMatchObject([{ inputs: ['to [REDACTED]'], output: 'to [REDACTED]to [REDACTED]' }]);
    const refusing = async (): Promise<Portable> => Promise.reject(new Error('no'));
    expect(await store.capture('m', ['bob@example.com'], '', refusing)).toBe('redacted');
    expect(store.summary('m').refused).toEqual({ redacted: 1 });
  });

  test('of one shape are a sample without bias, and none pushes out another shape', async () => {
    const kept = Array.from({ length: 40 }, () => 0);
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 2000; round++) {
      const store = new GoldenStore({ maxPerShape: 4, random });
      for (let i = 0; i < 40; i++) await store.capture('m', [numbers(1, i)], i, double);
      for (const { output } of store.get('m')) kept[output as number] = (kept[output as number] as number) + 1;
    }
    // Each is kept in one of ten rounds: a binomial with a standard deviation of 13.4.
    for (const count of kept) expect(Math.abs(count - 200)).toBeLessThan(70);
    const store = new GoldenStore({ maxPerShape: 2 });
    await store.capture('m', [numbers(9)], 'rare', double);
    for (let i = 0; i < 100; i++) await store.capture('m', [numbers(1, i)], i, double);
    expect(store.get('m', 'Float32Array[9]')).toMatchObject([{ output: 'rare' }]);
    expect(store.get('m')).toHaveLength(3);
  });

  test('never take more than they may', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ length: fc.integer({ min: 1, max: 60 }), value: fc.integer() }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        async (calls, maxShapes, maxPerShape) => {
          const store = new GoldenStore({ maxShapes, maxPerShape, maxBytes: 600 });
          for (const { length, value } of calls) await store.capture('m', [numbers(length, value)], value, double);
          const { bytes, shapes } = store.summary('m');
          expect(bytes).toBeLessThanOrEqual(600);
          expect(shapes.length).toBeLessThanOrEqual(maxShapes);
          for (const shape of shapes) {
            expect(store.get('m', shape).length).toBeLessThanOrEqual(maxPerShape);
            expect(store.get('m', shape).length).toBeGreaterThan(0);
          }
          // The last that fits is there, unless chance left it out.
          if (calls.length > 0 && maxPerShape > calls.length) expect(store.get('m').length).toBeGreaterThan(0);
        },
      ),
    );
    const small = new GoldenStore({ maxBytes: 100 });
    expect(await small.capture('m', [numbers(100)], 0, double)).toBe('too_large');
    expect(small.get('m')).toEqual([]);
  });

  test('give way to what was asked where they were made up', async () => {
    const store = new GoldenStore({ maxPerShape: 2, random: () => 0.999 });
    await store.generate('m', [[numbers(1)], [numbers(1, 5)]], double);
    for (let i = 0; i < 3; i++) await store.capture('m', [numbers(1, i)], i, double);
    expect(store.get('m').map(({ origin }) => origin)).toEqual(['captured', 'captured']);
  });
});

describe('goldens that are made up', () => {
  test('are none where the model refuses them, or answers all alike', async () => {
    const store = new GoldenStore();
    const inputs = [[numbers(1)], [numbers(1, 5)]];
    expect(await store.generate('m', inputs, async () => Promise.reject(new Error('no')))).toBe(0);
    expect(await store.generate('m', inputs, async () => [0, 0])).toBe(0);
    expect(await store.generate('m', [], double)).toBe(0);
    expect(store.get('m')).toEqual([]);
    expect(await store.generate('m', inputs, double)).toBe(2);
  });

  test('are none where equal inputs are not answered alike, and nor is anything captured', async () => {
    const store = new GoldenStore();
    let count = 0;
    expect(await store.generate('m', [[numbers(1)], [numbers(1, 5)]], async () => count++)).toBe(0);
    expect(store.summary('m').determinism).toBe('nondeterministic');
    expect(await store.capture('m', [numbers(1)], 1, double)).toBe('nondeterministic');
  });
});

test('a model that draws is found out later as well, and what was kept of it is gone', async () => {
  const store = new GoldenStore();
  await store.capture('m', [numbers(1)], 1, double);
  expect(await store.checkDeterminism('m', [numbers(1)], double)).toBe('deterministic');
  let count = 0;
  expect(await store.checkDeterminism('m', [numbers(1)], async () => count++)).toBe('nondeterministic');
  expect(await store.checkDeterminism('m', [numbers(1)], double)).toBe('nondeterministic');
  expect(store.get('m')).toEqual([]);
});

test('what is saved is there again, for the model it is of', async () => {
  const bytes = new MemoryStore();
  const tier = {
    get: (key, { model } = {}) => bytes.get(`${model} ${key}`),
    put: (key, value, { model } = {}) => bytes.put(`${model} ${key}`, value),
    delete: (key, { model } = {}) => bytes.delete(`${model} ${key}`),
  } as CacheTier;
  const first = new GoldenStore({ tier });
  await first.generate('m', [[numbers(2)], [numbers(2, 5)]], double);
  await first.capture('m', ['text'], 'texttext', double);
  await first.save('m');
  const second = new GoldenStore({ tier });
  expect(await second.restore('m')).toBe(3);
  expect(second.get('m')).toEqual(first.get('m'));
  expect(second.summary('m')).toEqual(first.summary('m'));
  expect(await second.restore('other')).toBe(0);
  second.forget('m');
  expect(await new GoldenStore({ tier }).restore('m')).toBe(0);
});

test.each(['maxPerShape', 'maxShapes', 'maxBytes'])('%s is a whole number from 1', (name) => {
  for (const value of [0, -1, 1.5, NaN, Infinity]) expect(() => new GoldenStore({ [name]: value })).toThrow(RangeError);
});
