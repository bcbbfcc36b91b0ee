/** How much memory hosts say that they have. */

import { expect, test } from 'vitest';
import { tensor } from '../../src/tensor.ts';
import type { Portable } from '../../src/portable.ts';
import { onnxFiles, openModel, USE_LITE } from './support/hosts.ts';

const feeds: Portable = {
  input_ids: tensor('int64', [4, 17, 98, 250, 7, 31], [1, 6]),
  attention_mask: tensor('int64', [1, 1, 1, 1, 1, 1], [1, 6]),
};

test('a worker tells the memory of its WebAssembly, which the model is in; the page tells nothing', async () => {
  const files = await onnxFiles(`${USE_LITE}model_fp32.onnx`);
  const readings: Record<string, number[]> = { worker: [], inline: [] };
  for (const kind of ['worker', 'inline'] as const) {
    const { client, run } = await openModel('onnxruntime', { files, backend: 'wasm' }, { kind });
    client.onTurn(({ memoryBytes }) => memoryBytes !== undefined && readings[kind]?.push(memoryBytes));
    for (let i = 0; i < 24; i++) await run(feeds);
  }
  const [first, ...others] = readings['worker'] as [number, ...number[]];
  const [main] = files.files;
  expect(first).toBeGreaterThan(main?.bytes.byteLength as number);
  expect(first % 65_536).toBe(0);
  // Nothing grows there by run.
  expect(others).toEqual([first, first]);
  expect(readings['inline']).toEqual([]);
});
