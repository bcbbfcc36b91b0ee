/** Models and pipelines of transformers.js, on a real sentence encoder. */

import {
  AutoModel,
  AutoTokenizer,
  env,
  ImageClassificationPipeline,
  pipeline,
  RawImage,
  Tensor,
  ViTImageProcessor,
} from '@huggingface/transformers';
import type { Processor } from '@huggingface/transformers';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TransformersModel } from '../../src/adapters/transformers-detection.ts';
import { transformersAdapter as adapter } from '../../src/adapters/transformers.ts';
import type { ModelCall } from '../../src/call.ts';
import { encodePortable } from '../../src/codec.ts';
import { createEpochly } from '../../src/create.ts';
import { UnsupportedOperationError } from '../../src/errors.ts';
import { nodePlatform } from '../../platforms/node/platform.ts';
import { testInferenceAdapter } from '../contract/adapter-contract.ts';

const OPTIONS = { subfolder: '', model_file_name: 'model_fp32', dtype: 'fp32' } as const;
const ids = (variant: number): readonly number[] => [10 + variant, 200, 3000 + variant, 7];

let model: TransformersModel;
/** A stock pipeline around the encoder, whose answer has to bear a name that pooling knows. */
let embed: TransformersModel;

beforeAll(async () => {
  env.allowRemoteModels = false;
  env.localModelPath = new URL('../../demo/models/', import.meta.url).pathname;
  const encoder = await AutoModel.from_pretrained('use-lite', OPTIONS);
  model = encoder as unknown as TransformersModel;
  const stock = await pipeline('feature-extraction', 'use-lite', OPTIONS);
  const renamed = async (feeds: unknown): Promise<object> => ({
    logits: (await encoder(feeds)).sentence_embedding,
  });
  stock.model = Object.assign(renamed, { config: encoder.config }) as unknown as typeof stock.model;
  embed = stock as unknown as TransformersModel;
});

const feeds = (variant: number): Record<string, Tensor> => ({
  input_ids: new Tensor('int64', BigInt64Array.from(ids(variant), BigInt), [1, 4]),
  attention_mask: new Tensor('int64', new BigInt64Array(4).fill(1n), [1, 4]),
});

testInferenceAdapter('transformers model', {
  adapter,
  makeModel: () => model,
  makeCall: (_model, variant) => ({ entryPoint: '', args: [feeds(variant)] }),
  notModels: [AutoModel, Tensor, new Tensor('float32', [1], [1]), Object.assign(() => 1, { task: 'x' })],
});

testInferenceAdapter('transformers pipeline', {
  adapter,
  makeModel: () => embed,
  makeCall: (_model, variant) => ({ entryPoint: '', args: [`The ${['cat', 'bank', 'sun'][variant]} rises.`] }),
});

const keyOf = async (each: TransformersModel, { entryPoint, args }: ModelCall): Promise<Uint8Array | undefined> => {
  const encoded = await adapter.encodeInputs(each, { entryPoint, args });
  return encoded && encodePortable(encoded);
};
const generate = (options: object): ModelCall => ({ entryPoint: 'generate', args: [{ ...feeds(1), ...options }] });

describe('what may not be cached', () => {
  test.each([
    ['sampling', { do_sample: true }],
    ['sampling with beams', { do_sample: true, num_beams: 4 }],
    ['sampling by the call’s generation_config', { generation_config: { do_sample: true } }],
  ])('%s', (_what, options) => {
    expect(adapter.cacheRefusal(model, generate(options))).toBe('nondeterministic');
  });

  test('sampling that the model’s own configuration turns on, unless the call turns it off', () => {
    const sampling = Object.assign((...args: unknown[]) => (model as CallableFunction)(...args), {
      config: { do_sample: true },
      generate: () => undefined,
    }) as unknown as TransformersModel;
    expect(adapter.cacheRefusal(sampling, generate({}))).toBe('nondeterministic');
    expect(adapter.cacheRefusal(sampling, generate({ do_sample: false }))).toBeUndefined();
  });

  test('a call that is told of each token', () => {
    expect(adapter.cacheRefusal(model, generate({ callback_function: () => undefined }))).toBe('side_effects');
    expect(adapter.cacheRefusal(model, generate({ streamer: { put: () => undefined } }))).toBe('side_effects');
    expect(adapter.cacheRefusal(model, generate({ streamer: null }))).toBeUndefined();
  });

  test('greedy generation, a temperature that nothing uses and beams may', () => {
    for (const options of [{}, { temperature: 0.7 }, { num_beams: 4 }, { do_sample: false, top_k: 5 }]) {
      expect(adapter.cacheRefusal(model, generate(options)), JSON.stringify(options)).toBeUndefined();
    }
  });

  test('what an address stands for, in a pipeline of media', () => {
    const classify = Object.create(embed as object, {
      task: { value: 'image-classification' },
    }) as TransformersModel;
    const asked = (input: unknown): ModelCall => ({ entryPoint: '', args: [input] });
    expect(adapter.cacheRefusal(embed, asked('https://example.org/cat.jpg'))).toBeUndefined();
    expect(adapter.cacheRefusal(classify, asked(['cat.jpg']))).toBe('unknown');
    expect(adapter.cacheRefusal(classify, asked(new URL('https://example.org/cat.jpg')))).toBe('unknown');
  });

  test.each(['text-to-audio', 'text-to-speech', 'zero-shot-audio-classification'])('%s, which draws', (task) => {
    const drawing = Object.create(embed as object, { task: { value: task } }) as TransformersModel;
    expect(adapter.cacheRefusal(drawing, { entryPoint: '', args: ['a'] })).toBe('nondeterministic');
  });
});

