/** Validators on real models: what optimising a graph and quantising it do to answers. */

import { join } from 'node:path';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { inferSchema } from '../../src/safety/input-schema.ts';
import { InputSchemaValidator } from '../../src/safety/input-schema-validator.ts';
import type { OutputPair } from '../../src/safety/output-validator.ts';
import { classifierValidator } from '../../src/safety/validators/classifier.ts';
import { embeddingValidator } from '../../src/safety/validators/embedding.ts';
import { encoderValidator } from '../../src/safety/validators/encoder.ts';
import { onnxruntimeAdapter } from '../../src/adapters/onnxruntime.ts';
import type { Portable } from '../../src/portable.ts';
import { createRandom } from '../helpers/cache-traces.ts';
import { OCR_CLASSIFIER, ort, USE_LITE, USE_LITE_FOLDER, useLiteFeeds } from '../helpers/models.ts';

type Feeds = Record<string, OrtTensor>;

const open = (file: string, graphOptimizationLevel: 'all' | 'disabled'): Promise<InferenceSession> =>
  ort.InferenceSession.create(file, { graphOptimizationLevel, intraOpNumThreads: 1 });

async function answers(session: InferenceSession, feeds: readonly Feeds[]): Promise<readonly Portable[]> {
  const outputs: Portable[] = [];
  for (const each of feeds) outputs.push({ ...(await session.run(each)) } as unknown as Portable);
  return outputs;
}

async function pairsOf(reference: InferenceSession, faster: InferenceSession, feeds: readonly Feeds[]) {
  const [expected, actual] = [await answers(reference, feeds), await answers(faster, feeds)];
  return expected.map((each, i): OutputPair => ({ expected: each, actual: actual[i] }));
}

test('an embedding model: an optimised graph is right number by number, int8 weights are right for the workload only', async () => {
  const random = createRandom(8);
  const feeds = Array.from({ length: 64 }, (_, i) =>
    useLiteFeeds(...Array.from({ length: 4 + (i % 12) }, () => 1 + Math.floor(random() * 8000))),
  );
  const reference = await open(USE_LITE, 'disabled');
  const optimised = await pairsOf(reference, await open(USE_LITE, 'all'), feeds);
  expect(encoderValidator({ tolerance: 1e-4 }).validate(optimised)).toMatchObject({ verdict: 'passed', message: '' });
  expect(embeddingValidator({ minCosine: 0.999_999 }).validate(optimised)).toMatchObject({
    verdict: 'passed',
    message: '',
  });

  const quantised = await pairsOf(reference, await open(join(USE_LITE_FOLDER, 'model_int8.onnx'), 'all'), feeds);
  expect(encoderValidator().validate(quantised).verdict).toBe('failed');
  expect(embeddingValidator().validate(quantised)).toMatchObject({ verdict: 'passed', message: '' });
});

test('a classifier: an optimised graph gives the same classes', async () => {
  const random = createRandom(9);
  const reference = await open(OCR_CLASSIFIER, 'disabled');
  const feeds = Array.from({ length: 60 }, () => {
    const pixels = Float32Array.from({ length: 3 * 48 * 192 }, () => random() * 2 - 1);
    return { [reference.inputNames[0] as string]: new ort.Tensor('float32', pixels, [1, 3, 48, 192]) };
  });
  const pairs = await pairsOf(reference, await open(OCR_CLASSIFIER, 'all'), feeds);
  expect(classifierValidator().validate(pairs)).toMatchObject({ verdict: 'passed', message: '' });
});

test('a schema from a model holds its inputs, before the model says what it does not take', async () => {
  const session = await open(USE_LITE, 'all');
  const validator = new InputSchemaValidator(inferSchema(onnxruntimeAdapter.getModelInfo(session as never)));
  expect(validator.validate(useLiteFeeds(1, 2, 3))).toEqual({ valid: true, errors: [] });
  const { attention_mask } = useLiteFeeds(1);
  const wrong = { input_ids: new ort.Tensor('int32', Int32Array.of(1, 2), [2]), attention_mask };
  await expect(session.run(wrong)).rejects.toThrow();
  expect(validator.validate(wrong).errors.map(String)).toEqual([
    'input_ids: expected int64, got int32.',
    'input_ids: expected the shape [-1, -1], got [2].',
  ]);
});
