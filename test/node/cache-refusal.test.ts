/** Models whose answers do not repeat, loaded: none of their answers may be kept, and those of their like that repeat are. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEpochly, tensor } from 'epochly';
import type { LoadOptions, ModelSource, Portable, RunOptions } from 'epochly';
import { randomRefusal } from '../../src/host/onnx-random.ts';
import { tf } from '../helpers/models.ts';
import {
  bigramModel,
  colourModel,
  DROPOUTS,
  generatorModel,
  multinomialModel,
  PLACES,
} from '../helpers/onnx-builder.ts';
import { GRAPH_WEIGHTS, graphModel, modelFiles } from '../helpers/tfjs-builder.ts';
import type { Savable } from '../helpers/tfjs-builder.ts';

/** What two equal calls of a loaded model are answered with, and what the cache did meanwhile. */
async function askTwice(source: ModelSource, inputs: Portable, options: LoadOptions & RunOptions = {}) {
  const { load, cache } = createEpochly();
  const { parameters, ...loadOptions } = options;
  const model = await load(source, { host: 'inline', ...loadOptions });
  const answers = [await model.run(inputs, { parameters }), await model.run(inputs, { parameters })];
  await model.close();
  const { hits, refused } = cache.getStats();
  return { answers, hits, refused };
}

const x = { x: tensor('float32', new Float32Array(64).fill(0.5)) };

describe('an ONNX model', () => {
  const places = Object.keys(PLACES) as (keyof typeof PLACES)[];
  const operators = ['RandomNormalLike', 'RandomUniformLike', 'Bernoulli'];

  test.each(places.flatMap((place) => operators.map((operator) => [operator, place] as const)))(
    'with a %s in a %s of it',
    async (operator, place) => {
      const { answers, hits, refused } = await askTwice(PLACES[place](operator), x);
      expect({ hits, refused }).toMatchObject({ hits: 0, refused: { nondeterministic: 2 } });
      expect(answers[0].y.data).not.toEqual(answers[1].y.data);
    },
  );

  test.each(places)('that computes, in a %s', async (place) => {
    const { answers, hits } = await askTwice(PLACES[place]('Identity'), x);
    expect(hits).toBe(1);
    expect(answers[1].y.data).toEqual(x.x.data);
  });

  test.each([
    ['RandomNormal', generatorModel('RandomNormal'), tensor('float32', [0, 0, 0, 0])],
    ['RandomUniform', generatorModel('RandomUniform'), tensor('float32', [0, 0, 0, 0])],
    ['Multinomial', multinomialModel(), tensor('float32', [0, 0, 0, 0], [1, 4])],
  ])('with a %s', async (_operator, model, input) => {
    const { answers, hits, refused } = await askTwice(model, { x: input });
    expect({ hits, refused }).toMatchObject({ hits: 0, refused: { nondeterministic: 2 } });
    expect(answers[0].y.data).not.toEqual(answers[1].y.data);
  });

  test.each(Object.keys(DROPOUTS) as (keyof typeof DROPOUTS)[])('with a Dropout %s', async (how) => {
    const model = DROPOUTS[how]();
    const draws = how.startsWith('in');
    const given = how.endsWith('caller says') ? { ...x, mode: tensor('bool', [true], []) } : x;
    const { answers, hits, refused } = await askTwice(model, given);
    if (draws) {
      expect({ hits, refused }).toMatchObject({ hits: 0, refused: { nondeterministic: 2 } });
      expect(answers[0].y.data).not.toEqual(answers[1].y.data);
    } else {
      expect(hits).toBe(1);
      expect(answers[1].y.data).toEqual(x.x.data);
    }
  });

  test('with an operator that nobody knows', () => {
    expect(randomRefusal(PLACES.graph('Identity'))).toBeUndefined();
    expect(randomRefusal(foreign(PLACES.graph('Identity')))).toBe('unknown');
    expect(randomRefusal(foreign(PLACES.graph('RandomNormalLike')))).toBe('nondeterministic');
  });

  test('that is cut off anywhere, or has a byte that is another, is refused or looked through', () => {
    const whole = DROPOUTS['in training mode by a constant around it']();
    for (let length = 0; length < whole.length; length++) tryReading(whole.subarray(0, length));
    for (let i = 0; i < whole.length; i++) {
      for (const byte of [0, 0x7f, 0xff]) tryReading(whole.with(i, byte));
    }
  });
});

/** A model of which one more node is of a domain that is not its own. */
function foreign(model: Uint8Array): Uint8Array {
  const node = [0x22, 1, 0x41, 0x3a, 1, 0x41]; // An operator A of the domain A.
  const graph = [0x0a, node.length, ...node];
  return Uint8Array.from([...model, 0x3a, graph.length, ...graph]);
}

function tryReading(model: Uint8Array): void {
  try {
    randomRefusal(model);
  } catch (error) {
    expect(error).toMatchObject({ code: 'MODEL_LOAD' });
  }
}

