import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createEpochly, load, tensor, unwrap } from 'epochly';
import type { HostedModel, LoadOptions, LoadProgress, ModelSource, TensorType } from 'epochly';
import { EMOTION, OCR_DETECTOR, UPSCALER, USE_LITE, USE_LITE_FOLDER } from '../helpers/models.ts';
import { chainModel, externalDataModel, identityModel } from '../helpers/onnx-builder.ts';
import type { ElementType } from '../helpers/onnx-builder.ts';

const sentence = (...ids: number[]) => ({
  input_ids: tensor('int64', ids, [1, ids.length]),
  attention_mask: tensor('int64', Array(ids.length).fill(1), [1, ids.length]),
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'epochly-'));
});
afterAll(() => rm(folder, { recursive: true }));

const HOSTS = ['worker', 'process', 'inline'] as const;

describe.each(HOSTS)('in a host of kind %s', (host) => {
  test('a real model answers, refuses bad input with a clear error, and serves the next call', async () => {
    const model = await load(USE_LITE, { host });
    expect(model.backend).toBe('cpu');
    expect(model.backendReport).toMatchObject({
      backend: 'cpu',
      host,
      attempts: [{ backend: 'cpu', opened: true }],
      warnings: [],
    });
    expect(model.identity).toBe(
      createHash('sha256')
        .update(await readFile(USE_LITE))
        .digest('hex'),
    );
    const { sentence_embedding: first } = await model.run(sentence(5, 40));
    expect(first.dims).toEqual([1, 512]);

    const good = sentence(5, 40);
    const bad: [unknown, RegExp][] = [
      [{}, /"input_ids" is missing/],
      [{ ...good, extra: good.input_ids }, /no input "extra".*input_ids, attention_mask/],
      [
        { ...good, input_ids: tensor('int32', [5, 40], [1, 2]) },
        /"input_ids" is int64 of dims \[batch, sequence\].*int32/,
      ],
      [{ ...good, input_ids: tensor('int64', [5, 40]) }, /given dims \[2\]/],
      [{ ...good, input_ids: [5, 40] }, /"input_ids" is no tensor/],
      [{ ...good, input_ids: { type: 'int64', data: new BigInt64Array(3), dims: [1, 2] } }, /no sound tensor/],
      [{ ...good, input_ids: () => 1 }, /plain data/],
      [undefined, /an object with a tensor for each name/],
    ];
    for (const [inputs, message] of bad) {
      await expect(model.run(inputs as never)).rejects.toThrow(
        expect.objectContaining({ code: 'INPUT', message: expect.stringMatching(message) }),
      );
    }
    await expect(model.run({ ...good, attention_mask: tensor('int64', [1, 1, 1], [1, 3]) })).rejects.toMatchObject({
      code: 'INFERENCE',
    });
    const { sentence_embedding: again } = await model.run(sentence(5, 40));
    expect(again.data).toEqual(first.data);
    await model.close();
    await model.close();
    await expect(model.run(good)).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('NaN and infinity pass through unchanged', async () => {
    const model = await load(identityModel('float32'), { host });
    const { y } = await model.run({ x: tensor('float32', [NaN, Infinity, -0]) });
    expect(Array.from(y.data)).toEqual([NaN, Infinity, -0]);
    await model.close();
  });

  test('an abort rejects at once with its reason, the running call as those queued, and the model serves the next', async () => {
    const { load: open } = createEpochly({ config: { maxLevel: 0 } });
    const model = await open(chainModel(256, 20), { host });
    const x = (n: number) => ({
      x: tensor('float32', new Float32Array(n * 256).fill(1e-3), [n, 256]),
      w: tensor('float32', new Float32Array(65_536), [256, 256]),
    });
    const controller = new AbortController();
    const { signal } = controller;
    const settled: unknown[] = [];
    const left = [model.run(x(64), { signal }), model.run(x(64), { signal })];
    for (const each of left) each.catch((error: unknown) => settled.push(error));
    const stays = model.run(x(64));
    const reason = new Error('typed on');
    controller.abort(reason);
    // Answers come as messages, which this does not let in.
    for (let i = 0; i < 100; i++) await Promise.resolve();
    expect(settled).toEqual([reason, reason]);
    await expect(model.run(x(1), { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    expect((await stays).y.dims).toEqual([64, 256]);
    expect((await model.run(x(1))).y.dims).toEqual([1, 256]);
    await model.close();
  });

  test('an abort while the model opens rejects with its reason, and it may be loaded again', async () => {
    const controller = new AbortController();
    const reason = new Error('left');
    const opening = load(USE_LITE, {
      host,
      signal: controller.signal,
      onProgress: ({ phase }) => phase === 'open' && setImmediate(() => controller.abort(reason)),
    });
    await expect(opening).rejects.toBe(reason);
    const model = await load(USE_LITE, { host });
    expect((await model.run(sentence(5))).sentence_embedding.dims).toEqual([1, 512]);
    await model.close();
  });

  test('what a listener of the progress throws fails nothing', async () => {
    const console = vi.spyOn(globalThis.console, 'error').mockImplementation(() => undefined);
    const phases = new Set<string>();
    const model = await load(USE_LITE, {
      host,
      onProgress: ({ phase }) => {
        phases.add(phase);
        throw new Error('my progress bar broke');
      },
    });
    expect([...phases]).toEqual(['read', 'open']);
    expect(console).toHaveBeenCalled();
    console.mockRestore();
    await model.close();
  });

  test.each([0, 1, 2] as const)('at level %i inputs are copied unless they are handed over', async (maxLevel) => {
    const { load: open } = createEpochly({ config: { maxLevel } });
    const model = await open(identityModel('float32'), { host });
    const input = tensor('float32', [1, 2]);
    // Also those of the very first call, which may have to wait.
    for (const value of [1, 2, 3]) {
      input.data[0] = value;
      const answer = model.run({ x: input });
      input.data[0] = 9;
      expect(Array.from((await answer).y.data)).toEqual([value, 2]);
    }
    await model.run({ x: input }, { transfer: true });
    if (host !== 'process') expect(input.data.length).toBe(0);
    await model.close();
  });
});

test('the bytes that a model was loaded from are let go of when it is closed', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const megabytes = async (): Promise<number> => {
    // Memory of buffers is freed some turns after its collection.
    for (let i = 0; i < 3; i++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return process.memoryUsage().arrayBuffers / 2 ** 20;
  };
  const before = await megabytes();
  const model = await load((await readFile(USE_LITE)).buffer);
  expect((await megabytes()) - before).toBeGreaterThan(20);
  await model.close();
  expect((await megabytes()) - before).toBeLessThan(5);
  expect(model.closed).toBe(true);
});

test.each<[ElementType & TensorType, unknown]>([
  ['float32', [1.5, -0]],
  ['float64', [1.5, -2]],
  ['float16', new Uint16Array([0x3c00, 0x7c01])],
  ['int8', [-128, 127]],
  ['uint8', [0, 255]],
  ['int16', [-32_768, 1]],
  ['uint16', [65_535]],
  ['int32', [-1]],
  ['uint32', [4_294_967_295]],
  ['int64', [-(2n ** 63n), 2n ** 63n - 1n]],
  ['uint64', [2n ** 64n - 1n]],
  ['bool', [true, false]],
  ['string', ['', 'ä😀', 'two words']],
])('%s goes in and comes out as it was', async (type, values) => {
  const model = await load(identityModel(type));
  const x = tensor(type, values as never);
  const { y } = await model.run({ x });
  expect(y).toStrictEqual(x);
  await model.close();
});

test('an empty batch is answered or refused, and harms nothing', async () => {
  const model = await load(identityModel('float32'));
  const { y } = await model.run({ x: tensor('float32', []) });
  expect(y.dims).toEqual([0]);
  await model.close();
});

test('a path, a file URL, bytes, a Blob and an address give the same model, with progress', async () => {
  const bytes = await readFile(USE_LITE);
  const server = createServer((_request, response) => response.end(bytes)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.onnx`;
  const identities = new Set<string>();
  for (const source of [
    USE_LITE,
    pathToFileURL(USE_LITE),
    pathToFileURL(USE_LITE).href,
    bytes,
    new Uint8Array(bytes).buffer,
    new Blob([bytes]),
    address,
  ]) {
    const seen: LoadProgress[] = [];
    const model = await load(source as string, { onProgress: (progress) => seen.push(progress) });
    identities.add(model.identity);
    expect(seen.at(-1)).toMatchObject({ phase: 'open', loadedBytes: bytes.length });
    await model.close();
  }
  expect(identities.size).toBe(1);
  server.close();
});

test('content in whatever form, and in data: and blob: URLs, gives the same model', async () => {
  const bytes = identityModel('float32');
  expect(bytes.length % 2).toBe(0);
  const padded = new Uint8Array(bytes.length + 8).fill(0xff);
  padded.set(bytes, 8);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  const address = URL.createObjectURL(new Blob([bytes]));
  const identities = new Set<string>();
  for (const source of [
    bytes,
    new DataView(bytes.buffer),
    new DataView(padded.buffer, 8),
    new Uint16Array(bytes.buffer),
    shared.buffer,
    new File([bytes], 'model.onnx'),
    `data:application/octet-stream;base64,${Buffer.from(bytes).toString('base64')}`,
    address,
    new URL(address),
  ]) {
    const model = await load(source as ModelSource);
    identities.add(model.identity);
    await model.close();
  }
  URL.revokeObjectURL(address);
  expect(identities.size).toBe(1);
});

test('external data is read with the model, and is part of its identity', async () => {
  const path = join(folder, 'external.onnx');
  await writeFile(path, externalDataModel('weights.bin', 3));
  await expect(load(path)).rejects.toMatchObject({
    code: 'MODEL_LOAD',
    message: expect.stringContaining('weights.bin'),
  });
  await writeFile(join(folder, 'weights.bin'), new Uint8Array(new Float32Array([10, 20, 30]).buffer));
  const model = await load(path);
  const { y } = await model.run({ x: tensor('float32', [1, 2, 3]) });
  expect(Array.from(y.data)).toEqual([11, 22, 33]);
  await model.close();
  await writeFile(join(folder, 'weights.bin'), new Uint8Array(new Float32Array([0, 0, 0]).buffer));
  const other = await load(path);
  expect(other.identity).not.toBe(model.identity);
  await other.close();
});

test.each(['../secret.bin', '/etc/passwd', 'a/../../b', 'C:\\secret', 'http://elsewhere/x', ''])(
  'a model that refers to %j is refused: it is not below its own folder',
  async (location) => {
    const path = join(folder, 'hostile.onnx');
    await writeFile(path, externalDataModel(location, 1));
    await expect(load(path)).rejects.toMatchObject({
      code: 'MODEL_LOAD',
      message: expect.stringContaining('not below its own folder'),
    });
  },
);

test.each<[string, () => Promise<Uint8Array | string>, RegExp]>([
  ['a missing file', async () => join(folder, 'missing.onnx'), /There is no file .*missing\.onnx/],
  ['a folder', async () => folder, /is a folder/],
  ['nothing', async () => new Uint8Array(0), /is empty/],
  ['a truncated model', async () => (await readFile(USE_LITE)).subarray(0, 1_000_000), /truncated/],
  ['a page', async () => new TextEncoder().encode('<!doctype html><title>404</title>'), /HTML page/],
  [
    'a Git LFS pointer',
    async () => new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid'),
    /Git LFS pointer/,
  ],
  ['JSON of something else', async () => new TextEncoder().encode('{"name": "x"}'), /no modelTopology/],
  ['noise', async () => new Uint8Array(100).fill(0xff), /truncated, or not an ONNX model/],
])('%s is no model: a clear error', async (_name, make, message) => {
  await expect(load(await make())).rejects.toMatchObject({
    code: 'MODEL_LOAD',
    message: expect.stringMatching(message),
  });
});

test.each<[string, unknown, RegExp]>([
  ['nothing', undefined, /undefined/],
  ['null', null, /null/],
  ['a number', 123, /Number/],
  ['an array of numbers', [1, 2], /Array/],
  ['a response', new Response('x'), /Response/],
  ['a promise', Promise.resolve(new Uint8Array(1)), /Promise/],
  ['a model', { run: async () => undefined }, /wrap\(\)/],
  ['a task without a model', { task: 'feature-extraction' }, /names no model/],
  ['a task with a model of another kind', { task: 'feature-extraction', model: 5 }, /names no model/],
])('%s is no source of a model: a clear error', async (_name, source, message) => {
  await expect(load(source as never)).rejects.toMatchObject({
    name: 'UnsupportedModelError',
    code: 'UNSUPPORTED_MODEL',
    message: expect.stringMatching(message),
  });
});

test.each<[string | { task: string; model: string }, RegExp]>([
  ['', /is empty/],
  [{ task: 'feature-extraction', model: '' }, /is empty/],
  ['http://', /is no address/],
  ['http://127.0.0.1:9/100%.onnx', /could not be read/],
  ['ftp://somewhere/model.onnx', /begins with http:, https:, file:/],
  ['file://elsewhere/model.onnx', /of no file here/],
  ['data:application/octet-stream;base64,', /is empty/],
  ['blob:nodedata:of-nobody', /could not be read/],
  ['no\0file', /could not be read/],
])('the address %j is a clear error', async (source, message) => {
  await expect(load(source)).rejects.toMatchObject({ code: 'MODEL_LOAD', message: expect.stringMatching(message) });
});

test('an address that answers 404, 500 or with a page is a clear error', async () => {
  const server = createServer((request, response) => {
    const status = Number(request.url?.slice(1).split('.')[0]);
    response.writeHead(status, { 'content-type': status === 200 ? 'text/html' : 'text/plain' }).end('x');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const at = (path: string): string => `http://127.0.0.1:${port}/${path}`;
  await expect(load(at('404.onnx'))).rejects.toMatchObject({
    code: 'MODEL_LOAD',
    message: expect.stringContaining('404'),
  });
  await expect(load(at('500.onnx'))).rejects.toMatchObject({
    code: 'MODEL_LOAD',
    message: expect.stringContaining('500'),
  });
  await expect(load(at('200.onnx'))).rejects.toMatchObject({
    code: 'MODEL_LOAD',
    message: expect.stringContaining('HTML page'),
  });
  server.close();
  await new Promise((resolve) => server.once('close', resolve));
  await expect(load(at('404.onnx'))).rejects.toMatchObject({
    code: 'MODEL_LOAD',
    message: expect.stringContaining('could not be read'),
  });
});

test('the wrong hash, the wrong options and no backend are clear errors', async () => {
  await expect(load(USE_LITE, { expectedHash: '0'.repeat(64) })).rejects.toMatchObject({ code: 'IDENTITY_MISMATCH' });
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  const wrong: [LoadOptions, string][] = [
    [{ expectedHash: 'abc' }, 'expectedHash'],
    [{ backend: 'gpu' as never }, 'backend'],
    [{ backend: [] }, 'backend'],
    [{ backend: ['auto'] as never }, 'backend'],
    [{ host: 'thread' as never }, 'host'],
    [null as never, 'options'],
    [{ frameworkOptions: [] as never }, 'frameworkOptions'],
    [{ frameworkOptions: { profile: (() => 1) as never } }, 'frameworkOptions'],
    [{ frameworkOptions: circular as never }, 'frameworkOptions'],
    [{ frameworkOptions: { executionProviders: ['cuda'] } }, 'frameworkOptions.executionProviders'],
    [{ frameworkOptions: { device: 'webgpu' } }, 'frameworkOptions.device'],
  ];
  for (const [options, field] of wrong)
    await expect(load(USE_LITE, options)).rejects.toMatchObject({ code: 'CONFIG', field });
  const nowhere = load(identityModel('float32'), { backend: ['dml', 'coreml'] });
  await expect(nowhere).rejects.toMatchObject({
    code: 'BACKEND_UNAVAILABLE',
    attempts: [
      { backend: 'dml', opened: false, reason: expect.any(String) },
      { backend: 'coreml', opened: false },
    ],
  });
});

test('the first backend that opens is taken, and the report says why the others were not', async () => {
  const model = await load(identityModel('float32'), { backend: ['coreml', 'cpu'] });
  expect(model.backend).toBe('cpu');
  expect(model.backendReport.attempts).toMatchObject([
    { backend: 'coreml', opened: false, reason: expect.any(String) },
    { backend: 'cpu', opened: true },
  ]);
  await model.close();
});

test('models of TensorFlow.js and of transformers.js are loaded as well', async () => {
  const graph = await load(EMOTION);
  const shape = graph.inputs[0]?.dims?.map((dim) => (typeof dim === 'number' && dim > 0 ? dim : 1)) as number[];
  const output = await graph.run(tensor('float32', new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5), shape));
  expect(output).toBeDefined();
  await graph.close();

  const layers = await load(UPSCALER);
  const upscaled = await layers.run(tensor('float32', new Float32Array(8 * 8 * 3).fill(100), [1, 8, 8, 3]));
  expect(JSON.stringify(upscaled.dims ?? Object.values(upscaled))).toContain('16');
  await layers.close();

  const embed = await load({ task: 'feature-extraction', model: USE_LITE_FOLDER });
  const embedding = await embed.run('The cat sat on the mat.');
  expect(embedding.dims).toEqual([1, 512]);
  // A tensor by itself is made anew on this side: what it took in the host is known of it all the same.
  const hosted = unwrap(embed);
  expect(hosted.timeOf(await hosted.run('The dog, too.'))).toBeGreaterThan(0);
  await expect(embed.run('x', { parameters: { streamer: () => 1 } as never })).rejects.toMatchObject({ code: 'INPUT' });
  await embed.close();
});

test('several models do not block each other', async () => {
  const { load: open } = createEpochly({ config: { maxLevel: 0 } });
  const slow = await open(OCR_DETECTOR);
  const quick = await open(identityModel('float32'));
  let slowDone = false;
  const input = slow.inputs[0]?.name as string;
  const answer = slow
    .run({ [input]: tensor('float32', new Float32Array(3 * 640 * 640), [1, 3, 640, 640]) })
    .then(() => (slowDone = true));
  for (let i = 0; i < 10; i++) await quick.run({ x: tensor('float32', [i]) });
  expect(slowDone).toBe(false);
  await answer;
  await Promise.all([slow.close(), quick.close()]);
});

test('typing fast never opens the model again', async () => {
  const { load: open } = createEpochly({ config: { maxLevel: 0 } });
  const model = await open(USE_LITE);
  let replaced = 0;
  (model as HostedModel).onHostReplaced(() => replaced++);
  for (let i = 0; i < 300; i++) {
    const controller = new AbortController();
    const answer = model.run(sentence(5, 40 + i), { signal: controller.signal });
    controller.abort(new Error('typed on'));
    await expect(answer).rejects.toThrow('typed on');
  }
  expect((await model.run(sentence(5))).sentence_embedding.dims).toEqual([1, 512]);
  expect(replaced).toBe(0);
  await model.close();
});
