/** The contract suites of platforms and hosts, as they are published, on Node's. */

import { readFile } from 'node:fs/promises';
import { testHost, testPlatform } from 'epochly/testing';
import { afterAll } from 'vitest';
import { openHost } from '../../dist/platforms/node/host/open-host.js';
import { nodePlatform } from '../../dist/platforms/node/platform.js';
import { webPlatform } from '../../dist/platforms/web/platform.js';
import type { OpenRequest } from '../../src/host/runtime.ts';
import { tensor } from '../../src/tensor.ts';
import { ort, USE_LITE, useLiteFeeds } from '../helpers/models.ts';

testPlatform('Node', { platform: nodePlatform, model: () => readFile(USE_LITE) });
testPlatform('web', { platform: webPlatform });

const session = await ort.InferenceSession.create(USE_LITE);
afterAll(() => session.release());
const { sentence_embedding } = await session.run(useLiteFeeds(4, 17, 98));
const ids = tensor('int64', [4, 17, 98], [1, 3]);
const mask = tensor('int64', [1, 1, 1], [1, 3]);

async function makeRequest(): Promise<OpenRequest> {
  const bytes = new Uint8Array(await readFile(USE_LITE));
  const files = { format: 'onnx', files: [{ path: 'model.onnx', bytes }], identity: '', source: USE_LITE } as const;
  return { files, backend: 'cpu' };
}

for (const kind of ['worker', 'process', 'inline'] as const) {
  testHost(`Node ${kind}`, {
    open: () => openHost({ kind, framework: 'onnxruntime', backends: ['cpu'] }),
    makeRequest,
    inputs: { input_ids: ids, attention_mask: mask },
    expected: {
      sentence_embedding: tensor('float32', sentence_embedding?.data as Float32Array, sentence_embedding?.dims),
    },
    wrongInputs: { input_ids: tensor('float32', [4, 17, 98], [1, 3]), attention_mask: mask },
  });
}
