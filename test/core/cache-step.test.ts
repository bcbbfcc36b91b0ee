import { describe, expect, test, vi } from 'vitest';
import { callableAdapter } from '../../src/adapters/callable.ts';
import { createCacheStep } from '../../src/cache/cache-step.ts';
import { InferenceCache } from '../../src/cache/inference-cache.ts';
import { LowerTiers } from '../../src/cache/lower-tiers.ts';
import { QuestionKeys } from '../../src/cache/question-keys.ts';
import type { InferenceCall } from '../../src/call.ts';
import type { Portable } from '../../src/portable.ts';
import { sha256Hex } from '../../src/sha256.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const model = async (): Promise<unknown> => undefined;

function setUp({
  digest = sha256Hex as (bytes: Uint8Array) => string | Promise<string>,
  adapter = callableAdapter({ deterministic: true }),
  l1MaxBytes = 1e6,
} = {}) {
  const cache = new InferenceCache({ config: { l1MaxBytes } });
  const step = createCacheStep(cache, digest);
  const run = vi.fn(async (call: InferenceCall): Promise<unknown> => ({ of: structuredClone(call.args) }));
  const call = (args: readonly unknown[], rest: Partial<InferenceCall> = {}): InferenceCall => ({
    model,
    modelId: 1,
    identity: undefined,
    entryPoint: '',
    adapter,
    cacheTenant: 'default',
    options: {},
    source: 'model',
    deadlineAt: undefined,
    deadlineMs: undefined,
    args,
    invoke: () => Promise.reject(new Error('the test answers')),
    ...rest,
  });
  return { cache, run, call, ask: (asked: InferenceCall) => step(asked, run) };
}

test('an equal call is answered from the cache, with a copy', async () => {
  const { ask, call, run } = setUp();
  const first = (await ask(call([new Float32Array([1])]))) as { of: Float32Array[] };
  (first.of[0] as Float32Array)[0] = 9;
  const again = call([new Float32Array([1])]);
  const second = (await ask(again)) as { of: Float32Array[] };
  expect(second.of[0]).toEqual(new Float32Array([1]));
  (second.of[0] as Float32Array)[0] = 9;
  expect(await ask(call([new Float32Array([1])]))).toEqual({ of: [new Float32Array([1])] });
  expect(again.source).toBe('l1');
  expect(run).toHaveBeenCalledOnce();
});

test.each<[string, Partial<InferenceCall>]>([
  ['another tenant', { cacheTenant: 'other' }],
  ['another model', { modelId: 2 }],
  ['another entry point', { entryPoint: 'generate' }],
  ['another identity', { identity: 'other' }],
])('%s has its own answers', async (_name, other) => {
  const { ask, call, run } = setUp();
  await ask(call([1]));
  await ask(call([1], other));
  expect(run).toHaveBeenCalledTimes(2);
});

test('the same identity shares answers between models', async () => {
  const { ask, call, run } = setUp();
  await ask(call([1], { modelId: 1, identity: 'sha' }));
  await ask(call([1], { modelId: 2, identity: 'sha' }));
  expect(run).toHaveBeenCalledOnce();
});

test('equal calls in flight share one run, and each has its own answer', async () => {
  const { ask, call, run, cache } = setUp();
  const [a, b] = (await Promise.all([ask(call([[1]])), ask(call([[1]]))])) as { of: unknown[] }[];
  expect(run).toHaveBeenCalledOnce();
  expect(a).toEqual(b);
  expect(a).not.toBe(b);
  expect(a?.of).not.toBe(b?.of);
  expect(cache.getStats().shared).toBe(1);
});

test('an answer that cannot be copied is not shared: each caller asks the model', async () => {
  const { ask, call, run, cache } = setUp();
  run.mockImplementation(async () => ({ stream: () => undefined }));
  const [a, b] = await Promise.all([ask(call([1])), ask(call([1]))]);
  expect(a).not.toBe(b);
  expect(run).toHaveBeenCalledTimes(2);
  expect(cache.getStats()).toMatchObject({ entries: 0, refused: { not_portable: 1 } });
});

