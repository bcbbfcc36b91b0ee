import { createRequire } from 'node:module';
import { beforeAll, expect, expectTypeOf, test } from 'vitest';
import {
  callableAdapter,
  ClosedError,
  createEpochly,
  createRequestContext,
  InferenceConfig,
  runWithContext,
  sharedEpochly,
  tensor,
  unwrap,
  UnsupportedModelError,
  wrap,
} from 'epochly';
import type { InferenceConfigInit } from 'epochly';
import type { InferenceSession } from 'onnxruntime-node';
import { EMOTION, MOVENET, ort, tf, tfjsFiles, UPSCALER, USE_LITE, useLiteFeeds } from '../helpers/models.ts';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

test('an InferenceSession is wrapped, keeps its type, and answers from the cache the second time', async () => {
  const raw = await ort.InferenceSession.create(USE_LITE);
  const session = wrap(raw);
  expectTypeOf(session.run).toEqualTypeOf<InferenceSession['run']>();
  expect(session).toBeInstanceOf(ort.InferenceSession);
  expect(session.inputNames).toEqual(['input_ids', 'attention_mask']);
  expect(wrap(raw)).toBe(session);
  expect(wrap(session)).toBe(session);
  expect(unwrap(session)).toBe(raw);

  const expected = (await raw.run(useLiteFeeds(5, 40, 300)))['sentence_embedding'];
  const hits = sharedEpochly().cache.getStats().hits;
  const first = (await session.run(useLiteFeeds(5, 40, 300)))['sentence_embedding'];
  const changed = first?.data as Float32Array;
  changed.fill(0);
  const second = (await session.run(useLiteFeeds(5, 40, 300)))['sentence_embedding'];
  expect(second).toBeInstanceOf(ort.Tensor);
  expect(second?.dims).toEqual(expected?.dims);
  expect(second?.data).toEqual(expected?.data);
  expect(session.callCount).toBe(2);
  expect(sharedEpochly().cache.getStats().hits).toBe(hits + 1);
  await session.release();
});

test('sessions of two copies of onnxruntime in one process are both recognised', async () => {
  const web = createRequire(import.meta.url)('onnxruntime-web') as typeof import('onnxruntime-web');
  const session = wrap(await web.InferenceSession.create(USE_LITE));
  const feeds = {
    input_ids: new web.Tensor('int64', [5n, 40n], [1, 2]),
    attention_mask: new web.Tensor('int64', [1n, 1n], [1, 2]),
  };
  await session.run(feeds);
  const { sentence_embedding: again } = await session.run(feeds);
  expect(again).toBeInstanceOf(web.Tensor);
  const native = await ort.InferenceSession.create(USE_LITE);
  const { sentence_embedding: other } = await native.run(useLiteFeeds(5, 40));
  const expected = other?.data as Float32Array;
  const actual = again?.data as Float32Array;
  const difference = actual.map((each, i) => Math.abs(each - (expected[i] as number)));
  expect(Math.max(...difference)).toBeLessThan(1e-5);
});

test('calls with outputs that the caller allocated are not cached', async () => {
  const { cache, wrap: wrapHere } = createEpochly();
  const session = wrapHere(await ort.InferenceSession.create(USE_LITE));
  const output = new ort.Tensor('float32', new Float32Array(512), [1, 512]);
  await session.run(useLiteFeeds(5), { sentence_embedding: output });
  expect(cache.getStats().refused).toEqual({ side_effects: 1 });
});

test('a LayersModel stays synchronous; infer() takes the whole way', async () => {
  const { cache, wrap: wrapHere } = createEpochly();
  const model = wrapHere(await tf.loadLayersModel(await tfjsFiles(UPSCALER)));
  expect(model).toBeInstanceOf(tf.LayersModel);
  const input = tf.randomUniform([1, 8, 8, 3], 0, 255, 'float32', 7);
  const sync = model.predict(input) as InstanceType<typeof tf.Tensor>;
  expect(sync).toBeInstanceOf(tf.Tensor);
  const first = (await model.infer(input)) as typeof sync;
  const second = (await model.infer(input)) as typeof sync;
  expect(second).toBeInstanceOf(tf.Tensor);
  expect(second.shape).toEqual(sync.shape);
  expect(await second.data()).toEqual(await first.data());
  expect(await second.data()).toEqual(await sync.data());
  expect(cache.getStats()).toMatchObject({ hits: 1, misses: 1 });
  expect(model.callCount).toBe(3);

  model.setWeights(model.getWeights().map((each) => each.mul(2)));
  const changed = (await model.infer(input)) as typeof sync;
  expect(await changed.data()).not.toEqual(await first.data());
});

test('a GraphModel’s predictAsync and executeAsync are cached', async () => {
  const { cache, wrap: wrapHere } = createEpochly();
  const model = wrapHere(await tf.loadGraphModel(await tfjsFiles(EMOTION)));
  const shape = model.inputs[0]?.shape?.map((each) => (each < 0 ? 1 : each)) as number[];
  const input = tf.randomUniform(shape, 0, 1, 'float32', 3);
  const [first, second] = [await model.executeAsync(input), await model.executeAsync(input)] as InstanceType<
    typeof tf.Tensor
  >[];
  expect(await second?.data()).toEqual(await first?.data());
  expect(cache.getStats()).toMatchObject({ hits: 1, misses: 1 });
});

