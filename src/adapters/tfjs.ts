/** @module LayersModel and GraphModel of TensorFlow.js. */

import type { ModelCall } from '../call.ts';
import { copyPortable, isPlainObject } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { TensorLike } from '../tensor.ts';
import type { BatchKeyParts, BatchRefusal, InferenceAdapter, ModelInfo } from './adapter.ts';
import { createAdapter } from './base.ts';
import { classifyBySignature } from './classify.ts';
import { valuesMatch } from './compare.ts';
import { hasMethods, valuesOf } from '../shapes.ts';
import { tfjsDetection } from './tfjs-detection.ts';
import { describeModel, modelRefusal } from './tfjs-models.ts';
import { learnTensors, makeTree, readTree, tensorsIn } from './tfjs-tensors.ts';
import { currentBackend, isLayersModel, isTfTensor } from './tfjs-types.ts';
import type { TfModel, TfTensor } from './tfjs-types.ts';
import { weightsToken } from './tfjs-weights.ts';

/**
 * The adapter of TensorFlow.js. `predict`, `predictOnBatch` and `execute` stay synchronous and are only observed; `infer()`
 * takes the whole way with each. Tensors that a kept answer is given out as are the caller's to dispose of, as the model's
 * own are; neither the caller's inputs nor an answer is ever disposed of here.
 *
 * A custom layer that draws at random also when it does not train goes unseen: wrap such a model with the cache off.
 */
export const tfjsAdapter: InferenceAdapter<TfModel> = createAdapter<TfModel>({
  ...tfjsDetection,
  getModelInfo(model): ModelInfo {
    const { inputs, outputs } = describeModel(model);
    return {
      framework: 'tfjs',
      modelType: classifyBySignature(inputs, outputs),
      inputs,
      outputs,
      backend: currentBackend(),
    };
  },
  classifyModel: (model) => tfjsAdapter.getModelInfo(model).modelType,
  outputsMatch(expected, actual, tolerance) {
    const [wanted, given] = [readTree(expected), readTree(actual)];
    // What cannot be read cannot be compared either.
    const match = (a: Portable | undefined, b: Portable | undefined): boolean =>
      a !== undefined && valuesMatch(a, b, tolerance);
    return wanted instanceof Promise || given instanceof Promise
      ? Promise.all([wanted, given]).then(([a, b]) => match(a, b))
      : match(wanted, given);
  },
  hashModel: async (model) => (await import('./tfjs-hash.ts')).hashModel(model),
  async captureGolden(model, n) {
    const { captureGenerated } = await import('./goldens.ts');
    const entryPoint = tfjsAdapter.getEntryPoints(model)[0]?.name as string;
    const { inputs } = describeModel(model);
    return captureGenerated(inputs, n, async (generated) => {
      const values = inputs.map(({ name }) => generated[name] as TensorLike);
      const args: Portable[] = [values.length === 1 ? (values[0] as TensorLike) : values];
      const tensors = makeTree(model, args, namedWeight(model)) as readonly unknown[];
      let output: unknown;
      try {
        output = await tfjsAdapter.runInference(model, tensors, entryPoint);
        const encoded = await encode(model, output);
        return encoded === undefined ? undefined : { entryPoint, args, output: encoded, source: 'generated' };
      } finally {
        dispose([...tensorsIn(tensors), ...tensorsIn(output)]);
      }
    });
  },

  cacheRefusal(model, { args }) {
    if (args.some((arg) => isPlainObject(arg) && arg['training'] === true)) return 'nondeterministic';
    return modelRefusal(model);
  },
  immutableInputs: true,
  encodeInputs(model, { args }) {
    learnTensors(model, args);
    const token = weightsToken(model);
    const complete = (inputs: Portable | undefined): readonly Portable[] | undefined =>
      inputs === undefined || token === undefined
        ? (inputs as readonly Portable[] | undefined)
        : [...(inputs as readonly Portable[]), token];
    const inputs = readTree(args);
    return inputs instanceof Promise ? inputs.then(complete) : complete(inputs);
  },
  encode: (model, _call, output) => encode(model, output),
  decode: (model, { args }, encoded) => makeTree(model, encoded, args),

  batchKey,
  join(_model, calls) {
    const inputs = calls.map(({ args }) => args[0]);
    const tensors = inputs.map(tensorsIn);
    const [first] = tensors as [readonly TfTensor[]];
    const joined = first.map((tensor, i) =>
      (tensor.concat as NonNullable<TfTensor['concat']>).call(
        tensor,
        tensors.slice(1).map((each) => each[i] as TfTensor),
        0,
      ),
    );
    const [form] = inputs;
    const input = isTfTensor(form)
      ? joined[0]
      : Array.isArray(form)
        ? joined
        : Object.fromEntries(Object.keys(form as object).map((key, i) => [key, joined[i]]));
    return {
      entryPoint: calls[0]?.entryPoint as string,
      args: [input],
      sizes: tensors.map((each) => each[0]?.shape[0] as number),
    };
  },
  split(_model, joined, output) {
    try {
      const rows = joined.sizes.reduce((sum, size) => sum + size, 0);
      for (const { shape } of tensorsIn(output)) {
        if (shape[0] === rows) continue;
        throw new RangeError(`A joined call of ${rows} rows was answered with dims [${shape.join(', ')}].`);
      }
      let start = 0;
      return joined.sizes.map((size) => {
        const indices = Array.from({ length: size }, (_, i) => start + i);
        start += size;
        // Slices of one tensor may share its memory; gathered rows have their own.
        return mapTensors(output, (tensor) =>
          (tensor.gather as NonNullable<TfTensor['gather']>).call(tensor, indices, 0),
        );
      });
    } finally {
      dispose([...tensorsIn(output), ...tensorsIn(joined.args)]);
    }
  },
  rowsOf: (_model, { args }) => tensorsIn(args[0])[0]?.shape[0] ?? 1,
  // A clone shares the memory of a tensor, which never changes, and outlives it.
  retain: (_model, call) => ({
    ...call,
    args: mapTensors(call.args, (tensor) =>
      tensor.clone === undefined ? tensor : tensor.clone(),
    ) as readonly unknown[],
  }),
  free: (_model, value) => dispose(tensorsIn(value)),
  // Kernels run one after another, whatever is asked of them.
  concurrency: () => 1,
});

