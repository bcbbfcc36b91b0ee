/** @module What the layers of a LayersModel tell of it. */

import { hasMethods, read } from './shapes.ts';

/** Layers that draw also when they do not train. */
const RANDOM_LAYERS: ReadonlySet<unknown> = new Set(['RandomWidth', 'RandomHeight']);

/**
 * Why the answers of a model with these layers do not repeat; undefined where they do. Looks into nested models, wrappers
 * (TimeDistributed, Bidirectional) and cells too. Custom layers are taken at their word.
 */
export function layersRefusal(layers: readonly unknown[]): 'nondeterministic' | undefined {
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
