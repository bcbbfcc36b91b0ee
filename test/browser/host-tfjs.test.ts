import { describe, expect, inject, test } from 'vitest';
import type { TensorLike } from '../../src/tensor.ts';
import { GRAPH_WEIGHTS, graphModel, modelFiles } from '../helpers/tfjs-builder.ts';
import { difference, MODELS, noise, openModel, tfjsFiles } from './support/hosts.ts';

const webgpu = inject('webgpu');
const backends = ['wasm', 'webgl'];
/** Shaders of a GPU in software compile slowly: MoveNet's take 20 s, and are left out. */
const withWebgpu = webgpu ? [...backends, 'webgpu'] : backends;

/** int32 as MoveNet and the hand tracker take pixels. */
function pixels(dims: readonly number[]): TensorLike<'int32'> {
  return { type: 'int32', data: Int32Array.from(noise(dims, 255).data), dims };
}

describe('tfjs models agree on every backend', () => {
  test.each([
    ['a Graph model with a dynamic batch', MODELS.emotion, noise([2, 64, 64, 1]), [2, 7], withWebgpu],
    ['a Graph model of batch 1', MODELS.movenet, pixels([1, 192, 192, 3]), [1, 1, 17, 3], backends],
    ['a Layers model of any size', MODELS.upscaler, noise([1, 16, 16, 3]), [1, 32, 32, 3], withWebgpu],
  ])('%s', async (_name, url, input, dims, others) => {
    const files = await tfjsFiles(url);
    const reference = await openModel('tfjs', { files, backend: 'cpu' });
    const expected = (await reference.run(input)) as TensorLike;
    expect(expected.type).toBe('float32');
    expect(expected.dims).toEqual(dims);
    for (const backend of others) {
      const model = await openModel('tfjs', { files, backend });
      expect(model.info.backend).toBe(backend);
      const actual = (await model.run(input)) as TensorLike;
      expect(difference(expected, actual), backend).toBeLessThan(1e-4);
      await model.client.request('close', undefined);
      await model.client.channel.terminate();
    }
  });
});

test('describes inputs and outputs, with open dimensions as -1', async () => {
  const { info } = await openModel('tfjs', { files: await tfjsFiles(MODELS.upscaler), backend: 'wasm' });
  expect(info.inputs).toEqual([{ name: 'LR', type: 'float32', dims: [-1, -1, -1, 3] }]);
  expect(info.outputs).toEqual([{ name: 'SR', type: 'float32', dims: [-1, -1, -1, 3] }]);
  expect(info.runtime).toMatch(/^@tensorflow\/tfjs 4\./);
});

test('runs a graph whose shapes depend on values, which tfjs does only asynchronously', async () => {
  const model = await openModel('tfjs', { files: await tfjsFiles(MODELS.handtrack), backend: 'wasm' });
  const outputs = (await model.run(pixels([1, 96, 96, 3]))) as TensorLike[];
  expect(outputs).toHaveLength(model.info.outputs.length);
  expect(outputs.every((each) => each.data.length === each.dims.reduce((a, b) => a * b, 1))).toBe(true);
});

describe('takes inputs that fit and refuses others before running', () => {
  test('a tensor, an array and tensors by name give the same answer, again and again', async () => {
    const model = await openModel('tfjs', { files: await tfjsFiles(MODELS.emotion), backend: 'wasm' });
    const input = noise([1, 64, 64, 1]);
    const [name] = model.info.inputs.map((each) => each.name);
    const first = (await model.run(input)) as TensorLike;
    for (const form of [[input], { [name as string]: input }, { [`${name}:0`]: input }]) {
      expect(((await model.run(form)) as TensorLike).data).toEqual(first.data);
    }
  });

  test.each([
    [
      'another dtype',
      { ...noise([1, 64, 64, 1]), type: 'float64' as const, data: new Float64Array(4096) },
      /must be float32; it is float64/,
    ],
    [
      'int64 for float32',
      { type: 'int64' as const, data: new BigInt64Array(4096), dims: [1, 64, 64, 1] },
      /must be float32; it is int64/,
    ],
    ['another shape', noise([1, 32, 32, 1]), /dims \[any, 64, 64, 1\]; it has \[1, 32, 32, 1\]/],
    ['another rank', noise([4096]), /dims/],
    ['two tensors', [noise([1, 64, 64, 1]), noise([1, 64, 64, 1])], /1 of them. It was given 2/],
    ['an unknown name', { pixels: noise([1, 64, 64, 1]) }, /no input named "pixels". Its inputs: input_1/],
    ['no name', {}, /"input_1" is missing/],
    ['a number', 3, /a number/],
  ])('%s', async (_name, input, message) => {
    const model = await openModel('tfjs', { files: await tfjsFiles(MODELS.emotion), backend: 'wasm' });
    await expect(model.run(input)).rejects.toMatchObject({ code: 'INPUT', message: expect.stringMatching(message) });
    expect(((await model.run(noise([1, 64, 64, 1]))) as TensorLike).dims).toEqual([1, 7]);
  });
});

test('a missing shard and a model.json that is none are load errors', async () => {
  const files = await tfjsFiles(MODELS.emotion);
  const [main] = files.files;
  await expect(openModel('tfjs', { files: { ...files, files: [main!] }, backend: 'cpu' })).rejects.toMatchObject({
    code: 'MODEL_LOAD',
    message: expect.stringContaining('weight file'),
  });
  const bytes = new TextEncoder().encode('{}');
  await expect(
    openModel('tfjs', { files: { ...files, files: [{ path: 'model.json', bytes }] }, backend: 'cpu' }),
  ).rejects.toMatchObject({ code: 'MODEL_LOAD', message: expect.stringContaining('modelTopology') });
});

test.runIf(!webgpu)('without WebGPU, opening on it says so', async () => {
  const files = await tfjsFiles(MODELS.emotion);
  await expect(openModel('tfjs', { files, backend: 'webgpu' })).rejects.toThrow(/webgpu/);
});

test('models whose answers do not repeat are told from those whose do, also by a library that was minified', async () => {
  const tf = await import('@tensorflow/tfjs');
  const one = { type: 'float32', data: Float32Array.of(1), dims: [1, 1, 1] } as const;
  for (const stateful of [true, false]) {
    const model = tf.sequential();
    model.add(tf.layers.inputLayer({ batchInputShape: [1, 1, 1] }));
    model.add(
      tf.layers.bidirectional({ layer: tf.layers.simpleRNN({ units: 1, stateful }) as never, mergeMode: 'sum' }),
    );
    const files = await modelFiles(tf, model);
    const { info, run } = await openModel('tfjs', {
      files: { format: 'tfjs-layers', files, identity: '', source: 'a recurrent model' },
      backend: 'cpu',
    });
    expect(info.answers.refusal).toBe(stateful ? 'nondeterministic' : undefined);
    const answers = [(await run(one)) as TensorLike, (await run(one)) as TensorLike];
    expect(difference(answers[0] as TensorLike, answers[1] as TensorLike) > 0).toBe(stateful);
  }
  for (const operator of ['RandomUniform', 'Fill']) {
    const main = { path: 'graph.json', bytes: new TextEncoder().encode(JSON.stringify(graphModel(operator))) };
    const files = [main, { path: 'graph.bin', bytes: GRAPH_WEIGHTS }];
    const { info } = await openModel('tfjs', {
      files: { format: 'tfjs-graph', files, identity: '', source: 'a graph' },
      backend: 'cpu',
    });
    expect(info.answers.refusal).toBe(operator === 'Fill' ? undefined : 'nondeterministic');
  }
});
