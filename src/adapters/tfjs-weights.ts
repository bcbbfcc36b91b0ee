/** @module Whether a TensorFlow.js model's weights are still those that it had. */

import { read, valuesOf } from '../shapes.ts';
import { isLayersModel } from './tfjs-types.ts';
import type { TfModel } from './tfjs-types.ts';

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
