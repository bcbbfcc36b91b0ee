/** transformers.js in the page itself, wrapped: a model and a stock pipeline. */

import { AutoModel, env, pipeline, Tensor } from '@huggingface/transformers';
import { beforeAll, expect, inject, test } from 'vitest';
import { createEpochly } from '../../platforms/browser/index.ts';

const OPTIONS = { subfolder: '', model_file_name: 'model_fp32', dtype: 'fp32' } as const;
const DEVICES = ['wasm', ...(inject('webgpu') ? ['webgpu'] : [])] as const;

beforeAll(() => {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/demo/models/';
  env.useBrowserCache = false;
  // The build of transformers.js's own onnxruntime-web.
  const runtime = '/node_modules/@huggingface/transformers/node_modules/onnxruntime-web/dist/';
  env.backends.onnx.wasm!.wasmPaths = { wasm: `${runtime}ort-wasm-simd-threaded.asyncify.wasm` };
});

const feeds = (id: bigint) => ({
  input_ids: new Tensor('int64', [5n, id], [1, 2]),
  attention_mask: new Tensor('int64', [1n, 1n], [1, 2]),
});

test.each(DEVICES)('a model on %s: answers are kept, and are tensors of its own class', async (device) => {
  const { cache, wrap } = createEpochly();
  const raw = await AutoModel.from_pretrained('use-lite', { ...OPTIONS, device: device as 'wasm' });
  const model = wrap(raw);
  expect(typeof model).toBe('function');
  expect(model.config).toBe(raw.config);
  const { sentence_embedding: first } = await model(feeds(40n));
  const { sentence_embedding: second } = await model(feeds(40n));
  const { sentence_embedding: other } = await model(feeds(41n));
  expect(second).toBeInstanceOf(Tensor);
  expect(second).not.toBe(first);
  expect(second.data).toEqual(first.data);
  expect(other.data).not.toEqual(first.data);
  expect(cache.getStats()).toMatchObject({ hits: 1, misses: 2 });
  await model.dispose();
});

test('a pipeline, as before', async () => {
  const { wrap } = createEpochly();
  const raw = await pipeline('feature-extraction', 'use-lite', { ...OPTIONS, device: 'wasm' });
  const embed = wrap(raw);
  expect(embed.task).toBe('feature-extraction');
  for (const part of ['tokenizer', 'model'] as const) expect(embed[part]).toBe(raw[part]);
  await embed('The cat sat on the mat.');
  expect(embed.callCount).toBe(1);
  await embed.dispose();
});
