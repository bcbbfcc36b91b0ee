/** @module Pipelines and models of @huggingface/transformers. */

import { copyPortable, isPlainObject, isPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { CacheRefusal, InferenceAdapter, ModelType } from './adapter.ts';
import { createAdapter } from './base.ts';
import { valuesMatch } from './compare.ts';
import { isOnDevice } from '../device-tensor.ts';
import { generationRefusal } from './generation.ts';
import { read, someValue, valuesOf } from '../shapes.ts';
import { drawsAlways, readsMedia, samplesByDefault, TASK_TYPES } from '../transformers-traits.ts';
import { isPipeline, transformersDetection } from './transformers-detection.ts';
import type { TransformersModel } from './transformers-detection.ts';
import { fromPortable, toPortable } from './transformers-values.ts';

/** By the names of classes; the names that a minifier gives are none of these. */
const CLASS_TYPES: readonly (readonly [RegExp, ModelType])[] = [
  [/ForCausalLM$|LMHeadModel$/, 'llm'],
  [/ForConditionalGeneration$|ForSeq2SeqLM$|ForSpeechSeq2Seq$/, 'generation'],
  [/For(Sequence|Token|Image|Audio|AudioFrame)Classification$/, 'classifier'],
  [/ForMaskedLM$/, 'encoder'],
];
/**
 * The adapter of transformers.js. A pipeline is called; a model is called, or its `forward` or `generate`.
 *
 * Pipelines are not batched here: texts of one batch are padded to the longest, and whether that leaves an answer as it was
 * depends on the model. Give a pipeline an array to have it batched by transformers.js.
 */
export const transformersAdapter: InferenceAdapter<TransformersModel> = createAdapter<TransformersModel>({
  ...transformersDetection,
  getModelInfo(model) {
    const [session] = valuesOf(read(modelOf(model), 'sessions'));
    const device = read(read(session, 'config'), 'device');
    return {
      framework: 'transformers',
      modelType: typeOf(model),
      inputs: [],
      outputs: [],
      backend: typeof device === 'string' ? device : undefined,
    };
  },
  classifyModel: typeOf,

  outputsMatch(expected, actual, tolerance) {
    const scratch = {}; // Classes learned here are nobody's answers.
    const [wanted, given] = [toPortable(scratch, expected), toPortable(scratch, actual)];
    // What cannot be read cannot be compared either.
    return wanted !== undefined && valuesMatch(wanted, given, tolerance);
  },

  cacheRefusal(model, { entryPoint, args }): CacheRefusal | undefined {
    const task = read(model, 'task');
    const inner = modelOf(model);
    if (drawsAlways(task, inner)) return 'nondeterministic';
    if (someValue(args, isOnDevice, 4)) return 'gpu_resident';
    // An address stands for what is behind it, which may change.
    if (isPipeline(model) && readsMedia(model, task) && someValue(args[0], isAddress, 2)) return 'unknown';
    const options = Object.assign({}, ...args.filter((arg) => isPlainObject(arg))) as Record<string, unknown>;
    return generationRefusal(options, args, generates(model, entryPoint) && samplesByDefault(inner));
  },
  encodeInputs(model, { entryPoint, args }) {
    const inputs = toPortable(model, args) as readonly Portable[] | undefined;
    if (inputs === undefined || !generates(model, entryPoint)) return inputs;
    // What a call does not say of its generation is taken from here, which its owner may change.
    const defaults: unknown = { ...(read(modelOf(model), 'generation_config') as object | null) };
    return isPortable(defaults) ? [...inputs, defaults] : undefined;
  },
  encode: (model, _call, output) => copyPortable(toPortable(model, output)),
  decode: (model, { args }, encoded) => fromPortable(model, encoded, args),
});

function modelOf(model: TransformersModel): unknown {
  return isPipeline(model) ? read(model, 'model') : model;
}

function typeOf(model: TransformersModel): ModelType {
  const task = TASK_TYPES[String(read(model, 'task'))];
  if (task !== undefined) return task;
  const name = String(read(read(modelOf(model), 'constructor'), 'name'));
  const found = CLASS_TYPES.find(([pattern]) => pattern.test(name))?.[1];
  if (found !== 'classifier') return found ?? 'unknown';
  return read(read(modelOf(model), 'config'), 'num_labels') === 1 ? 'reranker' : found;
}

/** A pipeline's call may generate; of a model only `generate` does. */
function generates(model: TransformersModel, entryPoint: string): boolean {
  return entryPoint === 'generate' || (isPipeline(model) && read(modelOf(model), 'can_generate') === true);
}

function isAddress(value: unknown): boolean {
  return typeof value === 'string' || Object.prototype.toString.call(value) === '[object URL]';
}
