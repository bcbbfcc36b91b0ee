/** Many calls at once of real models: batched where their answers stay as they are alone, and nowhere else. */

import { createEpochly, sharedEpochly, tensor } from 'epochly';
import type { BatcherStats, BatchQueueStats, Epochly } from 'epochly';
import { beforeAll, describe, expect, test } from 'vitest';
import { EMOTION, MOVENET, OCR_CLASSIFIER, ort, tf, tfjsFiles, USE_LITE, useLiteFeeds } from '../helpers/models.ts';
import { normalisingModel, perceptron } from '../helpers/onnx-builder.ts';

/** With the cache off: every call reaches the model. */
const withoutCache = (batching = {}): Epochly => createEpochly({ config: { cache: { enabled: false }, batching } });

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
/** Token ids that differ in each position and call, of so many tokens. */
const ids = (variant: number, length: number): number[] => times(length, (i) => 5 + ((variant * 7919 + i * 31) % 7000));
const queueOf = (stats: BatcherStats | undefined): BatchQueueStats => stats?.queues[0] as BatchQueueStats;

function expectClose(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  const scale = expected.reduce((max, each) => Math.max(max, Math.abs(each)), 0);
  for (const [i, each] of expected.entries()) expect(Math.abs(actual[i]! - each)).toBeLessThanOrEqual(1e-4 * scale);
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('a sentence encoder', () => {
  test('sentences of several lengths share batches, padded, and are answered as each alone', async () => {
    const raw = await ort.InferenceSession.create(USE_LITE);
    const epochly = withoutCache();
    const session = epochly.wrap(raw);
    // What a batch costs is measured, on a machine that may have other things to do: it takes as many rounds as it takes.
    for (let round = 0; round < 40; round++) {
      if (round >= 4 && queueOf(epochly.getBatchStats(session.modelId)).meanBatchSize > 2) break;
      const questions = times(48, (i) => useLiteFeeds(...ids(round * 100 + i, 13 + (i % 4))));
      const answers = await Promise.all(questions.map((feeds) => session.run(feeds)));
      for (const [i, answer] of answers.entries()) {
        const alone = await raw.run(questions[i]!);
        expect(answer['sentence_embedding']).toBeInstanceOf(ort.Tensor);
        expect(answer['sentence_embedding']?.dims).toEqual([1, 512]);
        expectClose(
          answer['sentence_embedding']!.data as Float32Array,
          alone['sentence_embedding']!.data as Float32Array,
        );
      }
    }
    const queue = queueOf(epochly.getBatchStats(session.modelId));
    expect(queue).toMatchObject({ padded: true, refusal: undefined, waiting: 0, failedBatches: 0 });
    expect(queue.meanBatchSize).toBeGreaterThan(2);
    expect(queue.checked).toBeGreaterThanOrEqual(3);
    expect(queue.paddingWaste).toBeCloseTo(1.5 / 16, 2);
    expect(queue.costs.length).toBeGreaterThan(2);
    expect(epochly.profiler.getSummary(session.modelId)?.meanBatchSize).toBeGreaterThan(1);
    await session.release();
  });

  test('of a host as well, with each call’s own options', async () => {
    const epochly = withoutCache();
    const model = await epochly.load(USE_LITE);
    const feeds = (i: number) => ({
      input_ids: tensor('int64', ids(i, 12), [1, 12]),
      attention_mask: tensor(
        'int64',
        times(12, () => 1),
        [1, 12],
      ),
    });
    const controller = new AbortController();
    for (let round = 0; round < 40; round++) {
      if (round >= 3 && queueOf(epochly.getBatchStats(model.modelId)).largestBatch > 1) break;
      const answers = await Promise.all(times(32, (i) => model.with({ tenant: `t${i % 3}` }).run(feeds(i))));
      const alone = await model.run(feeds(31));
      expectClose(answers[31].sentence_embedding.data, alone.sentence_embedding.data);
      expect(new Set(answers.map(({ sentence_embedding }) => sentence_embedding.data[0])).size).toBe(32);
    }
    expect(queueOf(epochly.getBatchStats(model.modelId)).largestBatch).toBeGreaterThan(1);
    const left = model.run(feeds(1), { signal: controller.signal });
    const others = times(8, (i) => model.run(feeds(i)));
    controller.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    await expect(Promise.all(others)).resolves.toHaveLength(8);
    await model.close();
  });

  test('a call that waits is answered to what its inputs were when it was made', async () => {
    const raw = await ort.InferenceSession.create(USE_LITE);
    const session = withoutCache().wrap(raw);
    await session.run(useLiteFeeds(1, 2, 3, 4));
    const data = new BigInt64Array(4);
    const mask = new ort.Tensor('int64', new BigInt64Array(4).fill(1n), [1, 4]);
    const answers = times(12, (i) => {
      data.set(ids(i, 4).map(BigInt));
      // The first two may run at once, and onnxruntime reads their memory when it gets to them: they have some of their own.
      const given = i < 2 ? data.slice() : data;
      return session.run({ input_ids: new ort.Tensor('int64', given, [1, 4]), attention_mask: mask });
    });
    for (const [i, answer] of (await Promise.all(answers)).entries()) {
      const alone = await raw.run(useLiteFeeds(...ids(i, 4)));
      expectClose(
        answer['sentence_embedding']!.data as Float32Array,
        alone['sentence_embedding']!.data as Float32Array,
      );
    }
    await session.release();
  });
});

test('an OCR classifier of pictures is joined along its open first dimension', async () => {
  const raw = await ort.InferenceSession.create(OCR_CLASSIFIER);
  const epochly = withoutCache();
  const session = epochly.wrap(raw);
  const [input] = raw.inputNames as [string];
  const [output] = raw.outputNames as [string];
  const picture = (i: number) =>
    new ort.Tensor(
      'float32',
      Float32Array.from({ length: 3 * 48 * 96 }, (_, k) => Math.sin(k * (i + 1))),
      [1, 3, 48, 96],
    );
  for (let round = 0; round < 4; round++) {
    const answers = await Promise.all(times(24, (i) => session.run({ [input]: picture(i) })));
    for (const i of [0, 7, 23]) {
      const alone = await raw.run({ [input]: picture(i) });
      expectClose(answers[i]![output]!.data as Float32Array, alone[output]!.data as Float32Array);
    }
  }
  expect(queueOf(epochly.getBatchStats(session.modelId))).toMatchObject({ padded: false, refusal: undefined });
  expect(queueOf(epochly.getBatchStats(session.modelId)).largestBatch).toBeGreaterThan(1);
  await session.release();
});

test('a model that normalises over its batch is found out, and nobody is given such an answer', async () => {
  const raw = await ort.InferenceSession.create(normalisingModel());
  const epochly = withoutCache();
  const session = epochly.wrap(raw);
  for (let round = 0; round < 4; round++) {
    const rows = times(16, (i) => [1, 2, 3, 4].map((each) => each * (i + 1)));
    const answers = await Promise.all(rows.map((row) => session.run({ x: new ort.Tensor('float32', row, [1, 4]) })));
    for (const { y } of answers) expect(y!.data).toEqual(new Float32Array([0.25, 0.5, 0.75, 1]));
  }
  expect(queueOf(epochly.getBatchStats(session.modelId))).toMatchObject({ refusal: 'answers_differ_in_a_batch' });
  await session.release();
});

test('a request that the model cannot take fails alone', async () => {
  const raw = await ort.InferenceSession.create(perceptron([8, 16, 4]));
  const session = withoutCache().wrap(raw);
  const row = (i: number, length = 8) => ({
    x: new ort.Tensor(
      'float32',
      Float32Array.from({ length }, () => i),
      [1, length],
    ),
  });
  const outcomes = await Promise.allSettled(times(20, (i) => session.run(row(i, i === 13 ? 9 : 8))));
  expect(outcomes.map(({ status }) => status)).toEqual(times(20, (i) => (i === 13 ? 'rejected' : 'fulfilled')));
  await session.release();
});

describe('TensorFlow.js', () => {
  test('a model with an open batch is joined, and nothing is left behind', async () => {
    const raw = await tf.loadGraphModel(await tfjsFiles(EMOTION));
    // On tfjs's own CPU backend a batch takes longer than the usual target.
    const epochly = withoutCache({ targetLatencyMs: 60_000 });
    const model = epochly.wrap(raw);
    const picture = (i: number) =>
      tf.tensor4d(
        Float32Array.from({ length: 64 * 64 }, (_, k) => Math.abs(Math.sin(k * (i + 1)))),
        [1, 64, 64, 1],
      );
    type Answer = import('@tensorflow/tfjs').Tensor;
    const warm = picture(0);
    tf.dispose([warm, (await model.infer(warm)) as Answer]);
    const before = tf.memory().numTensors;
    for (let round = 0; round < 3; round++) {
      const inputs = times(6, picture);
      const pending = inputs.map((input) => model.infer(input) as Promise<Answer>);
      // The caller's own, to dispose of as soon as it has asked.
      tf.dispose(inputs);
      const answers = await Promise.all(pending);
      for (const [i, answer] of answers.entries()) {
        const input = picture(i);
        const alone = raw.predict(input) as Answer;
        expectClose((await answer.data()) as Float32Array, (await alone.data()) as Float32Array);
        tf.dispose([input, alone, answer]);
      }
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(queueOf(epochly.getBatchStats(model.modelId)).largestBatch).toBeGreaterThan(1);
  });

  test('a fixed batch is not batched, and says so', async () => {
    const epochly = withoutCache();
    const model = epochly.wrap(await tf.loadGraphModel(await tfjsFiles(MOVENET)));
    const inputs = times(2, () => tf.zeros([1, 192, 192, 3], 'int32'));
    await Promise.all(inputs.map((input) => model.infer(input)));
    expect(queueOf(epochly.getBatchStats(model.modelId))).toMatchObject({
      refusal: 'fixed_batch_dimension',
      largestBatch: 1,
      maxSize: 1,
    });
  });
});

describe('refusals', () => {
  test('a full queue says when there is likely to be room, and the model serves the next call', async () => {
    const epochly = withoutCache({ maxQueueDepth: 2 });
    const model = await epochly.load(USE_LITE);
    const feeds = {
      input_ids: tensor('int64', ids(1, 64), [1, 64]),
      attention_mask: tensor(
        'int64',
        times(64, () => 1),
        [1, 64],
      ),
    };
    await model.run(feeds);
    const outcomes = await Promise.allSettled(times(12, () => model.run(feeds)));
    const refused = outcomes.filter((each) => each.status === 'rejected').map(({ reason }) => reason);
    expect(refused.length).toBeGreaterThan(0);
    for (const reason of refused)
      expect(reason).toMatchObject({ code: 'QUEUE_FULL', retryAfterMs: expect.any(Number) });
    await expect(model.run(feeds)).resolves.toBeDefined();
    await model.close();
  });

  test('an equal call that waits for another’s is not refused by that one’s deadline', async () => {
    const epochly = createEpochly();
    const model = await epochly.load(USE_LITE);
    const feeds = (i: number) => ({
      input_ids: tensor('int64', ids(i, 100), [1, 100]),
      attention_mask: tensor(
        'int64',
        times(100, () => 1),
        [1, 100],
      ),
    });
    for (let i = 0; i < 4; i++) await model.run(feeds(i));
    const busy = times(40, (i) => model.run(feeds(100 + i)));
    const hurried = model.with({ deadlineMs: 1 }).run(feeds(50));
    const patient = model.run(feeds(50));
    await expect(hurried).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await expect(patient).resolves.toHaveProperty('sentence_embedding');
    await Promise.all(busy);
    await model.close();
  });
});

test('a call that cannot be answered in time is not run, and told so of the deadline that it gave', async () => {
  const session = withoutCache().wrap(await ort.InferenceSession.create(perceptron([8, 4])));
  const feeds = { x: new ort.Tensor('float32', new Float32Array(8), [1, 8]) };
  await session.run(feeds);
  await expect(session.with({ deadlineMs: -5 }).run(feeds)).rejects.toMatchObject({
    deadlineMs: -5,
    message: expect.stringMatching(/-5 ms.*not run/),
  });
  await session.release();
});

test('a priority that is none is refused', async () => {
  const session = withoutCache().wrap(await ort.InferenceSession.create(perceptron([8, 4])));
  const feeds = { x: new ort.Tensor('float32', new Float32Array(8), [1, 8]) };
  const asked = session.with({ priority: 4 as 3 }).run(feeds);
  await expect(asked).rejects.toMatchObject({ code: 'CONFIG', field: 'priority' });
  await session.release();
});

test('warming up with equal inputs proves nothing of a model that normalises over its batch', async () => {
  const session = withoutCache().wrap(await ort.InferenceSession.create(normalisingModel()));
  const row = (factor: number) => ({
    x: new ort.Tensor(
      'float32',
      [1, 2, 3, 4].map((each) => each * factor),
      [1, 4],
    ),
  });
  for (let round = 0; round < 12; round++) await Promise.all(times(8, () => session.run(row(8))));
  for (let round = 0; round < 4; round++) {
    const answers = await Promise.all(times(8, (i) => session.run(row(i + 1))));
    for (const { y } of answers) expect(y!.data).toEqual(new Float32Array([0.25, 0.5, 0.75, 1]));
  }
  await session.release();
});

test('below level 2, or where it is switched off, there is no batching', async () => {
  const raw = await ort.InferenceSession.create(perceptron([8, 4]));
  for (const config of [{ maxLevel: 1 as const }, { batching: { enabled: false } }]) {
    const epochly = createEpochly({ config });
    const session = epochly.wrap(raw);
    await session.run({ x: new ort.Tensor('float32', new Float32Array(8), [1, 8]) });
    expect(epochly.getBatchStats(session.modelId)).toBeUndefined();
    expect(epochly.optimizer.explain(session.modelId)?.steps.batching.on).toBe(false);
  }
  expect(sharedEpochly().getBatchStats(-1)).toBeUndefined();
});
