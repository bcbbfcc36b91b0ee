/** Sessions of onnxruntime-web in the page itself, wrapped. */

import { beforeAll, describe, expect, inject, test } from 'vitest';
import { createEpochly, unwrap } from '../../platforms/browser/index.ts';
import { chainModel, identityModel } from '../helpers/onnx-builder.ts';
import { difference } from './support/hosts.ts';
import { ENCODER, importOrt, tokens } from './support/ort.ts';
import type { Feeds, Ort, Session } from './support/ort.ts';

const ids = [4, 17, 98, 250, 7, 31];

let ort: Ort;
let encoder: Session;
let expected: Float32Array;

const embedding = async (session: Session, feeds: Feeds) =>
  (await session.run(feeds))['sentence_embedding'] as import('onnxruntime-web').Tensor;

beforeAll(async () => {
  ort = await importOrt('wasm', 'main');
  encoder = await ort.InferenceSession.create(ENCODER);
  expected = (await embedding(encoder, tokens(ort, ...ids))).data as Float32Array;
  expect(expected).toHaveLength(512);
});

test('answers as the session does; an equal call is answered by a copy of the same class', async () => {
  const { cache, wrap } = createEpochly();
  const session = wrap(encoder);
  expect(session).toBeInstanceOf(ort.InferenceSession);
  expect(session.inputNames).toEqual(['input_ids', 'attention_mask']);

  const first = await embedding(session, tokens(ort, ...ids));
  expect(first.data).toEqual(expected);
  expect(cache.getStats()).toMatchObject({ hits: 0, misses: 1 });
  (first.data as Float32Array).fill(0);
  first.dispose();

  const second = await embedding(session, tokens(ort, ...ids));
  expect(second).toBeInstanceOf(ort.Tensor);
  expect([second.type, second.dims, second.location]).toEqual(['float32', [1, 512], 'cpu']);
  expect(second.data).toEqual(expected);
  (second.data as Float32Array).fill(0);
  const third = await embedding(session, tokens(ort, ...ids));
  expect(third.data).toEqual(expected);
  expect(cache.getStats()).toMatchObject({ hits: 2, misses: 1, refused: {} });

  const other = await embedding(session, tokens(ort, 5, ...ids.slice(1)));
  expect(other.data).not.toEqual(expected);
  expect(cache.getStats()).toMatchObject({ hits: 2, misses: 2 });
});

test('equal calls in flight are one run, each with an answer of its own', async () => {
  const { cache, profiler, wrap } = createEpochly();
  const session = wrap(encoder);
  const answers = await Promise.all([1, 2, 3].map(() => embedding(session, tokens(ort, ...ids))));
  expect(cache.getStats()).toMatchObject({ shared: 2, puts: 1 });
  expect(profiler.getCallCount(session.modelId)).toBe(1);
  expect(new Set(answers.map(({ data }) => (data as Float32Array).buffer)).size).toBe(3);
  for (const { data } of answers) expect(data).toEqual(expected);
});

test('a long input, whose key comes later, is held against what is run', async () => {
  const { cache, wrap } = createEpochly();
  const session = wrap(encoder);
  // 256 ids are 2 KB: hashed by WebCrypto, while the caller still holds them.
  await session.run(tokens(ort, ...ids)); // The first call waits for the adapter.
  const long = Array.from({ length: 256 }, (_, i) => 10 + i);
  const feeds = tokens(ort, ...long);
  const running = embedding(session, feeds);
  (feeds['input_ids']!.data as BigInt64Array).fill(9n);
  await running;
  expect(cache.getStats().refused).toEqual({ input_changed: 1 });
  const answer = await embedding(session, tokens(ort, ...long));
  expect(answer.data).toEqual((await embedding(encoder, tokens(ort, ...long))).data);
});

test('a proxy is not wrapped again, by whichever epochly', () => {
  const { wrap } = createEpochly();
  const session = wrap(encoder);
  expect(wrap(encoder)).toBe(session);
  expect(wrap(session)).toBe(session);
  expect(createEpochly().wrap(session)).toBe(session);
  expect(unwrap(session)).toBe(encoder);
});

test('a released session has forgotten its answers, and fails as it does without a proxy', async () => {
  const { cache, wrap } = createEpochly();
  const raw = await ort.InferenceSession.create(ENCODER);
  const session = wrap(raw);
  await session.run(tokens(ort, ...ids));
  expect(cache.getStats().entries).toBe(1);
  await session.release();
  expect(cache.getStats().entries).toBe(0);
  const reason = await raw.run(tokens(ort, ...ids)).catch((error: unknown) => error);
  expect(reason).toBeInstanceOf(Error);
  await expect(session.run(tokens(ort, ...ids))).rejects.toThrow((reason as Error).message);
});

