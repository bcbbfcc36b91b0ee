import { expect, inject, test } from 'vitest';
import type { TensorLike } from '../../src/tensor.ts';
import { difference, openModel, transformersFiles, USE_LITE } from './support/hosts.ts';

const task = 'feature-extraction';

test('a pipeline from a folder, read by names, on WebAssembly', async () => {
  const files = await transformersFiles(USE_LITE);
  expect(files.files.map((file) => file.path)).toEqual([
    'config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'model_fp32.onnx',
  ]);
  const { info, run } = await openModel('transformers', { files, backend: 'wasm', task });
  expect(info.runtime).toBe('@huggingface/transformers 4.3.1');
  expect(info.answers).toEqual({ refusal: undefined, samples: false, readsMedia: false });
  const one = (await run('The cat sat on the mat.')) as TensorLike;
  expect([one.type, one.dims]).toEqual(['float32', [1, 512]]);
  const two = (await run(['The cat sat on the mat.', 'A cat was sitting on a rug.'], {
    normalize: true,
  })) as TensorLike;
  expect(two.dims).toEqual([2, 512]);
  let cosine = 0;
  for (let i = 0; i < 512; i++) cosine += Number(two.data[i]) * Number(two.data[512 + i]);
  expect(cosine).toBeGreaterThan(0.5);
});

test('the other dtype of the same folder', async () => {
  const files = await transformersFiles(USE_LITE, { dtype: 'int8' });
  expect(files.files.at(-1)?.path).toBe('model_int8.onnx');
  const { run } = await openModel('transformers', {
    files,
    backend: 'wasm',
    task,
    frameworkOptions: { dtype: 'int8' },
  });
  expect(((await run('A cat.')) as TensorLike).dims).toEqual([1, 512]);
});

test.runIf(inject('webgpu'))('WebGPU agrees with WebAssembly', async () => {
  const files = await transformersFiles(USE_LITE);
  const wasm = await openModel('transformers', { files, backend: 'wasm', task });
  const webgpu = await openModel('transformers', { files, backend: 'webgpu', task });
  expect(webgpu.info.isFallbackAdapter).toBe(true);
  const text = 'The cat sat on the mat.';
  expect(difference((await wasm.run(text)) as TensorLike, (await webgpu.run(text)) as TensorLike)).toBeLessThan(1e-2);
});

test('bad calls and files are told apart', async () => {
  const files = await transformersFiles(USE_LITE);
  const model = await openModel('transformers', { files, backend: 'wasm', task });
  await expect(model.run()).rejects.toMatchObject({ code: 'INPUT' });
  await expect(model.run('a', { pooling: 'mean' })).rejects.toMatchObject({
    code: 'INPUT',
    message: expect.stringContaining('pools'),
  });
  await expect(model.run(null)).rejects.toMatchObject({ code: 'INFERENCE' });
  expect(((await model.run('A cat.')) as TensorLike).dims).toEqual([1, 512]);
  const withoutGraph = { ...files, files: files.files.slice(0, 3) };
  await expect(openModel('transformers', { files: withoutGraph, backend: 'wasm', task })).rejects.toMatchObject({
    code: 'MODEL_LOAD',
  });
  await expect(openModel('transformers', { files, backend: 'wasm', task: 'no-such-task' })).rejects.toMatchObject({
    message: expect.stringContaining('no-such-task'),
  });
  await expect(transformersFiles(USE_LITE, { dtype: 'q4' })).rejects.toMatchObject({
    code: 'MODEL_LOAD',
    message: expect.stringContaining('onnx/model_q4.onnx'),
  });
  await expect(transformersFiles('/demo/models/none/')).rejects.toMatchObject({ code: 'MODEL_LOAD' });
});