describe('a model of TensorFlow.js', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'epochly-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function save(model: Savable): Promise<string> {
    for (const { path, bytes } of await modelFiles(tf, model)) await writeFile(join(folder, path), bytes);
    return join(folder, 'model.json');
  }

  const recurrent = (stateful: boolean) =>
    tf.layers.simpleRNN({ units: 1, stateful, recurrentInitializer: 'ones', kernelInitializer: 'ones' });

  test.each([
    ['recurrent layer', (stateful: boolean) => recurrent(stateful)],
    [
      'recurrent layer in both directions',
      (stateful: boolean) => tf.layers.bidirectional({ layer: recurrent(stateful) }),
    ],
  ] as const)('with a %s that keeps its state', async (_layer, make) => {
    const one = tensor('float32', [1], [1, 1, 1]);
    const valueOf = (answer: { data: Float32Array }): number => answer.data[0] as number;
    for (const stateful of [false, true]) {
      const model = tf.sequential();
      model.add(tf.layers.inputLayer({ batchInputShape: [1, 1, 1] }));
      model.add(make(stateful) as ReturnType<typeof recurrent>);
      const { answers, hits, refused } = await askTwice(await save(model), one);
      expect(hits).toBe(stateful ? 0 : 1);
      expect(refused).toEqual(stateful ? { nondeterministic: 2 } : {});
      expect(valueOf(answers[0]) === valueOf(answers[1])).toBe(!stateful);
    }
  });

  test.each([
    ['RandomUniform', { nondeterministic: 2 }],
    ['Fill', {}],
  ])('whose graph has a %s', async (operator, expected) => {
    const path = join(folder, 'graph.json');
    await writeFile(path, JSON.stringify(graphModel(operator)));
    await writeFile(join(folder, 'graph.bin'), GRAPH_WEIGHTS);
    const { answers, refused } = await askTwice(path, tensor('float32', [0, 0, 0, 0]));
    expect(refused).toEqual(expected);
    if (operator === 'RandomUniform') expect(answers[0]).not.toEqual(answers[1]);
  });
});

describe('a pipeline of transformers.js', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'epochly-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function writeFolder(files: Readonly<Record<string, object | Uint8Array>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(folder, name), content instanceof Uint8Array ? content : JSON.stringify(content));
    }
  }

  const WORDS = ['<unk>', 'zero', 'one', 'two', 'three', 'four', 'five', 'six'];

  test.each([
    ['samples by its generation_config', { do_sample: true }, undefined, true],
    ['samples by its generation_config, unless the call does not', { do_sample: true }, { do_sample: false }, false],
    ['samples as the call says', {}, { do_sample: true }, true],
    ['takes the likeliest', {}, undefined, false],
  ])('that %s', async (_what, generation, parameters, samples) => {
    await writeFolder({
      'config.json': { model_type: 'gpt2', n_layer: 1, n_head: 1, n_embd: 8, vocab_size: 8 },
      'generation_config.json': { ...generation, max_new_tokens: 24, top_k: 0 },
      'tokenizer_config.json': { tokenizer_class: 'PreTrainedTokenizer', unk_token: '<unk>' },
      'tokenizer.json': {
        version: '1.0',
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: { type: 'Whitespace' },
        post_processor: null,
        decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
        model: {
          type: 'WordPiece',
          unk_token: '<unk>',
          continuing_subword_prefix: '##',
          max_input_chars_per_word: 100,
          vocab: Object.fromEntries(WORDS.map((word, i) => [word, i])),
        },
      },
      'model.onnx': bigramModel(WORDS.length),
    });
    const source = { task: 'text-generation', model: folder };
    const { answers, hits, refused } = await askTwice(source, 'one two three', { parameters });
    expect({ hits, refused }).toEqual(
      samples ? { hits: 0, refused: { nondeterministic: 2 } } : { hits: 1, refused: {} },
    );
    if (samples) expect(answers[0]).not.toEqual(answers[1]);
  });

  test('that is given the address of a picture, which changes', async () => {
    await writeFolder({
      'config.json': { model_type: 'vit', id2label: { 0: 'red', 1: 'green', 2: 'blue' }, num_labels: 3 },
      'preprocessor_config.json': {
        image_processor_type: 'ViTImageProcessor',
        do_convert_rgb: true,
        do_resize: false,
        do_normalize: false,
        do_rescale: true,
        rescale_factor: 1 / 255,
      },
      'model.onnx': colourModel(),
    });
    const source = { task: 'image-classification', model: folder };
    let asked = 0;
    const camera = createServer((_request, response) => {
      const colour = asked++ === 0 ? 'red' : 'blue';
      response
        .writeHead(200, { 'content-type': 'image/svg+xml' })
        .end(
          `<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4" fill="${colour}"/></svg>`,
        );
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => camera.once('listening', resolve));
    const address = `http://127.0.0.1:${(camera.address() as AddressInfo).port}/now.svg`;
    const seen = await askTwice(source, address);
    camera.close();
    expect(seen).toMatchObject({ hits: 0, refused: { unknown: 2 } });
    expect(seen.answers.map(([first]) => first.label)).toEqual(['red', 'blue']);

    const pixels = tensor('uint8', new Uint8Array(48).fill(200), [4, 4, 3]);
    expect(await askTwice(source, pixels)).toMatchObject({ hits: 1, refused: {} });
  });
});
