/** @module An adapter for any function or object, from the little that only its author knows. */

import type { EntryPoint, InferenceAdapter, ModelType } from './adapter.ts';
import { createAdapter } from './base.ts';
import type { AdapterParts } from './base.ts';
import { hasMethods } from '../shapes.ts';

/** What epochly is told of a function, or of an object with methods, that it does not know. */
export interface CallableAdapterOptions<Model extends object> extends Partial<Omit<AdapterParts<Model>, 'name'>> {
  /** What to call it in metrics and errors. Default 'callable'. */
  readonly name?: string;
  /**
   * How to call it, the primary way first. Default: the model itself is called, and answers with a promise, or with a stream where
   * it is an `async function*`. What has all of them is recognised where the adapter is registered.
   */
  readonly entryPoints?: readonly EntryPoint[];
  /**
   * Whether equal inputs have equal answers, always, with no effect beyond the answer. Only its author can know, so that
   * nothing is cached by default.
   */
  readonly deterministic?: boolean;
  /** Default 'unknown'. */
  readonly modelType?: ModelType;
}

/**
 * An adapter for `wrap(model, { adapter })`. Inputs and answers are plain data (numbers, strings, arrays, plain objects,
 * typed arrays, tensors); for others give `encodeInputs`, `encode` and `decode`.
 *
 * @example
 * const embed = wrap(async (text: string) => remote(text), { adapter: callableAdapter({ deterministic: true }) });
 */
export function callableAdapter<Model extends object>({
  name = 'callable',
  entryPoints,
  deterministic = false,
  modelType = 'unknown',
  ...parts
}: CallableAdapterOptions<Model> = {}): InferenceAdapter<Model> {
  const of = (value: unknown): readonly EntryPoint[] =>
    entryPoints ?? [{ name: '', kind: isGenerator(value) ? 'stream' : 'async' }];
  return createAdapter<Model>({
    name,
    detect: (value) =>
      of(value).every((each) => (each.name === '' ? typeof value === 'function' : hasMethods(value, each.name))),
    getModelClasses: () => ['Function'],
    getEntryPoints: of,
    getModelInfo: () => ({ framework: name, modelType, inputs: [], outputs: [], backend: undefined }),
    classifyModel: () => modelType,
    cacheRefusal: () => (deterministic ? undefined : 'unknown'),
    ...parts,
  });
}

function isGenerator(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object AsyncGeneratorFunction]';
}
