/** @module What is kept of one wrapped model: its number, its count of calls, its way of a call. */

import type { AdapterDetection, EntryPoint, InferenceAdapter, LazyAdapter } from './adapters/adapter.ts';
import type { AnswerSource, CallOptions, InferenceCall, ModelCall, StepBypass } from './call.ts';
import type { InferenceConfig } from './config.ts';
import type { EventSource } from './events.ts';
import { composeBypass, composePipeline, guardCall } from './pipeline.ts';
import type { Pipeline } from './pipeline.ts';
import type { ProxyBehaviour } from './proxy.ts';
import type { CallEvent, ModelWrapperParts } from './wrap.ts';

/** What is known of a model that `load()` opened. */
export interface HostedFacts {
  /** Whether its caller offered variants of it. */
  readonly hasVariants?: boolean | undefined;
  /** Fires with the identity that its answers have from now on. */
  readonly onIdentity?: EventSource<string> | undefined;
}

/** Numbers are unique in the process, also across several epochlys: their caches and metrics may be shared. */
let lastModelId = 0;

export class ModelRecord implements ProxyBehaviour {
  readonly modelId: number = ++lastModelId;
  readonly entryPoints: readonly EntryPoint[];
  readonly #parts: ModelWrapperParts;
  readonly #detection: AdapterDetection;
  /** Undefined while it is being loaded, and where it could not be. */
  #adapter: InferenceAdapter | undefined;
  #loading: Promise<void> | undefined;
  readonly #model: object;
  #identity: string | undefined;
  /** Whose calls those are that name nobody; undefined where tenants are not kept apart. */
  readonly #tenant: string | undefined;
  #pipeline: Pipeline;
  /** Past all steps of it; undefined where there is no way. */
  #bypass: StepBypass | undefined;
  #calls = 0;
  /** How often the weights changed: an identity names the weights as they were at first. */
  #mutations = 0;

