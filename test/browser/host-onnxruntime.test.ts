import { expect, inject, test } from 'vitest';
import { tensor } from '../../src/tensor.ts';
import type { TensorLike } from '../../src/tensor.ts';
import type { Portable } from '../../src/portable.ts';
import { PLACES } from '../helpers/onnx-builder.ts';
import { difference, onnxFiles, openClient, openModel, USE_LITE } from './support/hosts.ts';

const feeds: Portable = {
  input_ids: tensor('int64', [4, 17, 98, 250, 7, 31], [1, 6]),
  attention_mask: tensor('int64', [1, 1, 1, 1, 1, 1], [1, 6]),
};

test('a sentence encoder on WebAssembly, in a worker and in place', async () => {
  const files = await onnxFiles(`${USE_LITE}model_fp32.onnx`);
  const worker = await openModel('onnxruntime', { files, backend: 'wasm' });
  expect(worker.client.channel.kind).toBe('worker');
  expect(worker.client.channel.warning).toBeUndefined();
  expect(worker.info.runtime).toBe('onnxruntime-web 1.30.0');
  const inline = await openModel('onnxruntime', { files, backend: 'wasm' }, { kind: 'inline' });
  expect(inline.client.channel.kind).toBe('inline');
  const a = (await worker.run(feeds)) as { sentence_embedding: TensorLike };
  const b = (await inline.run(feeds)) as { sentence_embedding: TensorLike };
  expect(a.sentence_embedding.dims).toEqual([1, 512]);
  expect(difference(a.sentence_embedding, b.sentence_embedding)).toBeLessThan(1e-5);
});

test.runIf(inject('webgpu'))('WebGPU agrees with WebAssembly', async () => {
  const files = await onnxFiles(`${USE_LITE}model_fp32.onnx`);
  const wasm = await openModel('onnxruntime', { files, backend: 'wasm' });
  const webgpu = await openModel('onnxruntime', { files, backend: 'webgpu' });
  const a = (await wasm.run(feeds)) as { sentence_embedding: TensorLike };
  const b = (await webgpu.run(feeds)) as { sentence_embedding: TensorLike };
  expect(difference(a.sentence_embedding, b.sentence_embedding)).toBeLessThan(1e-2);
  // No device may offer less: https://www.w3.org/TR/webgpu/#limits
  expect(webgpu.info.maxTensorBytes).toBeGreaterThanOrEqual(128 << 20);
  expect(wasm.info.maxTensorBytes).toBeUndefined();
});

test('a model that draws is told from one that computes', async () => {
  for (const [operator, refusal] of [
    ['RandomNormalLike', 'nondeterministic'],
    ['Identity', undefined],
  ] as const) {
    const files = [{ path: 'model.onnx', bytes: PLACES.branch(operator) }];
    const { info, run } = await openModel('onnxruntime', {
      files: { format: 'onnx', files, identity: '', source: operator },
      backend: 'wasm',
    });
    expect(info.answers).toEqual({ refusal });
    const x = tensor('float32', new Float32Array(16));
    const [a, b] = [(await run({ x })) as { y: TensorLike }, (await run({ x })) as { y: TensorLike }];
    if (refusal === undefined) expect(a.y.data).toEqual(b.y.data);
    else expect(a.y.data).not.toEqual(b.y.data);
  }
});

test('lists backends from within the host', async () => {
  const client = await openClient('onnxruntime');
  const backends = await client.request('backends', undefined);
  expect(backends.find((each) => each.backend === 'wasm')?.available).toBe(true);
  const webgpu = backends.find((each) => each.backend === 'webgpu');
  expect(webgpu?.available).toBe(inject('webgpu'));
  if (inject('webgpu'))
    expect(webgpu).toMatchObject({ isFallbackAdapter: true, device: expect.stringContaining('swiftshader') });
  else expect(webgpu?.reason).toBeTruthy();
});
