/** @module InferenceSession of onnxruntime-web, onnxruntime-node, or any twin of that shape. */

import type { BatchKey } from '../batching/batch-key.ts';
import type { ModelCall } from '../call.ts';
import { UnsupportedOperationError } from '../errors.ts';
import { copyPortable } from '../portable.ts';
import { isTensorLike } from '../tensor.ts';
import type { TensorLike, TensorType } from '../tensor.ts';
import type { CompileOptions, InferenceAdapter, TensorInfo } from './adapter.ts';
import { createAdapter } from './base.ts';
import { classifyBySignature } from './classify.ts';
import { isFrameworkTensor, isOnDevice } from '../device-tensor.ts';
import { TensorClasses } from './framework-tensors.ts';
import { joinRows, splitRows } from './rows.ts';
import { onnxruntimeDetection } from './onnxruntime-detection.ts';
import type { OnnxSession, OnnxValueMetadata } from './onnxruntime-detection.ts';
import { valuesOf } from '../shapes.ts';

interface SessionClass {
  create?(...args: readonly unknown[]): Promise<OnnxSession>;
}

type Feeds = Readonly<Record<string, TensorLike>>;

const classes = new TensorClasses();

/**
 * The adapter of ONNX Runtime. `run(feeds, fetches?, options?)` is its entry point; a released session forgets its answers.
 *
 * A session does not show its graph, so that random operators in it (RandomNormal, Multinomial, Dropout in training mode)
 * go unseen: wrap such a model with the cache off.
 */
export const onnxruntimeAdapter: InferenceAdapter<OnnxSession> = createAdapter<OnnxSession>({
  ...onnxruntimeDetection,
  getModelInfo(session) {
    const inputs = toTensorInfos(session.inputNames, session.inputMetadata);
    const outputs = toTensorInfos(session.outputNames, session.outputMetadata);
    return {
      framework: 'onnxruntime',
      modelType: classifyBySignature(inputs, outputs),
      inputs,
      outputs,
      backend: undefined, // A session does not say which execution provider it got.
    };
  },
  classifyModel: (session) => onnxruntimeAdapter.getModelInfo(session).modelType,

  async compile(session, { source, frameworkOptions, signal }: CompileOptions = {}) {
    if (source === undefined) {
      throw new UnsupportedOperationError(
        'onnxruntime does not give out a session’s model: compile() needs `source`, its file.',
      );
    }
    const sessionClass = session.constructor as SessionClass;
    if (typeof sessionClass.create !== 'function') {
      throw new UnsupportedOperationError('The class of this session has no create(): it cannot be compiled again.');
    }
    signal?.throwIfAborted();
    const compiled = await sessionClass.create(source, frameworkOptions);
    if (signal?.aborted) await compiled.release();
    signal?.throwIfAborted();
    return compiled;
  },

  async captureGolden(session, n) {
    const { captureGenerated } = await import('./goldens.ts');
    return captureGenerated(toTensorInfos(session.inputNames, session.inputMetadata), n, async (feeds) => {
      // onnxruntime reads the fields of what it is fed, whatever its class; `location` is one of them.
      const inputs = Object.entries(feeds).map(([name, tensor]) => [name, { ...tensor, location: 'cpu' }]);
      const output = encode(session, await session.run(Object.fromEntries(inputs)));
      return output && { entryPoint: 'run', args: [feeds], output, source: 'generated' };
    });
  },

  cacheRefusal(_session, { args: [feeds, fetches] }) {
    if (fetches !== undefined && !Array.isArray(fetches) && valuesOf(fetches).some(isFrameworkTensor))
      return 'side_effects';
    for (const each of valuesOf(feeds)) if (isOnDevice(each)) return 'gpu_resident';
    return undefined;
  },
  encode: (session, _call, output) => encode(session, output),
  decode(session, { args: [feeds, fetches] }, encoded) {
    // In the order in which onnxruntime answers: what is kept may have lost it.
    const names = Array.isArray(fetches) ? (fetches as readonly string[]) : session.outputNames;
    return Object.fromEntries(
      names
        .filter((name) => Object.hasOwn(encoded as Feeds, name))
        .map((name) => [name, classes.make(session, (encoded as Feeds)[name] as TensorLike, feeds)]),
    );
  },

  batchKey,
  join(session, calls) {
    const feeds = calls.map((call) => call.args[0] as Feeds);
    const joined = session.inputNames.map((name) => {
      const rows = joinRows(feeds.map((each) => each[name] as TensorLike));
      return [name, classes.learn(session, feeds) ? classes.make(session, rows, feeds) : rows];
    });
    const sizes = feeds.map((each) => each[session.inputNames[0] as string]?.dims[0] as number);
    return { entryPoint: 'run', args: [Object.fromEntries(joined)], sizes };
  },
  split(session, { sizes }, output) {
    const answers = sizes.map((): Record<string, TensorLike> => ({}));
    for (const [name, value] of Object.entries(output as Feeds)) {
      splitRows(value, sizes).forEach((rows, i) => {
        (answers[i] as Record<string, TensorLike>)[name] = classes.make(session, rows, output);
      });
    }
    return answers;
  },
});

function encode(session: OnnxSession, output: unknown): Feeds | undefined {
  if (typeof output !== 'object' || output === null) return undefined;
  classes.learn(session, output);
  const copy: Record<string, TensorLike> = {};
  for (const [name, value] of Object.entries(output)) {
    if (!isTensorLike(value)) return undefined;
    copy[name] = copyPortable(value);
  }
  return copy;
}

/**
 * Calls share a batch where every input and output declares an open first dimension that is no sequence's, all feeds are in
 * memory with the same number of rows, and nothing but feeds was given.
 */
function batchKey(session: OnnxSession, { entryPoint, args }: ModelCall): Omit<BatchKey, 'modelId'> | undefined {
  const { inputMetadata = [], outputMetadata = [], inputNames } = session;
  if (entryPoint !== 'run' || inputMetadata.length === 0 || outputMetadata.length === 0) return undefined;
  if (![...inputMetadata, ...outputMetadata].every(hasRows)) return undefined;
  if (new Set(inputMetadata.map(({ shape }) => shape?.[0])).size !== 1) return undefined;
  if (args.slice(1).some((arg) => arg !== undefined)) return undefined;
  const feeds = args[0] as Feeds;
  if (valuesOf(feeds).length !== inputNames.length) return undefined;
  const values = inputNames.toSorted().map((name) => feeds[name]);
  const rows = values[0]?.dims[0];
  if (rows === undefined || rows === 0) return undefined;
  if (!values.every((value) => isTensorLike(value) && value.dims[0] === rows)) return undefined;
  return {
    endpoint: entryPoint,
    inputShapeBucket: values.flatMap((value) => [-1, ...(value as TensorLike).dims.slice(1)]),
    dtype: values.map((value) => (value as TensorLike).type).join(),
  };
}

/** Names of first dimensions along which a model computes across, and not row by row. */
const NO_BATCH = /seq|len|time|frame|token|step|height|width|chan|point|box|num|position/i;

function hasRows({ isTensor, shape }: OnnxValueMetadata): boolean {
  const first = shape?.[0];
  return isTensor && (first === -1 || (typeof first === 'string' && !NO_BATCH.test(first)));
}

function toTensorInfos(
  names: readonly string[],
  metadata: readonly OnnxValueMetadata[] | undefined,
): readonly TensorInfo[] {
  return names.map((name) => {
    const found = metadata?.find((each) => each.name === name);
    return {
      name,
      type: found?.type as TensorType | undefined,
      dims: found?.shape?.map((dim) => (dim === '' ? -1 : dim)),
    };
  });
}
