/** @module wrap(model): finds the adapter, gives the model its number and its way of a call, and makes the proxy. */

import type { InferenceAdapter } from './adapters/adapter.ts';
import type { AdapterRegistry } from './adapters/registry.ts';
import type { BatchedModels } from './batching/batched-models.ts';
import type { InferenceCache } from './cache/inference-cache.ts';
import type { AnswerSource, Step } from './call.ts';
import type { InferenceConfig } from './config.ts';
import type { RequestContext } from './context.ts';
import { UnsupportedModelError } from './errors.ts';
import type { Emitter } from './events.ts';
import type { InferenceProfiler } from './metrics/profiler.ts';
import type { InferenceOptimizer } from './optimizer.ts';
import { ModelRecord } from './model-record.ts';
import type { Platform } from './platform.ts';
import { createProxy, isProxy } from './proxy.ts';
import type { InferenceProxy } from './proxy.ts';

/** Options of `wrap()`. */
export interface WrapOptions {
  /** The adapter to use, for models that no registered one recognises. */
  readonly adapter?: InferenceAdapter | undefined;
  /** What stands for the model's weights, such as the SHA-256 of its file: what persistent tiers key by. */
  readonly identity?: string | undefined;
  /** The configuration of this model in place of the shared one. Cache sizes stay those of the shared cache. */
  readonly config?: InferenceConfig | undefined;
}

/** A call that has finished. */
export interface CallEvent {
  readonly modelId: number;
  readonly entryPoint: string;
  readonly durationMs: number;
  /** Who gave the answer; undefined where the call failed. */
  readonly source: AnswerSource | undefined;
  /** What it failed with. */
  readonly error: unknown;
  /** The request that it was made for, where there is one. */
  readonly context: RequestContext | undefined;
}

export interface ModelWrapperParts {
  readonly platform: Platform;
  readonly config: InferenceConfig;
  readonly adapters: AdapterRegistry;
  readonly cache: InferenceCache;
  readonly profiler: InferenceProfiler;
  readonly optimizer: InferenceOptimizer;
  readonly calls: Emitter<CallEvent>;
  /** The step that answers from the cache; loaded with the first model that has it. */
  readonly caching: () => Promise<Step>;
  /** Loaded with the first model that is batched. */
  readonly batching: () => Promise<BatchedModels>;
  readonly forgetBatching: (modelId: number) => void;
}

export class ModelWrapper {
  readonly #parts: ModelWrapperParts;
  readonly #proxies = new WeakMap<object, InferenceProxy<object>>();
  /** Forgets what is kept of a model by its number once the model itself is garbage. */
  readonly #forgotten: FinalizationRegistry<number>;

  constructor(parts: ModelWrapperParts) {
    this.#parts = parts;
    this.#forgotten = new FinalizationRegistry((modelId) => {
      parts.profiler.forget(modelId);
      parts.optimizer.forget(modelId);
      parts.forgetBatching(modelId);
      parts.cache.forgetModel(modelId);
    });
  }

  /** @throws UnsupportedModelError where no adapter recognises the model. */
  wrap<Model extends object>(model: Model, options: WrapOptions = {}): InferenceProxy<Model> {
    if (isProxy(model)) return model as InferenceProxy<Model>;
    const known = isObject(model) ? this.#proxies.get(model) : undefined;
    if (known !== undefined) return known as InferenceProxy<Model>;

    const adapter = options.adapter ?? (isObject(model) ? this.#parts.adapters.find(model) : undefined);
    if (adapter === undefined || !isObject(model)) throw unsupported(model, this.#parts.adapters.supported());
    const proxy = adapter.wrapForward(model, (inner, entryPoints) =>
      createProxy(
        inner,
        new ModelRecord(this.#parts, adapter, inner, entryPoints, {
          identity: options.identity,
          config: options.config ?? this.#parts.config,
        }),
      ),
    ) as InferenceProxy<Model>;
    this.#proxies.set(model, proxy);
    this.#forgotten.register(model, proxy.modelId);
    return proxy;
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function unsupported(value: unknown, supported: readonly string[]): UnsupportedModelError {
  const what = isObject(value) ? `a ${constructorName(value)}` : String(value);
  return new UnsupportedModelError(
    `wrap() was given ${what}, which is no model it knows. It knows ${supported.join('; ')}. ` +
      'For anything else give an adapter: wrap(model, { adapter }), made with callableAdapter() or of your own. ' +
      'To open a model file use load().',
  );
}

function constructorName(value: object): string {
  try {
    return value.constructor.name || typeof value;
  } catch {
    return typeof value;
  }
}