  constructor(
    parts: ModelWrapperParts,
    adapter: InferenceAdapter | LazyAdapter,
    model: object,
    entryPoints: readonly EntryPoint[],
    options: { readonly identity?: string | undefined; readonly config: InferenceConfig } & HostedFacts,
  ) {
    this.#parts = parts;
    this.#detection = adapter;
    this.#model = model;
    // Without one a model is answered from memory alone, as it is meant to be where only the others may be kept.
    const staysInMemory = options.config.privacy.mode !== parts.config.privacy.mode;
    this.#identity = staysInMemory ? undefined : options.identity;
    this.#tenant = options.config.privacy.cacheTenantIsolation ? parts.tenant : undefined;
    if (this.#identity !== undefined) parts.cache.identify(this.modelId, this.#identity);
    options.onIdentity?.((identity) => {
      if (staysInMemory) return parts.cache.answersOtherwise(this.modelId);
      this.#identity = identity;
      parts.cache.identify(this.modelId, identity);
    });
    this.entryPoints = entryPoints;
    const decision = parts.optimizer.decide({
      modelId: this.modelId,
      framework: adapter.name,
      identity: options.identity,
      config: options.config,
      hasVariants: options.hasVariants,
    });
    this.#pipeline = composePipeline([]);
    const { cache, batching } = decision.steps;
    if (cache.on || batching.on || 'load' in adapter) {
      this.#loading = this.#load(adapter, cache.on, batching.on ? options.config : undefined);
    } else {
      this.#adapter = adapter;
    }
  }

  callCount(): number {
    return this.#calls;
  }

  mutated(): void {
    this.#mutations++;
    this.#parts.cache.modelChanged(this.modelId);
  }

  call(
    entryPoint: string,
    args: readonly unknown[],
    viewOptions: CallOptions,
    original: () => unknown,
  ): Promise<unknown> {
    this.#calls++;
    const bypass = this.#bypass;
    const isPlain = hasNoOptions(viewOptions) && (args.length === 1 || this.#detection.splitOptions === undefined);
    if (bypass !== undefined && isPlain && bypass.isOpen())
      return this.#callPast(bypass, entryPoint, args, viewOptions, original);
    return this.#callWhole(entryPoint, args, viewOptions, original);
  }

  /** A call for which no step would do anything. One function, and one promise: what is called after a run is cold. */
  async #callPast(
    bypass: StepBypass,
    entryPoint: string,
    args: readonly unknown[],
    { context = this.#parts.platform.currentContext() }: CallOptions,
    original: () => unknown,
  ): Promise<unknown> {
    bypass.enter();
    const startedAt = this.#parts.platform.clock.now();
    let source: AnswerSource | undefined;
    let error: unknown;
    try {
      const output = await original();
      source = 'model';
      this.#profile(startedAt, args, output);
      return output;
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      bypass.leave?.();
      this.#finished({ entryPoint, source, error, context }, startedAt);
    }
  }

  async #callWhole(
    entryPoint: string,
    args: readonly unknown[],
    viewOptions: CallOptions,
    original: () => unknown,
  ): Promise<unknown> {
    const startedAt = this.#parts.platform.clock.now();
    let { context = this.#parts.platform.currentContext() } = viewOptions;
    let source: AnswerSource | undefined;
    let error: unknown;
    try {
      const { call: given, options } = this.#split({ entryPoint, args }, viewOptions);
      const call = this.#loading === undefined ? given : this.#keep(given, options);
      context = options.context ?? context;
      return await guardCall(this.#parts.platform.clock, options, async (guarded) => {
        if (this.#loading !== undefined) await this.#loading;
        guarded.signal?.throwIfAborted();
        const adapter = this.#adapter;
        if (adapter === undefined) {
          const output = await this.#invoke(call, original);
          source = 'model';
          return output;
        }
        const { deadlineMs } = options;
        const deadlineAt = deadlineMs === undefined ? undefined : startedAt + deadlineMs;
        const inference = this.#createCall(adapter, call, guarded, { deadlineAt, deadlineMs }, original);
        const output = await this.#pipeline(inference);
        source = inference.source;
        return output;
      });
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      this.#finished({ entryPoint, source, error, context }, startedAt);
    }
  }

  observe(
    entryPoint: string,
    args: readonly unknown[],
    { context = this.#parts.platform.currentContext() }: CallOptions,
    original: () => unknown,
  ): unknown {
    this.#calls++;
    const startedAt = this.#parts.platform.clock.now();
    let source: AnswerSource | undefined;
    let error: unknown;
    try {
      const output = original();
      source = 'model';
      this.#profile(startedAt, args, output);
      return output;
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      this.#finished({ entryPoint, source, error, context }, startedAt);
    }
  }

  #split(call: ModelCall, viewOptions: CallOptions): { readonly call: ModelCall; readonly options: CallOptions } {
    const split = this.#detection.splitOptions?.(this.#model, call);
    return split === undefined
      ? { call, options: viewOptions }
      : { call: split.call, options: { ...viewOptions, ...split.options } };
  }

  /**
   * A call that has to wait before anything reads it, as it is now: a model that takes the call's arguments, and not
   * those that its method was called with, gets them as they were then, whatever their owner does to them meanwhile.
   */
  #keep(call: ModelCall, { transfer }: CallOptions): ModelCall {
    const adapter: Partial<InferenceAdapter> = this.#detection;
    if (adapter.invoke === undefined || adapter.retain === undefined || transfer === true) return call;
    return adapter.retain(this.#model, call);
  }

  /**
   * The rest of an adapter, the cache's step, and batching for a configuration. A failure leaves the model as it is: called,
   * and observed.
   */
  async #load(
    adapter: InferenceAdapter | LazyAdapter,
    cached: boolean,
    batched: InferenceConfig | undefined,
  ): Promise<void> {
    try {
      const { caching, batching } = this.#parts;
      const [loaded, cacheStep, models] = await Promise.all([
        'load' in adapter ? adapter.load() : adapter,
        cached ? caching() : undefined,
        batched && batching(),
      ]);
      const batchStep = models?.add({
        modelId: this.modelId,
        model: this.#model,
        adapter: loaded,
        config: batched?.batching,
        observe: (call, requests, run) => this.#invoke(call, run, requests),
      });
      const steps = [cacheStep, batchStep].filter((step) => step !== undefined);
      this.#pipeline = composePipeline(steps);
      this.#bypass = composeBypass(steps, this.#model);
      this.#adapter = loaded;
    } catch (error) {
      console.warn(`epochly could not load its adapter for ${adapter.name}, and only observes the model:`, error);
    }
    this.#loading = undefined;
  }

  #createCall(
    adapter: InferenceAdapter,
    call: ModelCall,
    options: CallOptions,
    deadline: Pick<InferenceCall, 'deadlineAt' | 'deadlineMs'>,
    original: () => unknown,
  ): InferenceCall {
    const own = adapter.invoke;
    return {
      entryPoint: call.entryPoint,
      args: call.args,
      model: this.#model,
      modelId: this.modelId,
      identity: this.#identity !== undefined && this.#mutations > 0 ? undefined : this.#identity,
      adapter,
      cacheTenant: this.#tenant === undefined ? 'default' : (options.tenant ?? this.#tenant),
      options,
      source: 'model',
      deadlineAt: deadline.deadlineAt,
      deadlineMs: deadline.deadlineMs,
      invoke: (invokeOptions) =>
        this.#invoke(call, own === undefined ? original : () => own.call(adapter, this.#model, call, invokeOptions)),
    };
  }

  async #invoke(call: ModelCall, run: () => unknown, batchSize?: number): Promise<unknown> {
    const startedAt = this.#parts.platform.clock.now();
    const output = await run();
    this.#profile(startedAt, call.args, output, batchSize);
    return output;
  }

  /** Runs of the model itself make its profile; answers from the cache do not. */
  #profile(startedAt: number, inputs: readonly unknown[], outputs: unknown, batchSize?: number): void {
    this.#parts.profiler.recordCall({
      modelId: this.modelId,
      adapter: this.#detection,
      model: this.#model,
      callTimeMs: this.#parts.platform.clock.now() - startedAt,
      inputs,
      outputs,
      batchSize,
    });
  }

  #finished(about: Omit<CallEvent, 'modelId' | 'durationMs'>, startedAt: number): void {
    const { calls, platform } = this.#parts;
    const { source = 'failed', context } = about;
    if (context === undefined && !calls.hasListeners) return;
    const durationMs = platform.clock.now() - startedAt;
    if (context !== undefined) {
      context.modelCalls++;
      context.timings[source] = (context.timings[source] ?? 0) + durationMs;
    }
    calls.emit({ ...about, modelId: this.modelId, durationMs });
  }
}

/** Whether a call has nothing but its arguments: nothing is to be waited for less, or otherwise, than usual. */
function hasNoOptions({ signal, deadlineMs, priority, transfer }: CallOptions): boolean {
  return signal === undefined && deadlineMs === undefined && priority === undefined && transfer === undefined;
}