describe('keys', () => {
  test('options are part of them', async () => {
    const keys = await Promise.all(
      [[], [{ pooling: 'mean' }], [{ pooling: 'mean', normalize: true }], [{ pooling: 'cls' }]].map((options) =>
        keyOf(embed, { entryPoint: '', args: ['A cat.', ...options] }),
      ),
    );
    expect(new Set(keys.map((key) => Buffer.from(key!).toString('hex'))).size).toBe(4);
  });

  test('one text, and an array of it, are two questions', async () => {
    expect(await keyOf(embed, { entryPoint: '', args: ['A cat.'] })).not.toEqual(
      await keyOf(embed, { entryPoint: '', args: [['A cat.']] }),
    );
  });

  test('the model’s generation defaults are part of what generate is asked', async () => {
    const defaults = { max_new_tokens: 5 };
    const generating = Object.assign(() => undefined, { generation_config: defaults }) as unknown as TransformersModel;
    const short = await keyOf(generating, generate({}));
    expect(await keyOf(generating, generate({}))).toEqual(short);
    defaults.max_new_tokens = 50;
    expect(await keyOf(generating, generate({}))).not.toEqual(short);
  });

  test('what does more than hold fields has none', async () => {
    class Session {
      run(): void {}
    }
    expect(await keyOf(model, { entryPoint: '', args: [{ past: new Session() }] })).toBeUndefined();
  });
});

test('an answer that no run has shown yet is not made up', async () => {
  const fresh = (await AutoModel.from_pretrained('use-lite', OPTIONS)) as unknown as TransformersModel;
  const call: ModelCall = { entryPoint: '', args: [{}] };
  expect(() => adapter.decode(fresh, call, { '\0class': 'BaseModelOutput', a: 1 })).toThrow(UnsupportedOperationError);
});

test('a tokenizer is no model', async () => {
  expect(adapter.detect(await AutoTokenizer.from_pretrained('use-lite'))).toBe(false);
});

test('the parts of a wrapped pipeline are those of the pipeline, and work: tokenizer, model, processor', async () => {
  const { wrap } = createEpochly(nodePlatform);
  const texts = await pipeline('feature-extraction', 'use-lite', OPTIONS);
  const wrappedTexts = wrap(texts);
  expect(wrappedTexts.tokenizer).toBe(texts.tokenizer);
  expect(wrappedTexts.tokenizer.encode('A cat.')).toEqual(texts.tokenizer.encode('A cat.'));
  expect(wrappedTexts.model).toBe(texts.model);
  expect(wrap(wrappedTexts.model).unwrapped).toBe(texts.model);
  expect(Object.keys(await wrappedTexts.model(feeds(1)))).toEqual(['sentence_embedding']);

  const processor: unknown = new ViTImageProcessor({ do_resize: true, size: { width: 4, height: 4 } });
  const pictures = new ImageClassificationPipeline({
    task: 'image-classification',
    model: texts.model,
    processor: processor as Processor,
  });
  const wrappedPictures = wrap(pictures);
  expect(wrappedPictures.processor).toBe(processor);
  const { pixel_values } = await wrappedPictures.processor([new RawImage(new Uint8ClampedArray(192), 8, 8, 3)]);
  expect(pixel_values.dims).toEqual([1, 3, 4, 4]);

  await wrappedTexts('A cat.');
  expect(wrappedTexts.callCount).toBe(1);
});
