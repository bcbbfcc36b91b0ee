/** @module What is kept of one wrapped model: its number, its count of calls, its way of a call. */

import type { EntryPoint, InferenceAdapter } from './adapters/adapter.ts';
import type { AnswerSource, CallOptions, InferenceCall, ModelCall } from './call.ts';
import type { InferenceConfig } from './config.ts';
import { composePipeline, guardCall } from './pipeline.ts';
import type { Pipeline } from './pipeline.ts';
import type { ProxyBehaviour } from './proxy.ts';
import type { ModelWrapperParts } from './wrap.ts';

/** Numbers are unique in the process, also across several epochlys: their caches and metrics may be shared. */
let lastModelId = 0;

export class ModelRecord implements ProxyBehaviour {
  readonly modelId: number = ++lastModelId;
  readonly entryPoints: readonly EntryPoint[];
  readonly #parts: ModelWrapperParts;
  readonly #adapter: InferenceAdapter;
  readonly #model: object;
  readonly #identity: string | undefined;
  readonly #pipeline: Pipeline;
  #calls = 0;
  /** How often the weights changed: an identity names the weights as they were at first. */
  #mutations = 0;

  constructor(
    parts: ModelWrapperParts,
    adapter: InferenceAdapter,
    model: object,
    entryPoints: readonly EntryPoint[],
    options: { readonly identity?: string | undefined; readonly config: InferenceConfig },
  ) {
    this.#parts = parts;
    this.#adapter = adapter;
    this.#model = model;
    this.#identity = options.identity;
    this.entryPoints = entryPoints;
    const decision = parts.optimizer.decide({
      modelId: this.modelId,
      framework: adapter.name,
      identity: options.identity,
      config: options.config,
    });
    this.#pipeline = composePipeline(decision.steps.cache.on ? [parts.cacheStep] : []);
  }

  callCount(): number {
    return this.#calls;
  }

  mutated(): void {
    this.#mutations++;
    this.#parts.cache.invalidateModel(this.modelId);
  }

  async call(
    entryPoint: string,
    args: readonly unknown[],
    viewOptions: CallOptions,
    original: () => unknown,
  ): Promise<unknown> {
    this.#calls++;
    const startedAt = this.#parts.platform.clock.now();
    const { call, options } = this.#split({ entryPoint, args }, viewOptions);
    let source: AnswerSource | undefined;
    let error: unknown;
    try {
      const inference = this.#createCall(call, options, original);
      const output = await guardCall(this.#parts.platform.clock, options, (guarded) => {
        inference.options = guarded;
        return this.#pipeline(inference);
      });
      source = inference.source;
      return output;
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      this.#finished(entryPoint, startedAt, source, error);
    }
  }

  observe(entryPoint: string, args: readonly unknown[], original: () => unknown): unknown {
    this.#calls++;
    const startedAt = this.#parts.platform.clock.now();
    let error: unknown;
    try {
      const output = original();
      this.#profile(startedAt, args, output);
      return output;
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      this.#finished(entryPoint, startedAt, error === undefined ? 'model' : undefined, error);
    }
  }

  #split(call: ModelCall, viewOptions: CallOptions): { readonly call: ModelCall; readonly options: CallOptions } {
    const split = this.#adapter.splitOptions?.(this.#model, call);
    return split === undefined
      ? { call, options: viewOptions }
      : { call: split.call, options: { ...viewOptions, ...split.options } };
  }

  #createCall(call: ModelCall, options: CallOptions, original: () => unknown): InferenceCall {
    const { platform } = this.#parts;
    const own = this.#adapter.invoke;
    return {
      entryPoint: call.entryPoint,
      args: call.args,
      model: this.#model,
      modelId: this.modelId,
      identity: this.#identity !== undefined && this.#mutations > 0 ? undefined : this.#identity,
      adapter: this.#adapter,
      options,
      source: 'model',
      invoke: async (invokeOptions) => {
        const startedAt = platform.clock.now();
        const output =
          own === undefined ? await original() : await own.call(this.#adapter, this.#model, call, invokeOptions);
        this.#profile(startedAt, call.args, output);
        return output;
      },
    };
  }

  /** Runs of the model itself make its profile; answers from the cache do not. */
  #profile(startedAt: number, inputs: readonly unknown[], outputs: unknown): void {
    this.#parts.profiler.recordCall({
      modelId: this.modelId,
      adapter: this.#adapter,
      model: this.#model,
      callTimeMs: this.#parts.platform.clock.now() - startedAt,
      inputs,
      outputs,
    });
  }

  #finished(entryPoint: string, startedAt: number, source: AnswerSource | undefined, error: unknown): void {
    const { calls, platform } = this.#parts;
    if (!calls.hasListeners) return;
    calls.emit({ modelId: this.modelId, entryPoint, durationMs: platform.clock.now() - startedAt, source, error });
  }
}
