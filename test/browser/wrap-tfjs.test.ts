/** Models of TensorFlow.js in the page itself, wrapped, on each of its backends. */

import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import '@tensorflow/tfjs-backend-webgpu';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createEpochly } from '../../platforms/browser/index.ts';
import { MODELS } from './support/hosts.ts';

setWasmPaths('/node_modules/@tensorflow/tfjs-backend-wasm/dist/');
const BACKENDS = ['cpu', 'wasm', 'webgl', ...(inject('webgpu') ? ['webgpu'] : [])];

type Shape = [number, number, number, number];

/** Values from 0 to 1 that differ by `variant`. */
const picture = (variant: number, ...shape: Shape): tf.Tensor4D =>
  tf.tensor4d(
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (Math.sin(i * variant) + 1) / 2),
    shape,
  );

describe.each(BACKENDS)('on %s', (backend) => {
  let upscaler: tf.LayersModel;
  let emotion: tf.GraphModel;
  beforeAll(async () => {
    expect(await tf.setBackend(backend)).toBe(true);
    upscaler = await tf.loadLayersModel(MODELS.upscaler);
    emotion = await tf.loadGraphModel(MODELS.emotion);
  });
  afterAll(() => {
    upscaler.dispose();
    emotion.dispose();
  });

  test('a synchronous call stays one, and is observed', async () => {
    const { cache, profiler, wrap } = createEpochly();
    const model = wrap(upscaler);
    expect(model).toBeInstanceOf(tf.LayersModel);
    const input = picture(1, 1, 6, 6, 3);
    const [raw, observed] = [upscaler.predict(input), model.predict(input)] as tf.Tensor[];
    expect(observed).toBeInstanceOf(tf.Tensor);
    expect(await observed!.data()).toEqual(await raw!.data());
    expect([model.callCount, profiler.getCallCount(model.modelId)]).toEqual([1, 1]);
    expect(cache.getStats()).toMatchObject({ misses: 0, puts: 0 });
    tf.dispose([input, raw!, observed!]);
  });

  test.each(['LayersModel', 'GraphModel'])(
    'a %s’s answers are kept, and given out as tensors of the caller’s',
    async (kind) => {
      const { cache, wrap } = createEpochly();
      const model = wrap(kind === 'LayersModel' ? upscaler : emotion) as ReturnType<typeof wrap<tf.LayersModel>>;
      const shape: Shape = kind === 'LayersModel' ? [1, 6, 6, 3] : [1, 64, 64, 1];
      const warm = picture(9, ...shape);
      tf.dispose([warm, (await model.infer(warm)) as tf.Tensor]);

      const before = tf.memory().numTensors;
      const inputs = [picture(1, ...shape), picture(1, ...shape), picture(2, ...shape)];
      const answers: tf.Tensor[] = [];
      for (const input of inputs) answers.push((await model.infer(input)) as tf.Tensor);
      expect(cache.getStats()).toMatchObject({ hits: 1, misses: 3 });
      const [first, second, third] = await Promise.all(answers.map((each) => each.data()));
      expect(answers[1]).toBeInstanceOf(tf.Tensor);
      expect(answers[1]!.shape).toEqual(answers[0]!.shape);
      expect(second).toEqual(first);
      expect(third).not.toEqual(first);
      // The caller may dispose of an answer, and of its inputs, without harm to what is kept.
      tf.dispose([...inputs, ...answers]);
      const again = picture(1, ...shape);
      const kept = (await model.infer(again)) as tf.Tensor;
      expect(await kept.data()).toEqual(first);
      tf.dispose([again, kept]);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test('agrees with the cpu, as far as the backend does', async () => {
    const input = picture(1, 1, 64, 64, 1);
    const values = await input.data();
    const output = emotion.predict(input) as tf.Tensor;
    const actual = await output.data();
    tf.dispose([input, output]);
    await tf.setBackend('cpu');
    const reference = await tf.loadGraphModel(MODELS.emotion);
    const onCpu = tf.tensor4d(values as Float32Array, [1, 64, 64, 1]);
    const expected = (reference.predict(onCpu) as tf.Tensor).dataSync();
    await tf.setBackend(backend);
    const difference = Math.max(...Array.from(expected, (each, i) => Math.abs(each - (actual[i] as number))));
    expect(difference).toBeLessThan(1e-2);
  });
});
