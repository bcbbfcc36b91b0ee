/** @module What most adapters do alike. */

import { copyPortable, isPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { GoldenOutput, InferenceAdapter } from './adapter.ts';
import { valuesMatch } from './compare.ts';
import { read } from '../shapes.ts';

/** What an adapter has to say for itself; `createAdapter` fills in the rest. */
export type AdapterParts<Model extends object> = Pick<
  InferenceAdapter<Model>,
  'name' | 'detect' | 'getModelClasses' | 'getEntryPoints' | 'getModelInfo'
> &
  Partial<InferenceAdapter<Model>>;

/**
 * An adapter from its parts. By default inputs and answers are taken as plain data (what is not is not cached), nothing
 * is batched, and there is nothing to compile, to hash or to generate goldens from.
 */
export function createAdapter<Model extends object>(parts: AdapterParts<Model>): InferenceAdapter<Model> {
  const adapter: InferenceAdapter<Model> = {
    classifyModel: () => 'unknown',
    wrapForward: (model, createProxy) => createProxy(model, adapter.getEntryPoints(model)),
    compile: (model) => model,
    runInference(model, args, entryPoint) {
      const name = entryPoint ?? (adapter.getEntryPoints(model)[0]?.name as string);
      const method: unknown = name === '' ? model : read(model, name);
      if (typeof method !== 'function') throw new TypeError(`The model has no method ${JSON.stringify(name)}.`);
      return Reflect.apply(method, model, args) as unknown;
    },
    outputsMatch: valuesMatch,
    hashModel: () => undefined,
    captureGolden: async (): Promise<readonly GoldenOutput[]> => [],
    cacheRefusal: () => undefined,
    encodeInputs: (_model, { args }) => (isPortable(args) ? (args as readonly Portable[]) : undefined),
    encode: (_model, _call, output) => (isPortable(output) ? copyPortable(output) : undefined),
    decode: (_model, _call, encoded) => copyPortable(encoded),
    batchKey: () => 'unknown',
    join: () => {
      throw new TypeError(`The ${parts.name} adapter does not join calls.`);
    },
    split: () => {
      throw new TypeError(`The ${parts.name} adapter does not split answers.`);
    },
    ...parts,
  };
  return adapter;
}
