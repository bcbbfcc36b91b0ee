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
export type { ByteStore, StoreBatch, StoreEntry, StoreUsage, TrimOptions } from './cache/byte-store.ts';
export type { PrivacyMode } from './cache/cache-config.ts';
export type {
  CacheTier,
  TierInvalidation,
  TierMissReason,
  TierPutOptions,
  TierScope,
  TierStats,
} from './cache/cache-tier.ts';
export { guardStore } from './cache/guarded-store.ts';
export type { GuardedStore, GuardOptions } from './cache/guarded-store.ts';
export { InferenceCache } from './cache/inference-cache.ts';
export type { CacheRefusalReason, CacheScope, CacheStats, InferenceCacheOptions } from './cache/inference-cache.ts';
export type { LowerTierStats, LowerTierUsage } from './cache/lower-tiers.ts';
export { MemoryStore } from './cache/memory-store.ts';
export { HashesOnlyTier } from './cache/sealed/hashes-only-tier.ts';
export type { AnswerChange } from './cache/sealed/hashes-only-tier.ts';
export { L2Cache } from './cache/sealed/l2-cache.ts';
export type { L2CacheOptions } from './cache/sealed/l2-cache.ts';
export { L3Cache } from './cache/sealed/l3-cache.ts';
export type { KeyRotation } from './cache/sealed/rotate-keys.ts';
export type { SealedTierOptions } from './cache/sealed/vault-tier.ts';
export { StoreError, StoreFullError, StoreTimeoutError, StoreUnavailableError } from './cache/store-errors.ts';
export { RequestPriority } from './call.ts';
export type { AnswerSource, CallOptions, ModelCall } from './call.ts';
export { CodecError, decodePortable, encodePortable } from './codec.ts';
export type { Candidate } from './compilation/candidates.ts';
export { CompileSafetyMonitor, TorchCompileSafetyMonitor } from './compilation/compile-safety-monitor.ts';
export type {
  CompilableFacts,
  CompileSafetyMonitorOptions,
  HealthCheckResult,
  OutputValidityResult,
  PreCompileResult,
} from './compilation/compile-safety-monitor.ts';
export { ModelCompiler } from './compilation/model-compiler.ts';
export type {
  CompilableModel,
  CompileEvent,
  CompileRequest,
  ModelCompilerOptions,
} from './compilation/compile-request.ts';
export type { Refinement } from './compilation/refinements.ts';
export type { Differs, ShapeTiming, Verdict } from './compilation/trial.ts';
export type { VariantSearch } from './compilation/variants.ts';
export type { KeptTrial, KeptVerdict, VerdictMemory } from './compilation/verdict-memory.ts';
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
export type { AnsweredCall, BackendReport, HostedModel, RunOptions, SearchReport } from './host/hosted-model.ts';
export type { LoadProgress } from './host/model-files.ts';
export { KeyError } from './key-error.ts';
export type { KeyErrorReason } from './key-error.ts';
export type { LoadOptions, ModelSource, ModelVariant, TransformersSource } from './load.ts';
export { InferenceProfiler } from './metrics/profiler.ts';
export type { InferenceProfilerOptions, ModelProfileSummary, ProfiledCall } from './metrics/profiler.ts';
export { InferenceOptimizer } from './optimizer.ts';
export type { Enhancement, EnhancementDecision, EnhancementLevel, OptimizationDecision } from './optimizer.ts';
export type { Backend, BackendInfo, Clock, MaybePromise, Platform } from './platform.ts';
export type { Portable, TypedArray } from './portable.ts';
export { AuditChain } from './privacy/audit-chain.ts';
export type { AuditChainOptions } from './privacy/audit-chain.ts';
export type { AuditDetails, AuditEntry, AuditValue } from './privacy/audit-entry.ts';
export { openAuditKey, rewrapAuditKey } from './privacy/audit-key.ts';
export { AuditLogger } from './privacy/audit-logger.ts';
export type { AuditEvent, AuditLoggerOptions, AuditSink } from './privacy/audit-logger.ts';
export type { AuditStorage } from './privacy/audit-storage.ts';
export { verifyAuditLog } from './privacy/audit-verify.ts';
export type { AuditReport } from './privacy/audit-verify.ts';
export type { BuiltInPattern } from './privacy/built-in-patterns.ts';
export { InputRedactor } from './privacy/input-redactor.ts';
export type { InputRedactorOptions } from './privacy/input-redactor.ts';
export type { DataKey, Keyring, KeySource } from './privacy/keyring.ts';
export { SecurityError } from './privacy/security-result.ts';
export type { SecurityCheckResult, SecurityReport, SecuritySeverity } from './privacy/security-result.ts';
export { SecurityValidator } from './privacy/security-validator.ts';
export type { AllChecks, PrivacyControls, SecurityValidatorOptions } from './privacy/security-validator.ts';
export { TenantIsolation } from './privacy/tenant-isolation.ts';
export { unwrap } from './proxy.ts';
export type { InferenceProxy, InferenceProxyMembers, InferOptions } from './proxy.ts';
export { CircuitBreaker, failureKind } from './safety/circuit-breaker.ts';
export type {
  CircuitBreakerOptions,
  CircuitDiagnostics,
  CircuitStateChange,
  CircuitTicket,
  FailureKind,
} from './safety/circuit-breaker.ts';
export type { CircuitState, CircuitStateName, SavedCircuit } from './safety/circuit-state.ts';
export type { DistanceMeasure, Distances, OutputMatcher, PairValidator } from './safety/distance-measure.ts';
export { DriftMonitor } from './safety/drift-monitor.ts';
export type { DriftDiagnostics, DriftMonitorOptions, DriftScore } from './safety/drift-monitor.ts';
export { FallbackChain } from './safety/fallback-chain.ts';
export type {
  FallbackCallOptions,
  FallbackChainOptions,
  FallbackDiagnostics,
  FallbackHop,
  FallbackResult,
  HopCounts,
} from './safety/fallback-chain.ts';
export type { GateChange, GateDiagnostics, GateEvidence, GateState } from './safety/gate-report.ts';
export type { GateRequest, GateStage } from './safety/gate-request.ts';
export { GoldenStore } from './safety/golden-store.ts';
export type {
  Determinism,
  Golden,
  GoldenRefusal,
  GoldenStoreOptions,
  GoldenSummary,
  RunReference,
} from './safety/golden-store.ts';
export type { HopOutcome, HopRecord } from './safety/hop-record.ts';
export type { HopOptions } from './safety/hop-time.ts';
export { HysteresisController } from './safety/hysteresis-controller.ts';
export type {
  CanaryVerdict,
  DisableReason,
  HysteresisDiagnostics,
  HysteresisOptions,
} from './safety/hysteresis-controller.ts';
export type { OptimizationGate } from './safety/optimization-gate.ts';
export type { SavedWindow, WindowCounts, WindowSize } from './safety/outcome-window.ts';
export {
  CircuitOpenError,
  FallbacksExhaustedError,
  HopTimeoutError,
  WrongAnswerError,
} from './safety/safety-errors.ts';
export { SafetyOrchestrator } from './safety/safety-orchestrator.ts';
export type { SafetyOrchestratorOptions } from './safety/safety-orchestrator.ts';
export { FieldError } from './safety/field-error.ts';
export type { FieldProblem, OutOfRange } from './safety/field-error.ts';
export { FieldSpec, inferSchema, InputSchema } from './safety/input-schema.ts';
export type { FieldSpecInit } from './safety/input-schema.ts';
export { InputSchemaValidator } from './safety/input-schema-validator.ts';
export type { InputValidation } from './safety/input-schema-validator.ts';
export { judge } from './safety/judge.ts';
export type { EvidenceOptions, Measured, MetricBound } from './safety/judge.ts';
export type { Alignment, Difference, Leaf, NumbersLeaf, RankingLeaf, TextsLeaf } from './safety/output-leaves.ts';
export { createValidator } from './safety/output-validator.ts';
export type { Metric, OutputPair, OutputValidator, Sample } from './safety/output-validator.ts';
export type { MetricReport, ValidationReport, ValidationVerdict, WorstSample } from './safety/validation-report.ts';
export { ValidatorRegistry } from './safety/validator-registry.ts';
export { classifierValidator } from './safety/validators/classifier.ts';
export type { ClassifierValidatorOptions } from './safety/validators/classifier.ts';
export { embeddingValidator } from './safety/validators/embedding.ts';
export type { EmbeddingValidatorOptions } from './safety/validators/embedding.ts';
export { encoderValidator } from './safety/validators/encoder.ts';
export type { EncoderValidatorOptions } from './safety/validators/encoder.ts';
export { generationValidator, llmValidator } from './safety/validators/generation.ts';
export type { GenerationValidatorOptions } from './safety/validators/generation.ts';
export { workloadOf } from './safety/workload.ts';
export type { WorkloadType } from './safety/workload.ts';
export { rerankerValidator } from './safety/validators/reranker.ts';
export type { RerankerValidatorOptions } from './safety/validators/reranker.ts';
export { Tensor, tensor } from './tensor.ts';
export type { TensorDataMap, TensorLike, TensorType } from './tensor.ts';
export type { CallEvent, WrapOptions } from './wrap.ts';
