import { describe, expect, test } from 'vitest';
import { readModel } from '../../platforms/browser/read-model.ts';
import { sha256 } from '../../src/hash.ts';
import { sha256Hex } from '../../src/sha256.ts';
import type { LoadProgress } from '../../src/host/model-files.ts';
import { MODELS, USE_LITE } from './support/hosts.ts';

const ONNX = `${USE_LITE}model_int8.onnx`;

/** A model.json with a shard. */
const EXTERNAL = '{"modelTopology":{"node":[]},"weightsManifest":[{"paths":["weights.bin"],"weights":[]}]}';

test('a file by an address relative to the page, with progress and its hash', async () => {
  const progress: LoadProgress[] = [];
  const model = await readModel(ONNX, { onProgress: (each) => progress.push(each) });
  expect(model.format).toBe('onnx');
  expect(model.identity).toBe(sha256Hex(model.files[0]!.bytes));
  expect(progress.at(-1)).toMatchObject({
    phase: 'read',
    file: 'model_int8.onnx',
    loadedBytes: 7_101_480,
    totalBytes: 7_101_480,
  });
});

test('the same bytes as a Blob, an ArrayBuffer and the address of a blob have the same identity', async () => {
  const { identity, files } = await readModel(ONNX, {});
  const blob = new Blob([files[0]!.bytes]);
  const address = URL.createObjectURL(blob);
  for (const source of [blob, await blob.arrayBuffer(), files[0]!.bytes, address, new URL(ONNX, location.href)]) {
    expect((await readModel(source, {})).identity).toBe(identity);
  }
  URL.revokeObjectURL(address);
});

test('a model.json brings its shards, a folder what a pipeline needs', async () => {
  const graph = await readModel(MODELS.emotion, {});
  expect([graph.format, graph.files.map((file) => file.path)]).toEqual(['tfjs-graph', ['emotion.json', 'emotion.bin']]);
  expect((await readModel(MODELS.upscaler, {})).format).toBe('tfjs-layers');
  const folder = await readModel({ task: 'feature-extraction', model: USE_LITE.slice(0, -1) }, {});
  expect(folder.files.map((file) => file.path)).toContain('model_fp32.onnx');
  const small = await readModel(
    { task: 'feature-extraction', model: USE_LITE },
    { frameworkOptions: { dtype: 'int8' } },
  );
  expect(small.files.map((file) => file.path)).toContain('model_int8.onnx');
  expect(small.identity).not.toBe(folder.identity);
});

describe('what is no model is a load error', () => {
  test.each([
    ['a file that is not there', '/workers/none.onnx', /404|HTML page/],
    ['the page of a single-page application', '/test/browser/nothing.onnx', /HTML page|404/],
    ['a server that is not there', 'http://127.0.0.1:9/model.onnx', /could not be read/],
    ['an address that is none', 'http://', /no address/],
    ['an address of data that refers to files beside it', `data:,${encodeURIComponent(EXTERNAL)}`, /beside it/],
    ['nothing', new Blob([]), /empty/],
    ['text', new Blob(['hello, this is no model at all']), /./],
    ['a folder without a model', { task: 'feature-extraction', model: '/demo/none/' }, /config\.json/],
  ])('%s', async (_name, source, message) => {
    await expect(readModel(source, {})).rejects.toMatchObject({
      code: 'MODEL_LOAD',
      message: expect.stringMatching(message),
    });
  });
});

test('an aborted signal rejects with its reason, before and while it reads', async () => {
  const reason = new Error('enough');
  await expect(readModel(ONNX, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  const reading = readModel(`${USE_LITE}model_fp32.onnx`, {
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  });
  await expect(reading).rejects.toBe(reason);
});

test.each([0, 1, 5_000])('the digest of %i bytes is that of the portable implementation', async (size) => {
  const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31) % 251);
  const expected = sha256Hex(bytes);
  const hashed = sha256(bytes);
  // The caller may reuse its bytes at once.
  bytes.fill(0);
  expect(await hashed).toBe(expected);
});

test('known digests (FIPS 180-4)', async () => {
  expect(await sha256(new TextEncoder().encode('abc'))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
});
