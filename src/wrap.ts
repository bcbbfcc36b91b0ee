/** @module wrap(model): finds the adapter, gives the model its number and its way of a call, and makes the proxy. */

import type { InferenceAdapter } from './adapters/adapter.ts';
import type { AdapterRegistry } from './adapters/registry.ts';
import type { BatchedModels } from './batching/batched-models.ts';
import type { InferenceCache } from './cache/inference-cache.ts';
import type { AnswerSource, Step } from './call.ts';
import { InferenceConfig } from './config.ts';
import type { InferenceConfigInit } from './config.ts';
import type { RequestContext } from './context.ts';
import { ConfigError, UnsupportedModelError } from './errors.ts';
import type { Emitter } from './events.ts';
import type { InferenceProfiler } from './metrics/profiler.ts';
import type { InferenceOptimizer } from './optimizer.ts';
import { ModelRecord } from './model-record.ts';
import type { HostedFacts } from './model-record.ts';
import type { Platform } from './platform.ts';
import { read } from './shapes.ts';
import { createProxy, unwrap } from './proxy.ts';
import type { InferenceProxy } from './proxy.ts';

/** Options of `wrap()`. */
export interface WrapOptions {
  /** The adapter to use, for models that no registered one recognises. */
  readonly adapter?: InferenceAdapter | undefined;
  /** What stands for the model's weights, such as the SHA-256 of its file: what persistent tiers key by. */
  readonly identity?: string | undefined;
  /**
   * The configuration of this model in place of the shared one, or what of it differs. Cache sizes stay those of the shared
   * cache.
   */
  readonly config?: InferenceConfig | InferenceConfigInit | undefined;
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
  /** Whose calls those are that name nobody. */
  readonly tenant: string;
  /** The step that answers from the cache; loaded with the first model that has it. */
  readonly caching: () => Promise<Step>;
  /** Loaded with the first model that is batched. */
  readonly batching: () => Promise<BatchedModels>;
  readonly forgetBatching: (modelId: number) => void;
}

/** A proxy, and the options it was made with, as they were settled. */
interface Wrapped {
  readonly proxy: InferenceProxy<object>;
  readonly options: Readonly<Record<string, unknown>>;
}

export class ModelWrapper {
  readonly #parts: ModelWrapperParts;
  readonly #wrapped = new WeakMap<object, Wrapped>();
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

  /**
   * A model that is wrapped already, or its proxy, is answered with the proxy that there is.
   *
   * @throws UnsupportedModelError where no adapter recognises the model, ConfigError where an option is wrong, or is not the
   * one that the model was wrapped with.
   */
  wrap<Model extends object>(model: Model, options: WrapOptions = {}, hosted: HostedFacts = {}): InferenceProxy<Model> {
    const { adapters } = this.#parts;
    const config = this.configOf(options.config);
    const inner = unwrap(model);
    const known = this.#wrapped.get(inner);
    const existing = inner === model ? known?.proxy : model;
    if (existing !== undefined) {
      checkOptions({ ...options, config: options.config && config }, known?.options);
      return existing as InferenceProxy<Model>;
    }

    const adapter = options.adapter ?? (isObject(model) ? adapters.find(model) : undefined);
    if (adapter === undefined || !isObject(model)) throw unsupported(model, adapters.supported());
    const { identity } = options;
    const proxy = adapter.wrapForward(model, (wrapped, entryPoints) =>
      createProxy(
        wrapped,
        new ModelRecord(this.#parts, adapter, wrapped, entryPoints, { identity, config, ...hosted }),
      ),
    ) as InferenceProxy<Model>;
    this.#wrapped.set(model, { proxy, options: { ...options, adapter, config } });
    this.#forgotten.register(model, proxy.modelId);
    return proxy;
  }

  /** The configuration of a model: what is not given is the shared one's. @throws ConfigError naming the field. */
  configOf(given: WrapOptions['config']): InferenceConfig {
    const { config } = this.#parts;
    if (given === undefined) return config;
    const own =
      given instanceof InferenceConfig ? given : InferenceConfig.resolve({ options: given, file: { ...config } });
    // Where it keeps less than the others, it is kept in memory; more than is opened for all it cannot have.
    if (own.privacy.mode !== config.privacy.mode && own.privacy.mode !== 'ephemeral') {
      throw new ConfigError(
        'privacy.mode',
        `The model asks for the privacy mode ${own.privacy.mode}, and its epochly was made with ${config.privacy.mode}. ` +
          'Give the mode to createEpochly(), or in the environment.',
      );
    }
    const { redactPatterns, redactBuiltIns } = config.privacy;
    const isShared = (each: string): boolean => redactPatterns.includes(each) || redactBuiltIns.includes(each);
    if (![...own.privacy.redactPatterns, ...own.privacy.redactBuiltIns].every(isShared))
      throw new ConfigError(
        'privacy.redact_patterns',
        'What is redacted is the same for all models: give it to createEpochly().',
      );
    return own;
  }
}

/** Options that come too late for a model are no options: nobody would notice that they do nothing. */
function checkOptions(given: WrapOptions, first: Wrapped['options'] = {}): void {
  for (const [field, value] of Object.entries(given)) {
    if (value === undefined || value === first[field]) continue;
    if (value instanceof InferenceConfig && JSON.stringify(value) === JSON.stringify(first[field])) continue;
    throw new ConfigError(
      field,
      `The model is wrapped already, with another ${field}. For a second proxy use another createEpochly(), and ` +
        'unwrap(model).',
    );
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function unsupported(value: unknown, supported: readonly string[]): UnsupportedModelError {
  const kind = String(read(read(value, 'constructor'), 'name') || typeof value);
  return new UnsupportedModelError(
    `wrap() was given ${isObject(value) ? `a ${kind}` : String(value)}, which is no model it knows. It knows ` +
      `${supported.join('; ')}. For anything else give an adapter: wrap(model, { adapter: callableAdapter() }). To open a ` +
      'model file use load().',
  );
}
