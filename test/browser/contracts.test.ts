/** The contract suites of platforms and hosts, on a browser's. */

import { openHost } from '../../platforms/browser/host/open-host.ts';
import { browserPlatform } from '../../platforms/browser/platform.ts';
import type { OpenRequest } from '../../src/host/runtime.ts';
import { tensor } from '../../src/tensor.ts';
import { testHost, testPlatform } from '../contract/index.ts';
import { onnxFiles, readBytes, USE_LITE } from './support/hosts.ts';

const MODEL = `${USE_LITE}model_fp32.onnx`;

testPlatform('browser', { platform: browserPlatform, model: async () => (await readBytes(MODEL)) as Uint8Array });

// What onnxruntime-web answers in the page itself.
const ort = await import('onnxruntime-web/wasm');
ort.env.wasm.wasmPaths = { wasm: '/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm' };
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(MODEL);
const int64 = (...values: readonly number[]) => tensor('int64', values, [1, values.length]);
const inputs = { input_ids: int64(4, 17, 98), attention_mask: int64(1, 1, 1) };
const feeds = Object.fromEntries(
  Object.entries(inputs).map(([name, { data, dims }]) => [name, new ort.Tensor('int64', data, dims)]),
);
const { sentence_embedding } = await session.run(feeds);

for (const kind of ['worker', 'inline'] as const) {
  testHost(`browser ${kind}`, {
    open: () => openHost({ kind, framework: 'onnxruntime', backends: ['wasm'] }),
    makeRequest: async (): Promise<OpenRequest> => ({ files: await onnxFiles(MODEL), backend: 'wasm' }),
    inputs,
    expected: {
      sentence_embedding: tensor('float32', sentence_embedding?.data as Float32Array, sentence_embedding?.dims),
    },
    wrongInputs: { ...inputs, input_ids: tensor('float32', [4, 17, 98], [1, 3]) },
  });
}
