/** @module Public names of the core, the same on every platform. */

export { callableAdapter } from './adapters/callable.ts';
export type { CallableAdapterOptions } from './adapters/callable.ts';
export type {
  BatchKeyParts,
  BatchRefusal,
  CacheRefusal,
  CompileOptions,
  EntryPoint,
  GoldenOutput,
  InferenceAdapter,
  JoinedCall,
  ModelInfo,
  ModelType,
  ProxyFactory,
  SequencePadding,
  TensorInfo,
} from './adapters/adapter.ts';
export { createAdapter } from './adapters/base.ts';
export type { AdapterParts } from './adapters/base.ts';
export type { BatchKey } from './batching/batch-key.ts';
export type { BatcherStats, BatchQueueStats } from './batching/batch-stats.ts';
export type { CostPoint } from './batching/cost-curve.ts';
export { DynamicMicroBatcher } from './batching/dynamic-micro-batcher.ts';
export type { BatchInferOptions, DynamicMicroBatcherOptions } from './batching/dynamic-micro-batcher.ts';
export type { MicroBatcherConfig } from './batching/micro-batcher-config.ts';
export type { PlatformBindings } from './bind-platform.ts';
export type { ByteStore } from './cache/byte-store.ts';
export type { CacheTier, TierStats } from './cache/cache-tier.ts';
export { InferenceCache } from './cache/inference-cache.ts';
export type { CacheRefusalReason, CacheStats, InferenceCacheOptions } from './cache/inference-cache.ts';
export { MemoryStore } from './cache/memory-store.ts';
export { RequestPriority } from './call.ts';
export type { AnswerSource, CallOptions, ModelCall } from './call.ts';
export { CodecError, decodePortable, encodePortable } from './codec.ts';
export { InferenceConfig } from './config.ts';
export type {
  BatchingConfig,
  CacheConfig,
  CacheSettings,
  CompilationConfig,
  InferenceConfigInit,
  PrivacyConfig,
  SafetyConfig,
  ServingConfig,
} from './config.ts';
export { createRequestContext } from './context.ts';
export type { RequestContext } from './context.ts';
export type { Epochly, EpochlyOptions, LoadedModel } from './create.ts';
export {
  ClosedError,
  ConfigError,
  DeadlineExceededError,
  EpochlyError,
  InputError,
  UnsupportedModelError,
  UnsupportedOperationError,
} from './errors.ts';
export {
  BackendUnavailableError,
  HostError,
  IdentityMismatchError,
  InferenceError,
  MissingPeerError,
  ModelLoadError,
  QueueFullError,
} from './model-errors.ts';
export type { ErrorCode } from './errors.ts';
export type { BackendAttempt } from './model-errors.ts';
export type { EventSource } from './events.ts';
export type { BackendReport, HostedModel, RunOptions } from './host/hosted-model.ts';
export type { LoadProgress } from './host/model-files.ts';
export type { LoadOptions, ModelSource, TransformersSource } from './load.ts';
export { InferenceProfiler } from './metrics/profiler.ts';
export type { InferenceProfilerOptions, ModelProfileSummary, ProfiledCall } from './metrics/profiler.ts';
export { InferenceOptimizer } from './optimizer.ts';
export type { Enhancement, EnhancementDecision, EnhancementLevel, OptimizationDecision } from './optimizer.ts';
export type { Backend, BackendInfo, Clock, MaybePromise, Platform } from './platform.ts';
export type { Portable, TypedArray } from './portable.ts';
export { unwrap } from './proxy.ts';
export type { InferenceProxy, InferenceProxyMembers, InferOptions } from './proxy.ts';
export { Tensor, tensor } from './tensor.ts';
export type { TensorDataMap, TensorLike, TensorType } from './tensor.ts';
export type { CallEvent, WrapOptions } from './wrap.ts';