test('MoveNet, whose batch is fixed, runs wrapped', async () => {
  const model = wrap(await tf.loadGraphModel(await tfjsFiles(MOVENET)));
  const input = tf.zeros(model.inputs[0]?.shape as [number], 'int32');
  const output = model.execute(input) as InstanceType<typeof tf.Tensor>;
  expect(output.shape).toEqual([1, 1, 17, 3]);
});

test('models and pipelines of transformers.js are callable as before; what can be kept is cached', async () => {
  const { AutoModel, env, pipeline, Tensor } = await import('@huggingface/transformers');
  env.allowRemoteModels = false;
  env.localModelPath = new URL('../../demo/models/', import.meta.url).pathname;
  const options = { subfolder: '', model_file_name: 'model_fp32', dtype: 'fp32' } as const;
  const { cache, wrap: wrapHere } = createEpochly();
  const model = wrapHere(await AutoModel.from_pretrained('use-lite', options));
  expect(typeof model).toBe('function');
  const feeds = {
    input_ids: new Tensor('int64', [5n, 40n], [1, 2]),
    attention_mask: new Tensor('int64', [1n, 1n], [1, 2]),
  };
  const { sentence_embedding: first } = await model(feeds);
  const { sentence_embedding: second } = await model(feeds);
  expect(second).toBeInstanceOf(Tensor);
  expect(second).not.toBe(first);
  expect(second.data).toEqual(first.data);
  expect(cache.getStats()).toMatchObject({ hits: 1, misses: 1 });

  const raw = await pipeline('feature-extraction', 'use-lite', options);
  const embed = wrapHere(raw);
  expect(typeof embed).toBe('function');
  expect(embed.task).toBe('feature-extraction');
  for (const part of ['tokenizer', 'model'] as const) expect(embed[part]).toBe(raw[part]);
  expect(wrapHere(embed.model).unwrapped).toBe(raw.model);
  expect(embed.tokenizer.encode('The cat')).toEqual(raw.tokenizer.encode('The cat'));
  await embed('The cat sat on the mat.');
  expect(embed.callCount).toBe(1);
});

test('any callable is wrapped with an adapter; without one nothing else is', async () => {
  const raw = async (text: string): Promise<string> => text.toUpperCase();
  expect(() => wrap(raw)).toThrow(UnsupportedModelError);
  expect(() => wrap(raw)).toThrow(TypeError);
  const shout = wrap(raw, { adapter: callableAdapter({ deterministic: true }) });
  expectTypeOf(shout).returns.toEqualTypeOf<Promise<string>>();
  await expect(shout('a')).resolves.toBe('A');
  await shout('a');
  expect(shout.callCount).toBe(2);
});

test.each([
  null,
  undefined,
  3,
  'model',
  {},
  [],
  { run() {} },
  { predict() {} },
  tensor('float32', [1]),
  new Proxy(
    {},
    {
      get() {
        throw new Error('hostile');
      },
    },
  ),
])('%# is no model: a TypeError that names what is', (value) => {
  expect(() => wrap(value as object)).toThrow(/InferenceSession.*LayersModel.*GraphModel.*Pipeline/s);
});

test('a registered adapter is asked first, and gone when disposed of', async () => {
  const epochly = createEpochly();
  const mine = { answer: async () => 42 };
  const registration = epochly.registerAdapter(
    callableAdapter({
      name: 'mine',
      entryPoints: [{ name: 'answer', kind: 'async' }],
      detect: (value) => value === mine,
    }),
  );
  await expect(epochly.wrap(mine).answer()).resolves.toBe(42);
  registration[Symbol.dispose]();
  expect(() => epochly.wrap({ answer: async () => 1 })).toThrow(UnsupportedModelError);
});

test('at level 0 nothing is reused; disabled, nothing is either', async () => {
  for (const config of [{ maxLevel: 0 }, { enabled: false }, { cache: { enabled: false } }]) {
    const epochly = createEpochly({ config });
    const model = epochly.wrap(async () => ({}), { adapter: callableAdapter({ deterministic: true }) });
    await model();
    await model();
    expect(epochly.cache.getStats()).toMatchObject({ hits: 0, misses: 0 });
    expect(epochly.optimizer.explain(model.modelId)?.steps.cache).toMatchObject({
      on: false,
      reason: expect.any(String),
    });
  }
});

