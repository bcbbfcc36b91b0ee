/** @module What can be read from a TensorFlow.js model: its signature, and whether its answers repeat. */

import type { TensorType } from '../tensor.ts';
import type { CacheRefusal, TensorInfo } from './adapter.ts';
import { read, valuesOf } from '../shapes.ts';
import { graphTraits } from '../tfjs-graphs.ts';
import { layersRefusal } from '../tfjs-layers.ts';
import { isLayersModel } from './tfjs-types.ts';
import type { TfModel } from './tfjs-types.ts';

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