test('what cannot be cached is counted with its reason, and passed on', async () => {
  const { ask, call, run, cache } = setUp({ adapter: callableAdapter() });
  await ask(call([1]));
  await ask(call([1]));
  expect(run).toHaveBeenCalledTimes(2);
  expect(cache.getStats().refused).toEqual({ unknown: 2 });
});

test('inputs without a portable form are passed on and counted', async () => {
  const { ask, call, cache, run } = setUp();
  run.mockResolvedValue(1);
  await expect(ask(call([() => 1]))).resolves.toBe(1);
  expect(cache.getStats().refused).toEqual({ not_portable: 1 });
});

test('a failure is not kept', async () => {
  const { ask, call, run } = setUp();
  run.mockRejectedValueOnce(new Error('once'));
  await expect(ask(call([1]))).rejects.toThrow('once');
  await expect(ask(call([1]))).resolves.toEqual({ of: [1] });
});

test('an answer larger than the cache is given, not kept, and counted', async () => {
  const { ask, call, run, cache } = setUp({ l1MaxBytes: 1000 });
  run.mockResolvedValue(new Uint8Array(2000));
  await ask(call([1]));
  await ask(call([1]));
  expect(run).toHaveBeenCalledTimes(2);
  expect(cache.getStats().refused).toEqual({ too_large: 2 });
});

test('an answer of before an invalidation is never kept for after it', async () => {
  const { ask, call, run, cache } = setUp();
  let answer: (value: unknown) => void = () => undefined;
  run.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
  const old = ask(call([1]));
  cache.invalidateModel(1);
  const fresh = ask(call([1]));
  answer('old weights');
  await expect(old).resolves.toBe('old weights');
  await expect(fresh).resolves.toEqual({ of: [1] });
  await expect(ask(call([1]))).resolves.toEqual({ of: [1] });
  expect(run).toHaveBeenCalledTimes(2);
  expect(cache.getStats().refused).toEqual({ invalidated: 1 });
});

test('an input that is changed while its key is computed poisons no entry', async () => {
  const { ask, call, run, cache } = setUp({ digest: async (bytes) => sha256Hex(bytes) });
  // Long enough to be hashed: a short question is its own key, at once.
  const inputOf = (first: number): Float32Array => new Float32Array(200).fill(first, 0, 1);
  const input = inputOf(1);
  const answered = ask(call([input]));
  input[0] = 2;
  await expect(answered).resolves.toEqual({ of: [inputOf(2)] });
  await expect(ask(call([inputOf(1)]))).resolves.toEqual({ of: [inputOf(1)] });
  expect(run).toHaveBeenCalledTimes(2);
  expect(cache.getStats().refused).toEqual({ input_changed: 1 });
});

test.each([
  ['short', 1],
  ['long enough to be hashed', 200],
])('an input, %s, that is changed while the model may still read it poisons no entry', async (_name, length) => {
  const inputOf = (first: number): Float32Array => new Float32Array(length).fill(first, 0, 1);
  for (const digest of [sha256Hex, async (bytes: Uint8Array) => sha256Hex(bytes)]) {
    const { ask, call, run, cache } = setUp({ digest });
    // As frameworks do: the input is read some time after the call.
    run.mockImplementation(async (asked) => {
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      return { of: structuredClone(asked.args) };
    });
    const input = inputOf(1);
    const mine = ask(call([input]));
    const joined = ask(call([inputOf(1)]));
    while (run.mock.calls.length === 0) await Promise.resolve();
    input[0] = 2;
    await expect(mine).resolves.toEqual({ of: [inputOf(2)] });
    await expect(joined).resolves.toEqual({ of: [inputOf(1)] });
    await expect(ask(call([inputOf(1)]))).resolves.toEqual({ of: [inputOf(1)] });
    expect(cache.getStats()).toMatchObject({ entries: 1, refused: { input_changed: 1 } });
  }
});

