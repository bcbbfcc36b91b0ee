/** @module The composition root: everything of one epochly, on one platform. */

import './dispose.ts';
import type { InferenceAdapter } from './adapters/adapter.ts';
import { BUILT_IN_ADAPTERS } from './adapters/built-in.ts';
import { AdapterRegistry } from './adapters/registry.ts';
import type { BatchedModels } from './batching/batched-models.ts';
import type { BatcherStats } from './batching/batch-stats.ts';
import type { ByteStore } from './cache/byte-store.ts';
import type { InferenceCache } from './cache/inference-cache.ts';
import type { KeyRotation } from './cache/sealed/rotate-keys.ts';
import type { Step } from './call.ts';
import { InferenceConfig } from './config.ts';
import type { InferenceConfigInit } from './config.ts';
import type { BeginSearch } from './create-compiling.ts';
import { UnsupportedOperationError } from './errors.ts';
import { Emitter } from './events.ts';
import type { EventSource } from './events.ts';
import type { HostedModel } from './host/hosted-model.ts';
import type { LoadOptions, ModelSource } from './load.ts';
import { InferenceProfiler } from './metrics/profiler.ts';
import { ModelWrapper } from './wrap.ts';
import type { CallEvent, WrapOptions } from './wrap.ts';
import { InferenceOptimizer } from './optimizer.ts';
import { AuditedCache } from './persistence/audited-cache.ts';
import type { Persistence } from './persistence/open-persistence.ts';
import type { BackendInfo, Platform } from './platform.ts';
import type { AuditEvent, AuditLogger } from './privacy/audit-logger.ts';
import type { Keyring, KeySource } from './privacy/keyring.ts';
import { TenantIsolation } from './privacy/tenant-isolation.ts';
import type { InferenceProxy } from './proxy.ts';

