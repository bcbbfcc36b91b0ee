/** @module The composition root: everything of one epochly, on one platform. */

import './dispose.ts';
import type { InferenceAdapter } from './adapters/adapter.ts';
import { BUILT_IN_ADAPTERS } from './adapters/built-in.ts';
import { AdapterRegistry } from './adapters/registry.ts';
import type { BatchedModels } from './batching/batched-models.ts';
import type { BatcherStats } from './batching/batch-stats.ts';
import { InferenceCache } from './cache/inference-cache.ts';
import type { Step } from './call.ts';
import { InferenceConfig } from './config.ts';
import type { InferenceConfigInit } from './config.ts';
import { Emitter } from './events.ts';
import type { EventSource } from './events.ts';
import type { HostedModel } from './host/hosted-model.ts';
import type { LoadOptions, ModelSource } from './load.ts';
import { InferenceProfiler } from './metrics/profiler.ts';
import { ModelWrapper } from './wrap.ts';
import type { CallEvent, WrapOptions } from './wrap.ts';
import { InferenceOptimizer } from './optimizer.ts';
import type { BackendInfo, Platform } from './platform.ts';
import type { InferenceProxy } from './proxy.ts';

/** Options of `createEpochly()`. */
export interface EpochlyOptions {
  /** Default: `EPOCHLY_INFERENCE_*` variables, then the configuration file, then each field's default. */
  readonly config?: InferenceConfig | InferenceConfigInit | undefined;
}

/** One epochly: its models share a configuration, a cache and a profiler. */
export interface Epochly {
  readonly config: InferenceConfig;
  readonly cache: InferenceCache;
  readonly profiler: InferenceProfiler;
  readonly optimizer: InferenceOptimizer;
  /** Each finished call of each model, failed ones included. */
  readonly onCall: EventSource<CallEvent>;
  wrap<Model extends object>(model: Model, options?: WrapOptions): InferenceProxy<Model>;
  load(source: ModelSource, options?: LoadOptions & Pick<WrapOptions, 'config'>): Promise<LoadedModel>;
  /** How the calls of a model are batched; undefined for one that is not, or was not called yet. */
  getBatchStats(modelId: number): BatcherStats | undefined;
  /** Adds an adapter; it is asked before those registered earlier. Disposing removes it. */
  registerAdapter(adapter: InferenceAdapter): Disposable;
  /** The backends of this platform, best first, with the device each would run on. */
  listBackends(): Promise<readonly BackendInfo[]>;
}

/** A model that lives in a host, behind a proxy. */
export type LoadedModel = InferenceProxy<HostedModel>;

/** Makes an epochly of its own on a platform. @throws ConfigError naming the field that is wrong. */
export function createEpochly(platform: Platform, options: EpochlyOptions = {}): Epochly {
  const config = resolveConfig(platform, options.config);
  const profiler = new InferenceProfiler({
    sampleRate: config.safety.sampleRate,
    warmupTarget: config.safety.warmupTarget,
  });
  const optimizer = new InferenceOptimizer();
  const cache = new InferenceCache({ config: config.cache, clock: platform.clock, digest: platform.digest });
  const calls = new Emitter<CallEvent>();
  const adapters = new AdapterRegistry(BUILT_IN_ADAPTERS);
  let cacheStep: Step | undefined;
  let batched: BatchedModels | undefined;
  const wrapper = new ModelWrapper({
    platform,
    config,
    adapters,
    cache,
    profiler,
    optimizer,
    calls,
    caching: async () => {
      const { createCacheStep } = await import('./cache/cache-step.ts');
      return (cacheStep ??= createCacheStep(cache, platform.digest));
    },
    batching: async () => {
      const { BatchedModels } = await import('./batching/batched-models.ts');
      return (batched ??= new BatchedModels(platform));
    },
    forgetBatching: (modelId) => batched?.forget(modelId),
  });

  return {
    config,
    cache,
    profiler,
    optimizer,
    onCall: calls.event,
    wrap: (model, wrapOptions) => wrapper.wrap(model, wrapOptions),
    async load(source, loadOptions = {}) {
      const modelConfig = wrapper.configOf(loadOptions?.config);
      // A chunk of its own for bundlers: who only wraps models does not pay for opening them.
      const { loadModel, hostedAdapter } = await import('./load.ts');
      const hosted = await loadModel(platform, source, loadOptions);
      return wrapper.wrap(hosted, {
        adapter: hostedAdapter,
        identity: hosted.answerIdentity,
        config: modelConfig,
      });
    },
    getBatchStats: (modelId) => batched?.getStats(modelId),
    registerAdapter: (adapter) => adapters.register(adapter),
    listBackends: () => platform.listBackends(),
  };
}

function resolveConfig(platform: Platform, given: EpochlyOptions['config']): InferenceConfig {
  if (given instanceof InferenceConfig) return given;
  const file = platform.readConfigFile();
  return InferenceConfig.resolve({ options: given, env: platform.env, file });
}
