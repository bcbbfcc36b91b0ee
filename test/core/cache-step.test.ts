import { expect, test, vi } from 'vitest';
import { callableAdapter } from '../../src/adapters/callable.ts';
import { createCacheStep } from '../../src/cache/cache-step.ts';
import { InferenceCache } from '../../src/cache/inference-cache.ts';
import type { InferenceCall } from '../../src/call.ts';
import { sha256Hex } from '../../src/sha256.ts';

const model = async (): Promise<unknown> => undefined;

function setUp({
  digest = sha256Hex as (bytes: Uint8Array) => string | Promise<string>,
  adapter = callableAdapter({ deterministic: true }),
  l1MaxBytes = 1e6,
} = {}) {
  const cache = new InferenceCache({ digest, config: { l1MaxBytes } });
  const step = createCacheStep(cache);
  const run = vi.fn(async (call: InferenceCall): Promise<unknown> => ({ of: structuredClone(call.args) }));
  const call = (args: readonly unknown[], rest: Partial<InferenceCall> = {}): InferenceCall => ({
    model,
    modelId: 1,
    identity: undefined,
    entryPoint: '',
    adapter,
    options: {},
    source: 'model',
    deadlineAt: undefined,
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
  ['another tenant', { options: { tenant: 'other' } }],
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

test('an input that is changed after the call poisons no entry', async () => {
  const { ask, call } = setUp();
  const input = new Float32Array([1]);
  const answered = ask(call([input]));
  input[0] = 2;
  await answered;
  await expect(ask(call([new Float32Array([2])]))).resolves.toEqual({ of: [new Float32Array([2])] });
});

test('it works on its own, with copies both ways', () => {
  const cache = new InferenceCache();
  const answer = { embedding: new Float32Array([1, 2]) };
  cache.put(1, { text: 'a' }, answer);
  answer.embedding[0] = 9;
  expect(cache.get(1, { text: 'a' })).toEqual({ embedding: new Float32Array([1, 2]) });
  expect(cache.get(2, { text: 'a' })).toBeUndefined();
  cache.invalidateModel(1);
  expect(cache.get(1, { text: 'a' })).toBeUndefined();
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