/** Options of `createEpochly()`. */
export interface EpochlyOptions {
  /** Default: `EPOCHLY_INFERENCE_*` variables, then the configuration file, then each field's default. */
  readonly config?: InferenceConfig | InferenceConfigInit | undefined;
  /**
   * The master key, or where it is, in place of what the configuration says of it: for what that cannot say, as the slot of an
   * HSM, or a key that a page was given by its server. A keyring that is given is closed with the epochly.
   */
  readonly encryptionKey?: KeySource | Keyring | undefined;
  /**
   * L3's store, in place of `cache.redisUrl`, for what a URL cannot say: a cluster, Sentinel, a client of yours, by
   * `openRedisStore()` of 'epochly/cache/redis'; or another store that machines share. Closed with the epochly.
   */
  readonly remoteStore?: ByteStore | undefined;
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
  /**
   * Resolves once all that outlives the process is open: persistent tiers, and the audit log's files. At once in the mode
   * 'ephemeral'. `load()` waits for it, and so does each call that needs those tiers.
   *
   * @throws KeyError where the master key is missing, is no key, or is not the one of before; ConfigError where a setting is
   * wrong; SecurityError where checks fail and `privacy.strictChecks` is true. So does then whatever waits for it.
   */
  ready(): Promise<void>;
  /** What was decided, by which evidence, and what was invalidated; undefined where `privacy.auditLogEnabled` is false. */
  auditLog(): Promise<AuditLogger | undefined>;
  /**
   * Wraps all keys of the persistent tiers and of the audit log by another master key while they are in use; answers stay as they
   * are. Give the new key to whatever starts later. Where it rejects, both keys are needed until it was done again.
   *
   * @throws KeyError where the new key cannot be had
   */
  rotateKey(to: KeySource | Keyring): Promise<KeyRotation>;
  /** Writes what is not yet written, and closes persistent tiers and the audit log. Models go on, and answers stay in memory. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
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
  const { tenantId: tenant } = TenantIsolation.fromEnv(platform.env);
  let auditing: Promise<AuditLogger> | undefined;
  const auditLog = async (): Promise<AuditLogger | undefined> => {
    if (!config.privacy.auditLogEnabled) return undefined;
    auditing ??= import('./persistence/create-audit-log.ts').then(({ createAuditLog }) =>
      createAuditLog(config, platform.clock),
    );
    return auditing;
  };
  // What is wrong with it, ready() says.
  const audit = (event: AuditEvent): void =>
    void auditLog().then(
      (log) => log?.logEvent(event),
      () => undefined,
    );
  const cache = new AuditedCache(
    { config: config.cache, clock: platform.clock, digest: platform.digest, tenant },
    audit,
    config.privacy.cacheTenantIsolation,
  );
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
    tenant,
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

  optimizer.onDecision(({ modelId, framework, level, steps }) =>
    audit({ operation: 'optimization_decided', modelId, result: `level ${level}`, details: { framework, ...steps } }),
  );

  let persistence: Promise<Persistence> | undefined;
  let isAwaited = false;
  if (config.privacy.mode !== 'ephemeral') {
    persistence = import('./persistence/open-persistence.ts').then(async ({ openPersistence }) =>
      openPersistence({
        platform,
        config,
        cache,
        auditLog: await auditLog(),
        onCall: calls.event,
        encryptionKey: options.encryptionKey,
        remoteStore: options.remoteStore,
      }),
    );
    cache.attach(persistence.then(({ lower }) => lower));
    persistence.catch((error: unknown) => {
      if (!isAwaited) console.error('epochly cannot keep answers as it is configured to:', error);
    });
  }
  let closing: Promise<void> | undefined;
  const ready = async (): Promise<void> => {
    isAwaited = true;
    await auditLog();
    await (closing ?? persistence);
  };
  const closeAll = async (): Promise<void> => {
    if (persistence !== undefined) {
      cache.attach(import('./persistence/open-persistence.ts').then(({ closedTiers }) => closedTiers(platform)));
      await persistence.then(
        (opened) => opened.close(),
        () => undefined,
      );
    }
    await options.remoteStore?.close();
  };
  const close = (): Promise<void> => (closing ??= closeAll());

  let compiling: Promise<BeginSearch> | undefined;
  const search: (...args: Parameters<BeginSearch>) => Promise<void> = async (...args) => {
    compiling ??= import('./create-compiling.ts').then(({ createCompiling }) =>
      createCompiling({ platform, config, audit }),
    );
    (await compiling)(...args);
  };

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
      const [{ loadModel, hostedAdapter }] = await Promise.all([import('./load.ts'), ready()]);
      const hosted = await loadModel(platform, source, loadOptions);
      const hasVariants = (loadOptions.variants ?? []).length > 0;
      const proxy = wrapper.wrap(
        hosted,
        {
          adapter: hostedAdapter,
          identity: hosted.answerIdentity,
          config: consentTo(modelConfig, loadOptions),
        },
        { hasVariants, onIdentity: hosted.onIdentity },
      );
      const { compilation, lossy } = optimizer.explain(proxy.modelId)?.steps ?? {};
      if (compilation?.on === true && loadsReference(loadOptions.backend)) {
        const onWrong = (): void => platform.waitUntil((async () => cache.invalidateModel(proxy.modelId))());
        const { frameworkOptions } = loadOptions;
        platform.waitUntil(search(hosted, { frameworkOptions, useVariants: lossy?.on === true, onWrong }));
      }
      return proxy;
    },
    getBatchStats: (modelId) => batched?.getStats(modelId),
    registerAdapter: (adapter) => adapters.register(adapter),
    listBackends: () => platform.listBackends(),
    ready,
    auditLog,
    async rotateKey(to) {
      if (persistence === undefined) throw new UnsupportedOperationError('There is no master key: nothing is kept.');
      return (await persistence).rotateKey(to);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Who asks for 'auto' wants the fastest way that gives the same answers: level 3 for that model; who offers variants, also answers that
 * their workload bears: level 4. What is said of one model outranks what is said of all; a level given with it stands.
 */
function consentTo(
  config: InferenceConfig,
  { backend, variants = [], config: given }: LoadOptions & Pick<WrapOptions, 'config'>,
): InferenceConfig {
  const consent = variants.length > 0 ? 4 : backend === 'auto' ? 3 : 0;
  const isGiven = !(given instanceof InferenceConfig) && given?.maxLevel !== undefined;
  if (config.maxLevel >= consent || isGiven) return config;
  return InferenceConfig.resolve({ options: { maxLevel: consent }, file: { ...config } });
}

/** A backend that is named is the caller's choice. */
function loadsReference(backend: LoadOptions['backend']): boolean {
  return backend === undefined || backend === 'auto';
}

function resolveConfig(platform: Platform, given: EpochlyOptions['config']): InferenceConfig {
  if (given instanceof InferenceConfig) return given;
  const file = platform.readConfigFile();
  return InferenceConfig.resolve({ options: given, env: platform.env, file });
}