describe('two copies of onnxruntime-web in one page', () => {
  let twin: Ort;
  let twinEncoder: Session;
  beforeAll(async () => {
    twin = await importOrt('wasm', 'twin');
    twinEncoder = await twin.InferenceSession.create(ENCODER);
    expect(twin.Tensor).not.toBe(ort.Tensor);
  });

  test('each session’s answers are of its own copy’s class', async () => {
    const { cache, wrap } = createEpochly();
    for (const [session, own, other] of [
      [wrap(encoder), ort, twin],
      [wrap(twinEncoder), twin, ort],
    ] as const) {
      // Fed with the other copy's tensors, too, which onnxruntime takes.
      for (const feeds of [tokens(own, ...ids), tokens(own, ...ids), tokens(other, ...ids)]) {
        const answer = await embedding(session, feeds);
        expect(answer).toBeInstanceOf(own.Tensor);
        expect(answer).not.toBeInstanceOf(other.Tensor);
        expect(answer.data).toEqual(expected);
      }
    }
    expect(cache.getStats()).toMatchObject({ hits: 4, misses: 2 });
  });

  test('also where one answers what the other was asked, by a common identity', async () => {
    const { cache, wrap } = createEpochly();
    await wrap(encoder, { identity: 'use-lite' }).run(tokens(ort, ...ids));
    const answer = await embedding(wrap(twinEncoder, { identity: 'use-lite' }), tokens(twin, ...ids));
    expect(cache.getStats()).toMatchObject({ hits: 1, misses: 1 });
    expect(answer).toBeInstanceOf(twin.Tensor);
    expect(answer.data).toEqual(expected);
  });
});

describe('leaving a call, where onnxruntime runs in a worker of its own', () => {
  const SIZE = 512;
  let proxied: Ort;
  let chain: Session;
  /** Half a second of multiplications by one half, 400 times: all that is left is 0. */
  const slow = (): Feeds => ({
    x: new proxied.Tensor('float32', new Float32Array(64 * SIZE).fill(1), [64, SIZE]),
    w: new proxied.Tensor('float32', new Float32Array(SIZE * SIZE).fill(0.5 / SIZE), [SIZE, SIZE]),
  });
  beforeAll(async () => {
    proxied = await importOrt('wasm', 'proxied');
    proxied.env.wasm.proxy = true;
    chain = await proxied.InferenceSession.create(chainModel(SIZE, 400));
  });

  test('an abort rejects with its reason, at once and before', async () => {
    const { cache, profiler, wrap } = createEpochly();
    const session = wrap(chain);
    const reason = new Error('enough');
    await expect(session.with({ signal: AbortSignal.abort(reason) }).run(slow())).rejects.toBe(reason);
    expect(cache.getStats().misses).toBe(0);

    const controller = new AbortController();
    let finished = false;
    const patient = session.run(slow()).then((answer) => {
      finished = true;
      return answer['y'];
    });
    const hasty = session.with({ signal: controller.signal }).run(slow());
    controller.abort(reason);
    await expect(hasty).rejects.toBe(reason);
    expect(finished).toBe(false);
    // Who waits for the same answer gets it.
    expect((await patient)?.dims).toEqual([64, SIZE]);
    expect(profiler.getCallCount(session.modelId)).toBe(1);
  });

  test('a deadline that passes rejects, and the session goes on', async () => {
    const { wrap } = createEpochly();
    const session = wrap(chain);
    const late = session.with({ deadlineMs: 20 }).run(slow());
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    const answer = await session.with({ deadlineMs: 60_000 }).run(slow());
    expect((answer['y']!.data as Float32Array).every((each) => each === 0)).toBe(true);
  });
});

test('onnxruntime’s errors come through as they are, and are not kept', async () => {
  const { cache, wrap } = createEpochly();
  const session = wrap(encoder);
  const { input_ids } = tokens(ort, ...ids);
  const reason = await encoder.run({ input_ids: input_ids! }).catch((error: unknown) => error);
  for (let i = 0; i < 2; i++) {
    await expect(session.run({ input_ids: input_ids! })).rejects.toThrow((reason as Error).message);
  }
  expect(cache.getStats()).toMatchObject({ hits: 0, misses: 2, puts: 0 });
});

describe.runIf(inject('webgpu'))('on WebGPU', () => {
  const executionProviders = ['webgpu'];
  let gpu: Ort;
  beforeAll(async () => {
    gpu = await importOrt('webgpu', 'gpu');
  });

  test('answers in memory are kept', async () => {
    const { cache, wrap } = createEpochly();
    const session = wrap(await gpu.InferenceSession.create(ENCODER, { executionProviders }));
    const first = await embedding(session, tokens(gpu, ...ids));
    const second = await embedding(session, tokens(gpu, ...ids));
    expect(cache.getStats()).toMatchObject({ hits: 1, misses: 1, refused: {} });
    expect(second).toBeInstanceOf(gpu.Tensor);
    expect(second.data).toEqual(first.data);
    expect(difference({ type: 'float32', data: expected, dims: [1, 512] }, second as never)).toBeLessThan(1e-2);
  });

  test('tensors that stay on the GPU pass through as they are, unread and uncounted but for the reason', async () => {
    const { cache, wrap } = createEpochly();
    const options = { executionProviders, preferredOutputLocation: 'gpu-buffer' } as const;
    const session = wrap(await gpu.InferenceSession.create(ENCODER, options));
    const identity = wrap(await gpu.InferenceSession.create(identityModel('float32', ['n', 512]), options));

    // The answer is on the GPU: it was looked for, and is not kept.
    const answer = await embedding(session, tokens(gpu, ...ids));
    expect(answer.location).toBe('gpu-buffer');
    expect(cache.getStats()).toMatchObject({ misses: 1, puts: 0, refused: { gpu_resident: 1 } });

    // An input is on the GPU: nothing is looked for.
    const { y } = await identity.run({ x: answer });
    expect(y?.location).toBe('gpu-buffer');
    expect(y).not.toBe(answer);
    expect(cache.getStats()).toMatchObject({ misses: 1, puts: 0, refused: { gpu_resident: 2 } });
    const data = (await y?.getData()) as Float32Array;
    expect(difference({ type: 'float32', data: expected, dims: [1, 512] }, { data } as never)).toBeLessThan(1e-2);
  });
});
