/** Many calls at once in the page: of a model in a worker, and of a session and a TensorFlow.js model in the page itself. */

import * as tf from '@tensorflow/tfjs';
import { describe, expect, inject, test } from 'vitest';
import { createEpochly, tensor } from '../../platforms/browser/index.ts';
import { MODELS } from './support/hosts.ts';
import { ENCODER, importOrt, tokens } from './support/ort.ts';

const withoutCache = () => createEpochly({ config: { cache: { enabled: false } } });
const ids = (variant: number, length: number): number[] =>
  Array.from({ length }, (_, i) => 5 + ((variant * 7919 + i * 31) % 7000));

function expectClose(actual: Float32Array, expected: Float32Array, tolerance = 1e-4): void {
  expect(actual.length).toBe(expected.length);
  const scale = expected.reduce((max, each) => Math.max(max, Math.abs(each)), 0);
  for (const [i, each] of expected.entries())
    expect(Math.abs(actual[i]! - each)).toBeLessThanOrEqual(tolerance * scale);
}

test('sentences of several lengths share batches in a worker, padded, and are answered as each alone', async () => {
  // Also on a machine where one run takes longer than anybody should wait: what is late is not batched on trial.
  const epochly = createEpochly({ config: { cache: { enabled: false }, batching: { targetLatencyMs: 60_000 } } });
  const model = await epochly.load(ENCODER, { backend: 'wasm' });
  const feeds = (i: number) => {
    const length = 13 + (i % 4);
    return {
      input_ids: tensor('int64', ids(i, length), [1, length]),
      attention_mask: tensor(
        'int64',
        Array.from({ length }, () => 1),
        [1, length],
      ),
    };
  };
  const alone = await model.run(feeds(7));
  for (let round = 0; round < 4; round++) {
    const answers = await Promise.all(Array.from({ length: 24 }, (_, i) => model.run(feeds(i))));
    expectClose(answers[7].sentence_embedding.data, alone.sentence_embedding.data);
    expect(new Set(answers.map(({ sentence_embedding }) => sentence_embedding.data[0])).size).toBe(24);
  }
  const queue = epochly.getBatchStats(model.modelId)?.queues.find(({ batches }) => batches > 1);
  expect(queue).toMatchObject({ padded: true, refusal: undefined, failedBatches: 0 });
  expect(queue?.largestBatch).toBeGreaterThan(1);
  await model.close();
});

test('a session in the page, which cannot run twice at once, serves many calls', async () => {
  const ort = await importOrt('wasm', 'batching');
  const raw = await ort.InferenceSession.create(ENCODER);
  const epochly = withoutCache();
  const session = epochly.wrap(raw);
  for (let round = 0; round < 4; round++) {
    const questions = Array.from({ length: 12 }, (_, i) => tokens(ort, ...ids(i, 8)));
    const answers = await Promise.all(questions.map((feeds) => session.run(feeds)));
    for (const [i, feeds] of questions.entries()) {
      const alone = await raw.run(feeds);
      expect(answers[i]!['sentence_embedding']).toBeInstanceOf(ort.Tensor);
      expectClose(
        answers[i]!['sentence_embedding']!.data as Float32Array,
        alone['sentence_embedding']!.data as Float32Array,
      );
    }
  }
  expect(epochly.getBatchStats(session.modelId)?.queues[0]?.largestBatch).toBeGreaterThan(1);
  await session.release();
});

describe.each(['webgl', ...(inject('webgpu') ? ['webgpu'] : [])])('TensorFlow.js on %s', (backend) => {
  test('pictures are joined on the device, and nothing is left there', async () => {
    if (backend === 'webgpu') await import('@tensorflow/tfjs-backend-webgpu');
    expect(await tf.setBackend(backend)).toBe(true);
    const raw = await tf.loadGraphModel(MODELS.emotion);
    const epochly = withoutCache();
    const model = epochly.wrap(raw);
    const picture = (i: number) =>
      tf.tensor4d(
        Float32Array.from({ length: 64 * 64 }, (_, k) => Math.abs(Math.sin(k * (i + 1)))),
        [1, 64, 64, 1],
      );
    const warm = picture(0);
    tf.dispose([warm, (await model.infer(warm)) as tf.Tensor]);
    const before = tf.memory().numTensors;
    for (let round = 0; round < 3; round++) {
      const inputs = [0, 1, 2, 3].map(picture);
      const pending = inputs.map((input) => model.infer(input) as Promise<tf.Tensor>);
      tf.dispose(inputs);
      const answers = await Promise.all(pending);
      for (const [i, answer] of answers.entries()) {
        const input = picture(i);
        const alone = raw.predict(input) as tf.Tensor;
        expectClose((await answer.data()) as Float32Array, (await alone.data()) as Float32Array, 1e-3);
        tf.dispose([input, alone, answer]);
      }
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(epochly.getBatchStats(model.modelId)?.queues[0]?.batches).toBeGreaterThan(0);
    raw.dispose();
  });
});
