/** @module Pipelines and models of transformers.js: what is needed to put a proxy around one. */

import type { AdapterDetection, EntryPoint } from './adapter.ts';
import { hasMethods, hasObject, read } from '../shapes.ts';

/** What is used of a pipeline or a model: both are called. */
export type TransformersModel = (...args: readonly unknown[]) => Promise<unknown>;

export const transformersDetection: AdapterDetection<TransformersModel> = {
  name: 'transformers',
  detect: (value) => typeof value === 'function' && (isPipeline(value) || isModel(value)),
  getModelClasses: () => ['Pipeline', 'PreTrainedModel'],
  getEntryPoints: (model) => [
    ...['', 'forward', 'generate']
      .filter((name) => name === '' || hasMethods(model, name))
      .map((name): EntryPoint => ({ name, kind: 'async' })),
    { name: 'dispose', kind: 'mutator' },
  ],
  wrapForward: (model, createProxy) => createProxy(model, transformersDetection.getEntryPoints(model)),
};

export function isPipeline(value: unknown): boolean {
  return hasMethods(value, '_call', 'dispose') && typeof read(value, 'task') === 'string' && hasModel(value);
}

/** A pipeline's model is what it calls: mostly a PreTrainedModel, which is a function. */
function hasModel(value: unknown): boolean {
  return typeof read(value, 'model') === 'function' || hasObject(value, 'model');
}

function isModel(value: unknown): boolean {
  return hasMethods(value, '_call', 'forward', 'dispose') && hasObject(value, 'sessions') && hasObject(value, 'config');
}