test('a model’s configuration may be a part of one: what it does not give is that of the others', async () => {
  const epochly = createEpochly({ config: { cache: { ttlSeconds: 60 }, batching: { enabled: false } } });
  const explain = (config: InferenceConfigInit) => {
    const { modelId } = epochly.wrap(async () => 1, { adapter: callableAdapter({ deterministic: true }), config });
    return epochly.optimizer.explain(modelId)?.steps;
  };
  expect(explain({ cache: { l1Size: 5 } })).toMatchObject({ cache: { on: true }, batching: { on: false } });
  expect(explain({ batching: { enabled: true } })).toMatchObject({ cache: { on: true }, batching: { on: true } });
  expect(explain({ maxLevel: 0 })?.cache.on).toBe(false);
  expect(explain(new InferenceConfig())?.batching.on).toBe(true);
  const wrong = { cache: { l1Sise: 5 } } as InferenceConfigInit;
  expect(() => explain(wrong)).toThrow(expect.objectContaining({ code: 'CONFIG', field: 'cache.l1Sise' }));
  // Told before a host is opened, which nobody could close.
  const missing = epochly.load('no such model.onnx', { config: wrong });
  await expect(missing).rejects.toMatchObject({ code: 'CONFIG', field: 'cache.l1Sise' });
});

test('a model that is wrapped already is given back; other options than its own are refused, not passed over', () => {
  const epochly = createEpochly();
  const adapter = callableAdapter();
  const model = async (): Promise<number> => 1;
  const options = { adapter, identity: 'v1', config: { maxLevel: 1 } };
  const proxy = epochly.wrap(model, options);
  for (const given of [model, proxy]) {
    for (const same of [{}, options, { identity: 'v1' }, { config: new InferenceConfig({ maxLevel: 1 }) }]) {
      expect(epochly.wrap(given, same)).toBe(proxy);
    }
    for (const [field, other] of [
      ['adapter', { adapter: callableAdapter() }],
      ['identity', { identity: 'v2' }],
      ['config', { config: { maxLevel: 2 } }],
    ] as const) {
      expect(() => epochly.wrap(given, { ...options, ...other })).toThrow(
        expect.objectContaining({ code: 'CONFIG', field, message: expect.stringMatching(/wrapped already.*unwrap/s) }),
      );
    }
  }
  const view = proxy.with({ tenant: 'a' });
  expect(epochly.wrap(view, options)).toBe(view);

  const another = createEpochly();
  expect(another.wrap(proxy)).toBe(proxy);
  expect(() => another.wrap(proxy, { identity: 'v1' })).toThrow(/wrapped already/);
  expect(another.wrap(unwrap(proxy), { adapter, identity: 'v2' })).not.toBe(proxy);
});

test('each call is told to who listens: who answered, how long, what failed', async () => {
  const epochly = createEpochly();
  let fail = false;
  const model = epochly.wrap(
    async (n: number) => {
      if (fail) throw new Error('broken');
      return n;
    },
    { adapter: callableAdapter({ deterministic: true }) },
  );
  const seen: unknown[] = [];
  const subscription = epochly.onCall(({ source, error }) =>
    seen.push(error === undefined ? source : (error as Error).message),
  );
  await model(1);
  await model(1);
  await Promise.all([model(2), model(2)]);
  fail = true;
  await expect(model(3)).rejects.toThrow('broken');
  subscription[Symbol.dispose]();
  await model(1);
  expect(seen).toEqual(['model', 'l1', 'model', 'shared', 'broken']);
  expect(epochly.profiler.getCallCount(model.modelId)).toBe(2);
});

test('a call that failed is told as one, whatever was thrown and however early', async () => {
  const epochly = createEpochly();
  const seen: unknown[] = [];
  epochly.onCall(({ entryPoint, source, error }) => seen.push([entryPoint, source, error]));
  const closed = new ClosedError();
  let open = true;
  const model = epochly.wrap(
    {
      async run(): Promise<never> {
        throw undefined;
      },
      predict(): never {
        throw undefined;
      },
    },
    {
      adapter: callableAdapter({
        entryPoints: [
          { name: 'run', kind: 'async' },
          { name: 'predict', kind: 'sync' },
        ],
        splitOptions(_model, call) {
          if (!open) throw closed;
          return { call, options: {} };
        },
      }),
    },
  );
  await expect(model.run()).rejects.toBeUndefined();
  expect(() => model.predict()).toThrow();
  open = false;
  const context = createRequestContext({ endpoint: '/' });
  await expect(runWithContext(context, () => model.run())).rejects.toBe(closed);
  expect(seen).toEqual([
    ['run', undefined, undefined],
    ['predict', undefined, undefined],
    ['run', undefined, closed],
  ]);
  expect(context).toMatchObject({ modelCalls: 1, timings: { failed: expect.any(Number) } });
});

test('an async generator stays one: its parts are kept, and given again as they came', async () => {
  const epochly = createEpochly();
  let runs = 0;
  const generate = epochly.wrap(
    async function* (prompt: string) {
      runs++;
      for (const word of prompt.split(' ')) yield { word };
    },
    { adapter: callableAdapter({ deterministic: true }) },
  );
  expectTypeOf(generate).returns.toEqualTypeOf<AsyncGenerator<{ word: string }, void, unknown>>();
  const collect = async (): Promise<string[]> => {
    const words: string[] = [];
    for await (const { word } of generate('one two')) words.push(word);
    return words;
  };
  expect([await collect(), await collect()]).toEqual([
    ['one', 'two'],
    ['one', 'two'],
  ]);
  expect(runs).toBe(1);
  expect(epochly.cache.getStats()).toMatchObject({ hits: 1, entries: 1 });
});
