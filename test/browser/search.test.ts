/** The search for a faster way in a browser: what is tried, with what threads, and never a GPU that the CPU emulates. */

import { afterEach, expect, inject, onTestFinished, test, vi } from 'vitest';
import { createEpochly, tensor } from '../../platforms/browser/index.ts';
import type { LoadedModel } from '../../platforms/browser/index.ts';
import { listBackends } from '../../platforms/browser/list-backends.ts';
import type { TensorLike } from '../../src/tensor.ts';
import { difference, MODELS, noise, onnxFiles, openModel, tfjsFiles, USE_LITE } from './support/hosts.ts';

const epochly = createEpochly({ config: { cache: { enabled: false }, batching: { enabled: false } } });
const opened: LoadedModel[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

async function load(source: string): Promise<LoadedModel> {
  const model = await epochly.load(new URL(source, location.href), { backend: 'auto' });
  opened.push(model);
  return model;
}

async function searched(model: LoadedModel, call?: (i: number) => Promise<unknown>) {
  let i = 0;
  await vi.waitFor(
    async () => {
      await call?.(i++);
      expect(model.backendReport.search?.state).toMatch(/done|off/);
    },
    { timeout: 100_000, interval: 20 },
  );
  const { verdicts = [], ...rest } = model.backendReport.search ?? {};
  return { ...rest, verdicts, names: verdicts.map(({ candidate }) => candidate) };
}

/** Those that a search may try: a GPU that is emulated is none of them. */
async function realGpus(): Promise<readonly string[]> {
  const listed = await listBackends();
  return listed
    .filter(
      ({ backend, available, isFallbackAdapter }) =>
        available && isFallbackAdapter !== true && backend.startsWith('web'),
    )
    .map(({ backend }) => backend);
}

test('a TensorFlow.js model that says its sizes is searched before its first call', async () => {
  const model = await load(MODELS.emotion);
  const { names, verdicts, goldens, chosen } = await searched(model);
  const gpus = (await realGpus()).filter((each) => each !== 'webnn');
  expect(names).toEqual([...gpus, 'cpu']);
  expect(goldens).toEqual({ captured: 0, generated: 3 });
  expect(verdicts.at(-1)).toMatchObject({
    candidate: 'cpu',
    passed: true,
    goldens: 3,
    timings: [{ runMs: expect.any(Number) }],
  });
  // Plain JavaScript is far slower.
  expect(chosen).not.toBe('cpu');
  const reference = await openModel('tfjs', { files: await tfjsFiles(MODELS.emotion), backend: 'cpu' });
  for (let i = 0; i < 6; i++) {
    const input = noise([1, 64, 64, 1], 1 + i);
    const [expected, actual] = [await reference.run(input), (await model.run(input)) as TensorLike];
    expect(difference(expected as TensorLike, actual)).toBeLessThan(1e-4);
  }
});

test('an ONNX model is tried with one thread where it has several, and with options of its backend', async () => {
  expect(crossOriginIsolated).toBe(true);
  const model = await load(`${USE_LITE}model_fp32.onnx`);
  const run = (i: number) =>
    model.run({
      input_ids: tensor('int64', [4, 17, 98, 250, 7, 31 + i], [1, 6]),
      attention_mask: tensor('int64', [1, 1, 1, 1, 1, 1], [1, 6]),
    });
  const { names, verdicts } = await searched(model, run);
  const backends = new Set(names.map((each) => each.split(',')[0]));
  const gpus = (await realGpus()).filter((each) => each !== 'webgl');
  expect([...backends].toSorted()).toEqual([...gpus, 'wasm'].toSorted());
  expect(names).toEqual(expect.arrayContaining(navigator.hardwareConcurrency > 1 ? ['wasm, one thread'] : []));
  for (const what of ['graph extended', 'graph basic', 'fixed at batch=1 sequence=6'])
    expect(
      names.some((each) => each.includes(what)),
      what,
    ).toBe(true);
  for (const each of verdicts.filter(({ candidate }) => candidate.startsWith('wasm'))) expect(each.passed).toBe(true);
  const { sentence_embedding: before } = await run(1);
  for (let i = 0; i < 5; i++) {
    const { sentence_embedding: after } = await run(1);
    expect(difference(before, after)).toBeLessThan(1e-5);
  }
});

test('a session whose sizes were fixed gives the same answers for those, and takes no other', async () => {
  const files = await onnxFiles(`${USE_LITE}model_fp32.onnx`);
  const feeds = (...ids: readonly number[]) => ({
    input_ids: tensor('int64', ids, [1, ids.length]),
    attention_mask: tensor(
      'int64',
      ids.map(() => 1),
      [1, ids.length],
    ),
  });
  const open = await openModel('onnxruntime', { files, backend: 'wasm' });
  const frameworkOptions = { freeDimensionOverrides: { batch: 1, sequence: 3 } };
  const fixed = await openModel('onnxruntime', { files, backend: 'wasm', frameworkOptions });
  const [a, b] = [await open.run(feeds(5, 40, 300)), await fixed.run(feeds(5, 40, 300))] as {
    readonly sentence_embedding: TensorLike;
  }[];
  expect(difference(a!.sentence_embedding, b!.sentence_embedding)).toBeLessThan(1e-5);
  for (const others of [feeds(5, 40), feeds(5, 40, 300, 7)])
    await expect(fixed.run(others)).rejects.toMatchObject({ code: expect.stringMatching(/^(INPUT|INFERENCE)$/) });
});

test('threads of WebAssembly are as many as were asked for', async () => {
  const files = await onnxFiles(`${USE_LITE}model_fp32.onnx`);
  const Own = globalThis.Worker;
  let workers = 0;
  globalThis.Worker = class extends Own {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      workers++;
    }
  };
  onTestFinished(() => void (globalThis.Worker = Own));
  // In place, so that its threads are opened from here; the runtime of the page is set up by the first model.
  const { run } = await openModel(
    'onnxruntime',
    { files, backend: 'wasm', frameworkOptions: { intraOpNumThreads: 3 } },
    { kind: 'inline' },
  );
  expect(workers).toBe(2);
  const feeds = { input_ids: tensor('int64', [4, 17], [1, 2]), attention_mask: tensor('int64', [1, 1], [1, 2]) };
  expect(await run(feeds)).toBeDefined();
});

test.runIf(inject('webgpu'))('options reach the execution provider, which says what it does not take', async () => {
  const files = await onnxFiles(`${USE_LITE}model_fp32.onnx`);
  const open = (preferredLayout: string) =>
    openModel('onnxruntime', { files, backend: 'webgpu', providerOptions: { preferredLayout } });
  const { run } = await open('NCHW');
  const feeds = { input_ids: tensor('int64', [4, 17], [1, 2]), attention_mask: tensor('int64', [1, 1], [1, 2]) };
  const wasm = await openModel('onnxruntime', { files, backend: 'wasm' });
  const [a, b] = [await run(feeds), await wasm.run(feeds)] as { sentence_embedding: TensorLike }[];
  expect(difference(b!.sentence_embedding, a!.sentence_embedding)).toBeLessThan(1e-2);
  await expect(open('ABCD')).rejects.toThrow('opened no session');
});
