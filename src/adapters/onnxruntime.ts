/** @module InferenceSession of onnxruntime-web, onnxruntime-node, or any twin of that shape. */

import { UnsupportedOperationError } from '../errors.ts';
import type { ModelCall } from '../call.ts';
import { copyPortable } from '../portable.ts';
import { isTensorLike } from '../tensor.ts';
import type { TensorLike, TensorType } from '../tensor.ts';
import type { BatchKeyParts, BatchRefusal, CompileOptions, InferenceAdapter, TensorInfo } from './adapter.ts';
import { createAdapter } from './base.ts';
import { classifyBySignature } from './classify.ts';
import { isFrameworkTensor, isOnDevice } from '../device-tensor.ts';
import { makePlain, TensorClasses } from './framework-tensors.ts';
import {
  BatchKeyMemo,
  joinFeeds,
  padFeeds,
  paddedKey,
  rowsOfFeeds,
  splitAnswer,
  unpadAnswer,
} from './tensor-batches.ts';
import type { Feeds, Signature } from './tensor-batches.ts';
import { giveFeedsBack, retainFeeds } from './waiting-calls.ts';
import { onnxruntimeDetection } from './onnxruntime-detection.ts';
import type { OnnxSession, OnnxValueMetadata } from './onnxruntime-detection.ts';
import { read, valuesOf } from '../shapes.ts';

interface SessionClass {
  create?(...args: readonly unknown[]): Promise<OnnxSession>;
}

const classes = new TensorClasses();
const signatures = new WeakMap<object, Signature>();

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
      const inputs = Object.entries(feeds).map(([name, { type, data, dims }]) => [name, makePlain(type, data, dims)]);
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
  rowsOf: (_session, call) => rowsOfFeeds(call),
  join(session, calls) {
    const { feeds, sizes } = joinFeeds(calls, classes.maker(session, calls[0]?.args));
    return { entryPoint: 'run', args: [feeds], sizes };
  },
  split(session, joined, output) {
    const answers = splitAnswer(output, joined.sizes, classes.maker(session, output));
    giveFeedsBack(joined);
    return answers;
  },
  // A session takes plain objects as well as tensors of its own class.
  retain: (_session, call) => retainFeeds(call, makePlain),
  reuse: (_session, call) => giveFeedsBack(call),
  // In browsers a second run that begins before the first has ended is an error; in Node it waits its turn.
  concurrency: (session) => (typeof read(read(session, 'handler'), 'sessionId') === 'number' ? 1 : 2),
  padding: {
    key: (session, call, bucketOf) =>
      paddedKey(signatureOf(session), call, (padded) => batchKey(session, padded), bucketOf),
    pad: (_session, call, length) => padFeeds(call, length, makePlain),
    unpad: (session, call, answer, length) =>
      unpadAnswer(signatureOf(session), call, answer as Feeds, length, classes.maker(session, answer)),
  },
});

const keys = new BatchKeyMemo();

function batchKey(session: OnnxSession, call: ModelCall): BatchKeyParts | BatchRefusal {
  return call.entryPoint === 'run' ? keys.key(session, signatureOf(session), call) : 'unknown';
}

function signatureOf(session: OnnxSession): Signature {
  let signature = signatures.get(session);
  if (signature === undefined) {
    const [inputs, outputs] = [
      toTensorInfos(session.inputNames, session.inputMetadata),
      toTensorInfos(session.outputNames, session.outputMetadata),
    ];
    signatures.set(session, (signature = { inputs, outputs }));
  }
  return signature;
}

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
