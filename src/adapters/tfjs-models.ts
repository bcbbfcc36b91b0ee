/** @module What can be read from a TensorFlow.js model: its signature, whether its weights changed, and whether its answers repeat. */

import type { TensorType } from '../tensor.ts';
import type { CacheRefusal, TensorInfo } from './adapter.ts';
import { hasMethods, read, valuesOf } from './shapes.ts';
import { isLayersModel } from './tfjs-types.ts';
import type { GraphModel, TfModel } from './tfjs-types.ts';

/** Operations of converted graphs that draw their answers. */
const RANDOM_OPS = /Random|Multinomial|TruncatedNormal/;
/** Layers that draw also when they do not train. */
const RANDOM_LAYERS: ReadonlySet<unknown> = new Set(['RandomWidth', 'RandomHeight']);
/** Categories of operations that only `executeAsync` runs. */
const ASYNC_CATEGORIES: ReadonlySet<unknown> = new Set(['control', 'dynamic', 'hash_table']);
const SIGNATURE_TYPES: Readonly<Record<string, TensorType>> = {
  DT_FLOAT: 'float32',
  DT_INT32: 'int32',
  DT_INT64: 'int32',
  DT_BOOL: 'bool',
  DT_STRING: 'string',
};
const DTYPES: ReadonlySet<unknown> = new Set(['float32', 'int32', 'bool', 'string']);

/** Inputs and outputs; open dimensions are -1. Lookup tables, which a Graph model feeds itself, are left out. */
export function describeModel(model: TfModel): {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
} {
  const signature = isLayersModel(model) ? undefined : model.modelSignature;
  const describe = (symbols: TfModel['inputs'], side: 'inputs' | 'outputs'): readonly TensorInfo[] =>
    (symbols ?? [])
      .filter(({ dtype }) => dtype !== 'resource')
      .map(({ name, shape, dtype }) => {
        const declared = declaredIn(read(signature, side), name);
        const type = dtype ?? declared?.type;
        return {
          name,
          type: DTYPES.has(type) ? (type as TensorType) : undefined,
          dims: shape?.map((dim) => (dim === null || dim < 0 ? -1 : dim)) ?? declared?.dims,
        };
      });
  return { inputs: describe(model.inputs, 'inputs'), outputs: describe(model.outputs, 'outputs') };
}

/** What a SavedModel's signature says of a tensor: graphs themselves do not know the shapes of their outputs. */
function declaredIn(entries: unknown, name: string): Pick<TensorInfo, 'type' | 'dims'> | undefined {
  const entry = valuesOf(entries).find((each) => String(read(each, 'name')).replace(/:0$/, '') === name);
  if (entry === undefined) return undefined;
  const shape = read(entry, 'tensorShape');
  const dims = read(shape, 'dim');
  return {
    type: SIGNATURE_TYPES[String(read(entry, 'dtype'))],
    dims: Array.isArray(dims) ? dims.map((dim) => Math.max(-1, Number(read(dim, 'size') ?? 0))) : undefined,
  };
}

/** Why the model's answers do not repeat, as far as its layers or its graph tell. Custom layers are taken at their word. */
export function modelRefusal(model: TfModel): CacheRefusal | undefined {
  return isLayersModel(model) ? layersRefusal(model.layers) : graphTraits(model).refusal;
}

/** Looks into nested models, wrappers (TimeDistributed, Bidirectional) and cells too. */
function layersRefusal(layers: readonly unknown[]): CacheRefusal | undefined {
  for (const layer of layers) {
    if (read(layer, 'stateful') === true) return 'nondeterministic';
    if (hasMethods(layer, 'getClassName') && RANDOM_LAYERS.has((layer as { getClassName(): string }).getClassName())) {
      return 'nondeterministic';
    }
    const inner = ['layer', 'forwardLayer', 'backwardLayer', 'cell'].map((key) => read(layer, key));
    const nested = read(layer, 'layers');
    const refusal = layersRefusal([...inner.filter((each) => each != null), ...(Array.isArray(nested) ? nested : [])]);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Whether the graph has operations that only `executeAsync` runs: control flow, and shapes that depend on values. */
export function needsAsync(model: GraphModel): boolean {
  return graphTraits(model).needsAsync;
}

interface GraphTraits {
  readonly refusal: CacheRefusal | undefined;
  readonly needsAsync: boolean;
}

const traitsOfGraphs = new WeakMap<object, GraphTraits>();

/** Graphs do not change, and have thousands of nodes: each is looked through once. */
function graphTraits(model: GraphModel): GraphTraits {
  const graph = read(read(model, 'executor'), 'graph');
  if (typeof graph !== 'object' || graph === null) return { refusal: 'unknown', needsAsync: true };
  let traits = traitsOfGraphs.get(graph);
  if (traits === undefined) {
    const nodes = nodesOf(graph);
    const isRandom = nodes.some((node) => RANDOM_OPS.test(String(read(node, 'op'))));
    const isCustom = nodes.some((node) => read(node, 'category') === 'custom');
    traits = {
      refusal: isRandom ? 'nondeterministic' : isCustom ? 'unknown' : undefined,
      needsAsync: nodes.some((node) => ASYNC_CATEGORIES.has(read(node, 'category'))),
    };
    traitsOfGraphs.set(graph, traits);
  }
  return traits;
}

/** Its nodes and those of the functions that it calls. */
export function nodesOf(graph: unknown): readonly unknown[] {
  return [...valuesOf(read(graph, 'nodes')), ...valuesOf(read(graph, 'functions')).flatMap(nodesOf)];
}

interface WeightsState {
  readonly parts: readonly unknown[];
  readonly token: string | undefined;
}

const states = new WeakMap<object, WeightsState>();

/**
 * Stands for the weights as they are now: undefined for those the model was first seen with, else a random text that never
 * comes back. Assigning a variable gives it another data id, whoever assigns it: `fit`, a layer's own `setWeights`, an
 * optimizer in a training loop.
 */
export function weightsToken(model: TfModel): string | undefined {
  const parts = partsOf(model);
  const known = states.get(model);
  if (known !== undefined && known.parts.length === parts.length && known.parts.every((part, i) => part === parts[i])) {
    return known.token;
  }
  const token = known && randomToken();
  states.set(model, { parts, token });
  return token;
}

function randomToken(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

function partsOf(model: TfModel): readonly unknown[] {
  const weights = read(model, 'weights');
  if (!isLayersModel(model)) return [weights]; // A graph's are replaced as one.
  const variables = valuesOf(weights).map((variable) => read(read(variable, 'val'), 'dataId'));
  return [...model.layers, ...variables];
}
