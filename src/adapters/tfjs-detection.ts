/** @module LayersModel and GraphModel of TensorFlow.js: what is needed to put a proxy around one. */

import type { AdapterDetection, EntryPoint } from './adapter.ts';
import { hasMethods } from '../shapes.ts';
import { graphTraits } from '../tfjs-graphs.ts';
import { isGraphModel, isLayersModel } from './tfjs-types.ts';
import type { TfModel } from './tfjs-types.ts';
import { weightsToken } from './tfjs-weights.ts';

const LAYERS_ENTRY_POINTS: readonly EntryPoint[] = [
  { name: 'predict', kind: 'sync' },
  { name: 'predictOnBatch', kind: 'sync' },
  ...mutators('fit', 'fitDataset', 'trainOnBatch', 'setWeights', 'loadWeights', 'add', 'pop', 'dispose'),
];
/** Those that wait for the graph come first only where it needs them: TensorFlow.js warns of each call that does not. */
const SYNC_GRAPH_ENTRY_POINTS: readonly EntryPoint[] = [
  { name: 'predict', kind: 'sync' },
  { name: 'execute', kind: 'sync' },
];
const ASYNC_GRAPH_ENTRY_POINTS: readonly EntryPoint[] = [
  { name: 'predictAsync', kind: 'async' },
  { name: 'executeAsync', kind: 'async' },
];
const GRAPH_MUTATORS: readonly EntryPoint[] = mutators('load', 'loadSync', 'dispose');

export const tfjsDetection: AdapterDetection<TfModel> = {
  name: 'tfjs',
  detect: (value) => isLayersModel(value) || isGraphModel(value),
  getModelClasses: () => ['LayersModel', 'GraphModel'],
  getEntryPoints: (model) => entryPointsOf(model).filter(({ name }) => hasMethods(model, name)),
  wrapForward(model, createProxy) {
    weightsToken(model); // What changes them from here on is noticed.
    return createProxy(model, tfjsDetection.getEntryPoints(model));
  },
};

function mutators(...names: readonly string[]): readonly EntryPoint[] {
  return names.map((name) => ({ name, kind: 'mutator' }));
}

function entryPointsOf(model: TfModel): readonly EntryPoint[] {
  if (isLayersModel(model)) return LAYERS_ENTRY_POINTS;
  return graphTraits(model).needsAsync
    ? [...ASYNC_GRAPH_ENTRY_POINTS, ...SYNC_GRAPH_ENTRY_POINTS, ...GRAPH_MUTATORS]
    : [...SYNC_GRAPH_ENTRY_POINTS, ...ASYNC_GRAPH_ENTRY_POINTS, ...GRAPH_MUTATORS];
}