describe('answers that come in parts', () => {
  const parts = async function* (...values: readonly unknown[]): AsyncGenerator<unknown> {
    for (const value of values) yield value;
  };
  const collect = async (stream: unknown): Promise<unknown[]> => {
    const all: unknown[] = [];
    for await (const part of stream as AsyncIterable<unknown>) all.push(part);
    return all;
  };

  test('are given as they come, and again as they came', async () => {
    const { ask, call, run, cache } = setUp();
    run.mockImplementation(async () => parts({ text: 'a' }, { text: 'b' }));
    const first = (await ask(call([1]))) as AsyncIterable<{ text: string }>;
    const seen: string[] = [];
    for await (const part of first) {
      seen.push(part.text);
      part.text = 'changed';
    }
    expect(seen).toEqual(['a', 'b']);
    const again = call([1]);
    expect(await collect(await ask(again))).toEqual([{ text: 'a' }, { text: 'b' }]);
    expect(again.source).toBe('l1');
    expect(run).toHaveBeenCalledOnce();
    expect(cache.getStats()).toMatchObject({ entries: 1, refused: {} });
  });

  test('of a stream that cannot be iterated are kept as well, and it is cancelled where it is left', async () => {
    const { ask, call, run, cache } = setUp();
    let cancelled = 0;
    const streamOf = (values: readonly unknown[]): ReadableStream<unknown> => {
      const stream = new ReadableStream({
        pull: (controller) =>
          values.length === 0 ? controller.close() : controller.enqueue((values as unknown[]).shift()),
        cancel: () => void cancelled++,
      });
      return new Proxy(stream, {
        has: (target, name) => name !== Symbol.asyncIterator && Reflect.has(target, name),
        get: (target, name) => {
          const value: unknown = name === Symbol.asyncIterator ? undefined : Reflect.get(target, name, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    };
    run.mockImplementation(async ({ args }) => streamOf(args[0] === 'a' ? ['x', 'y'] : ['z', 'z']));
    expect(await collect(await ask(call(['a'])))).toEqual(['x', 'y']);
    expect(await collect(await ask(call(['a'])))).toEqual(['x', 'y']);
    for await (const part of (await ask(call(['b']))) as AsyncIterable<unknown>) {
      expect(part).toBe('z');
      break;
    }
    expect(cancelled).toBe(1);
    expect(run).toHaveBeenCalledTimes(2);
    expect(cache.getStats().refused).toEqual({ stream_ended_early: 1 });
  });

  test('stay a ReadableStream where they are one', async () => {
    const { ask, call, run } = setUp();
    run.mockImplementation(async () => new Response('answer').body);
    const first = await ask(call([1]));
    expect(first).toBeInstanceOf(ReadableStream);
    const bytes = await collect(first);
    const again = await ask(call([1]));
    expect(again).toBeInstanceOf(ReadableStream);
    expect(await collect(again)).toEqual(bytes);
    expect(run).toHaveBeenCalledOnce();
  });

  test.each<[string, (stream: AsyncGenerator<unknown>) => Promise<unknown>, () => AsyncGenerator<unknown>]>([
    ['left', (stream) => stream.next().then(() => stream.return(undefined)), () => parts(1, 2)],
    [
      'failed',
      collect,
      async function* () {
        yield 1;
        throw new Error('broken');
      },
    ],
  ])('are not kept where they were %s', async (_name, read, make) => {
    const { ask, call, run, cache } = setUp();
    run.mockImplementation(async () => make());
    await read((await ask(call([1]))) as AsyncGenerator<unknown>).catch(() => undefined);
    expect(cache.getStats()).toMatchObject({ entries: 0, refused: { stream_ended_early: 1 } });
  });

  test('are not kept where they are larger than the cache, or no plain data, and are given all the same', async () => {
    const { ask, call, run, cache } = setUp({ l1MaxBytes: 1000 });
    run.mockImplementationOnce(async () => parts(new Uint8Array(600), new Uint8Array(600), 'end'));
    expect(await collect(await ask(call([1])))).toHaveLength(3);
    run.mockImplementationOnce(async () => parts(1, () => 2));
    expect(await collect(await ask(call([2])))).toHaveLength(2);
    expect(cache.getStats()).toMatchObject({ entries: 0, refused: { too_large: 1, not_portable: 1 } });
  });

  test('of equal calls in flight each caller has its own', async () => {
    const { ask, call, run } = setUp();
    run.mockImplementation(async () => parts(1, 2));
    const all = await Promise.all([ask(call([1])), ask(call([1]))]);
    expect(await Promise.all(all.map(collect))).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(run).toHaveBeenCalledTimes(2);
  });
});

test.each<[string, unknown]>([
  ['an ArrayBuffer', new Uint8Array([1]).buffer],
  ['a Map', new Map([[1, 2]])],
  ['a Date', new Date(0)],
  ['a function', () => 1],
  ['a symbol', Symbol('a')],
])('%s, which no key could tell from another, is refused', async (_name, value) => {
  const cache = new InferenceCache();
  await expect(cache.get(1, value as never)).rejects.toThrow(TypeError);
  await expect(cache.put(1, 'a', [value] as never)).rejects.toThrow(TypeError);
  const keys = new QuestionKeys(cache, sha256Hex);
  expect(() => keys.keyOf({ modelId: 1, entryPoint: '', args: [value] as never })).toThrow(TypeError);
});

test('a tenant that is invalidated asks anew, and nobody else', async () => {
  const { ask, call, run, cache } = setUp();
  for (const tenant of ['a', 'b']) await ask(call([1], { cacheTenant: tenant }));
  let answer: (value: unknown) => void = () => undefined;
  run.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
  const old = ask(call([2], { cacheTenant: 'a' }));
  await cache.invalidateTenant('a');
  answer('of before');
  await expect(old).resolves.toBe('of before');
  run.mockClear();
  await ask(call([1], { cacheTenant: 'b' }));
  expect(run).not.toHaveBeenCalled();
  for (const input of [1, 2]) await ask(call([input], { cacheTenant: 'a' }));
  expect(run).toHaveBeenCalledTimes(2);
});

test('a model that is invalidated asks anew, and so does another of its identity', async () => {
  const { ask, call, run, cache } = setUp();
  cache.identify(1, 'sha');
  await ask(call([1], { modelId: 1, identity: 'sha' }));
  await cache.invalidateModel(1);
  await ask(call([1], { modelId: 2, identity: 'sha' }));
  expect(run).toHaveBeenCalledTimes(2);
});

describe('a model whose answers are another’s from now on', () => {
  test('is not given what it answered before, until they are its own again', async () => {
    const { ask, call, run, cache } = setUp();
    cache.identify(1, 'exact');
    await ask(call([1], { modelId: 1, identity: 'exact' }));
    cache.identify(1, 'int8');
    await ask(call([1], { modelId: 1, identity: 'int8' }));
    expect(run).toHaveBeenCalledTimes(2);
    cache.identify(1, 'exact');
    await ask(call([1], { modelId: 1, identity: 'exact' }));
    expect(run).toHaveBeenCalledTimes(2);
  });

  test.each(['before', 'after'])('keeps nothing that was under way %s it changed', async (when) => {
    const { ask, call, run, cache } = setUp();
    cache.identify(1, 'exact');
    let answer: (value: unknown) => void = () => undefined;
    run.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
    if (when === 'after') cache.identify(1, 'int8');
    const identity = when === 'after' ? 'int8' : 'exact';
    const running = ask(call([1], { modelId: 1, identity }));
    cache.identify(1, when === 'after' ? 'exact' : 'int8');
    answer('nobody knows whose');
    await expect(running).resolves.toBe('nobody knows whose');
    await ask(call([1], { modelId: 1, identity }));
    expect(run).toHaveBeenCalledTimes(2);
    expect(cache.getStats().refused.invalidated).toBe(1);
  });

  test('and is invalidated, forgets what it answered as either', async () => {
    const { ask, call, run, cache } = setUp();
    cache.identify(1, 'exact');
    await ask(call([1], { modelId: 1, identity: 'exact' }));
    cache.identify(1, 'int8');
    await ask(call([1], { modelId: 1, identity: 'int8' }));
    await cache.invalidateModel(1);
    for (const identity of ['exact', 'int8']) await ask(call([1], { modelId: 2, identity }));
    expect(run).toHaveBeenCalledTimes(4);
  });

  test('and has no identity, is not given what it answered before', async () => {
    const { ask, call, run, cache } = setUp();
    await ask(call([1], { modelId: 1 }));
    cache.answersOtherwise(1);
    await ask(call([1], { modelId: 1 }));
    expect(run).toHaveBeenCalledTimes(2);
  });
});

test('a model that is garbage takes nothing with it that is kept by its identity, and is no invalidation', async () => {
  const { ask, call, run, cache } = setUp();
  cache.identify(1, 'sha');
  await ask(call([1], { modelId: 1, identity: 'sha' }));
  await ask(call([1], { modelId: 3 }));
  cache.forgetModel(1);
  cache.forgetModel(3);
  await ask(call([1], { modelId: 2, identity: 'sha' }));
  expect(run).toHaveBeenCalledTimes(2);
  expect(cache.getStats()).toMatchObject({ entries: 1, invalidations: 0 });
});

test('it works on its own, with copies both ways', async () => {
  const cache = new InferenceCache();
  const answer = { embedding: new Float32Array([1, 2]) };
  await cache.put(1, { text: 'a' }, answer);
  answer.embedding[0] = 9;
  expect(await cache.get(1, { text: 'a' })).toEqual({ embedding: new Float32Array([1, 2]) });
  expect(await cache.get(2, { text: 'a' })).toBeUndefined();
  await cache.invalidateModel(1);
  expect(await cache.get(1, { text: 'a' })).toBeUndefined();
  expect(cache.getStats()).toMatchObject({
    hits: 1,
    misses: 2,
    hitRate: 1 / 3,
    puts: 1,
    entries: 0,
    bytes: 0,
    invalidations: 1,
  });
});

describe('questions that never repeat', () => {
  test('go past the cache after a thousand of them, but for a sample, until one is seen to repeat', async () => {
    const { ask, call, cache } = setUp();
    for (let i = 0; i < 1024; i++) await ask(call([i]));
    expect(cache.getStats().refused).toEqual({});
    for (let i = 1024; i < 9216; i++) await ask(call([i]));
    const { refused, misses } = cache.getStats();
    expect(refused.never_repeats).toBeGreaterThan(7500);
    expect(misses - 1024 + (refused.never_repeats as number)).toBe(8192);

    // One question over and over is found in the next sample.
    for (let i = 0; i < 1024; i++) await ask(call(['again']));
    const before = cache.getStats();
    expect(before.hits).toBeGreaterThan(0);
    await ask(call(['new']));
    await ask(call(['new']));
    expect(cache.getStats()).toMatchObject({ hits: before.hits + 1, refused: before.refused });
  });

  test.each([
    ['are all looked for where persistent tiers keep them for a later time', 0.1, 0],
    ['go past persistent tiers as well, where those cost much of what a run does', 1, 6000],
  ])('%s', async (_name, costMs, bypassed) => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const encode = (value: unknown): Portable => {
      now += costMs;
      return value as Portable;
    };
    const adapter = callableAdapter({ deterministic: true, encode: (_model, _call, output) => encode(output) });
    const { ask, call, cache, run } = setUp({ adapter });
    run.mockImplementation(async () => {
      now += 10;
      return 1;
    });
    const clock = createFakeClock();
    const lower = new LowerTiers({ tiers: [], clock, digest: sha256Hex, ttlMs: 1e6, waitUntil: () => undefined });
    cache.attach(Promise.resolve(lower));
    await cache.lower;
    for (let i = 0; i < 8192; i++) await ask(call([i], { identity: 'kept' }));
    vi.mocked(performance.now).mockRestore();
    const { misses, refused } = cache.getStats();
    expect(misses + (refused.never_repeats ?? 0)).toBe(8192);
    if (bypassed === 0) expect(refused).toEqual({});
    else expect(refused.never_repeats).toBeGreaterThan(bypassed);
  });

  test('are those of one model, and none where equal ones are asked at once', async () => {
    const { ask, call, cache } = setUp();
    for (let i = 0; i < 600; i++) await Promise.all([ask(call([i])), ask(call([i]))]);
    const other = async (): Promise<unknown> => undefined;
    for (let i = 0; i < 1000; i++) await ask(call([i], { model: other, modelId: 2 }));
    expect(cache.getStats().refused).toEqual({});
  });
});