/** Any tensor of the model's own, to learn from how its TensorFlow.js makes them. */
function namedWeight(model: TfModel): unknown {
  return isLayersModel(model) ? model.weights[0]?.read() : valuesOf(model.weights)[0];
}

function encode(model: TfModel, output: unknown): Promise<Portable | undefined> | Portable | undefined {
  learnTensors(model, output);
  const tree = readTree(output);
  return tree instanceof Promise ? tree.then((value) => copyPortable(value)) : copyPortable(tree);
}

/**
 * Calls share a batch where the model declares an open first dimension of every input and output, and nothing but inputs
 * was given, in the same form: a tensor, an array of them, or tensors by name.
 */
function batchKey(model: TfModel, { entryPoint, args }: ModelCall): BatchKeyParts | BatchRefusal {
  if (!entryPoint.startsWith('predict')) return 'unknown';
  if (args.slice(1).some((arg) => arg !== undefined)) return 'more_than_inputs';
  const { inputs, outputs } = describeModel(model);
  if (inputs.length === 0) return 'unknown';
  if (![...inputs, ...outputs].every(({ dims }) => dims?.[0] === -1)) return 'fixed_batch_dimension';
  const [given] = args;
  const tensors = tensorsIn(given);
  const rows = tensors[0]?.shape[0];
  if (tensors.length !== inputs.length || rows === undefined || rows === 0) return 'unfit_inputs';
  if (!tensors.every((tensor) => tensor.shape[0] === rows && hasMethods(tensor, 'concat', 'gather')))
    return 'unfit_inputs';
  const names = isTfTensor(given) ? [''] : Object.keys(given as object);
  if (names.length !== tensors.length) return 'unfit_inputs';
  return {
    endpoint: entryPoint,
    inputShapeBucket: tensors.flatMap(({ shape }) => [-1, ...shape.slice(1)]),
    dtype: tensors.map(({ dtype }, i) => `${names[i]}:${dtype}`).join(),
  };
}

function mapTensors(value: unknown, change: (tensor: TfTensor) => TfTensor): unknown {
  if (isTfTensor(value)) return change(value);
  if (Array.isArray(value)) return value.map((each) => mapTensors(each, change));
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mapTensors(each, change)]));
}

function dispose(tensors: readonly TfTensor[]): void {
  for (const tensor of tensors) tensor.dispose();
}
