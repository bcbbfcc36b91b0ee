/** @module Models opened by load(), which live in a host. */

import type { ModelCall } from '../call.ts';
import type { HostedModel, RunOptions } from '../host/hosted-model.ts';
import { copyPortable, isPlainObject, isPortable } from '../portable.ts';
import { valuesOf } from '../shapes.ts';
import { isTensorLike } from '../tensor.ts';
import type { BatchKeyParts, BatchRefusal, InferenceAdapter } from './adapter.ts';
import { createAdapter } from './base.ts';
import { generationRefusal } from './generation.ts';
import { hostedDetection } from './hosted-detection.ts';
import {
  BatchKeyMemo,
  joinFeeds,
  padFeeds,
  paddedKey,
  rowsOfFeeds,
  splitAnswer,
  unpadAnswer,
} from './tensor-batches.ts';
import type { Feeds } from './tensor-batches.ts';
import { makeOwn } from './rows.ts';
import { giveFeedsBack, retainFeeds } from './waiting-calls.ts';

export const hostedAdapter: InferenceAdapter<HostedModel> = createAdapter<HostedModel>({
  ...hostedDetection,
  getModelInfo: (model) => ({
    framework: model.framework,
    modelType: 'unknown',
    inputs: model.inputs,
    outputs: model.outputs,
    backend: model.backend,
  }),
  hashModel: (model) => model.identity,
  cacheRefusal(model, { args: [inputs, parameters] }) {
    const { refusal, samples, readsMedia } = model.answerTraits;
    if (refusal !== undefined) return refusal;
    if (readsMedia === true && mayBeAddress(inputs)) return 'unknown';
    return generationRefusal(isPlainObject(parameters) ? parameters : {}, inputs, samples);
  },
  batchKey,
  rowsOf: (_model, call) => rowsOfFeeds(call),
  join(_model, calls) {
    const { feeds, sizes } = joinFeeds(calls, makeOwn);
    return { entryPoint: 'run', args: [feeds], sizes };
  },
  split(_model, joined, output) {
    const answers = splitAnswer(output, joined.sizes);
    giveFeedsBack(joined);
    return answers;
  },
  retain(_model, call) {
    const { args } = call;
    // What is no plain data is refused by the model itself.
    if (!isPortable(args)) return call;
    if (args.length === 1 && isPlainObject(args[0]) && valuesOf(args[0]).every(isTensorLike))
      return retainFeeds(call, makeOwn);
    return { ...call, args: copyPortable(args) as readonly unknown[] };
  },
  reuse: (_model, call) => giveFeedsBack(call),
  timeOf: (model, answer) => model.timeOf(answer),
  maxTensorBytes: (model) => model.maxTensorBytes,
  padding: {
    key: (model, call, bucketOf) =>
      model.framework === 'onnxruntime'
        ? paddedKey(model, call, (padded) => batchKey(model, padded), bucketOf)
        : undefined,
    pad: (_model, call, length) => padFeeds(call, length),
    unpad: (model, call, answer, length) => unpadAnswer(model, call, answer as Feeds, length),
  },
  invoke: (model, { args }, options) =>
    model.run(args[0] as never, { ...options, parameters: args[1] as RunOptions['parameters'] }),
});

/** Whether there is text in it, which may be the address of something that changes; or it is too deep to be looked through. */
function mayBeAddress(value: unknown, depth = 8): boolean {
  if (typeof value === 'string' || depth === 0) return true;
  return !isTensorLike(value) && valuesOf(value).some((each) => mayBeAddress(each, depth - 1));
}

const keys = new BatchKeyMemo();

function batchKey(model: HostedModel, call: ModelCall): BatchKeyParts | BatchRefusal {
  return model.framework === 'transformers' ? 'unknown' : keys.key(model, model, call);
}
