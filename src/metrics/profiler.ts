/** @module What each model's runs take. */

import type { InferenceAdapter } from '../adapters/adapter.ts';
import { SECTIONS, whyNot } from '../config/schema.ts';
import type { FieldSpec } from '../config/schema.ts';
import { notify } from '../events.ts';
import { Histogram } from '../histogram.ts';

/** How much of the calls is looked at. */
export interface InferenceProfilerOptions {
  /** Runs that make a model's baseline. Default 10. */
  readonly warmupTarget?: number | undefined;
  /** Share of the runs after those whose inputs and outputs are looked at, 0 to 1. Default 0.01. */
  readonly sampleRate?: number | undefined;
}

/** One run of a model. */
export interface ProfiledCall {
  readonly modelId: number;
  readonly adapter: Pick<InferenceAdapter, 'name'>;
  readonly model: object;
  readonly callTimeMs: number;
  /** Milliseconds on the GPU, where the framework says. */
  readonly gpuTimeMs?: number | undefined;
  /** Default 1. */
  readonly batchSize?: number | undefined;
  readonly inputs?: readonly unknown[] | undefined;
  readonly outputs?: unknown;
}

/**
 * Called with the runs of the warm-up and with the samples after it, so that they can be kept as ground truth. What it throws
 * is written to the console, and fails no run.
 */
export type GoldenCallback = (call: ProfiledCall) => void;

/** All durations in milliseconds. */
export interface ModelProfileSummary {
  readonly modelId: number;
  readonly framework: string;
  readonly calls: number;
  /** Runs that were handed to the golden callback, or would have been. */
  readonly sampled: number;
  readonly warmupComplete: boolean;
  /** Mean of the warm-up runs but the first, which pays for what is done once; of that one while it is alone. */
  readonly baselineMs: number;
  readonly meanMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Mean over the runs that gave it; undefined where none did. */
  readonly gpuMeanMs: number | undefined;
  readonly meanBatchSize: number;
}

interface Profile {
  readonly framework: string;
  readonly latency: Histogram;
  calls: number;
  sampled: number;
  /** Fractions of a sample that are due: exactly the rate is sampled, evenly spread. */
  due: number;
  firstMs: number;
  warmupSumMs: number;
  gpuSumMs: number;
  gpuCalls: number;
  batchSizes: number;
}

/** Profiles the first runs of each model to establish a baseline, then goes on sampling; every run is counted. */
export class InferenceProfiler {
  readonly #warmupTarget: number;
  readonly #sampleRate: number;
  readonly #profiles = new Map<number, Profile>();
  #golden: GoldenCallback | undefined;

  /** @throws RangeError for a warm-up below 1 or a rate outside 0 to 1. */
  constructor({ warmupTarget = 10, sampleRate = 0.01 }: InferenceProfilerOptions = {}) {
    for (const [name, value] of Object.entries({ warmupTarget, sampleRate })) {
      const wanted = whyNot(SECTIONS.safety[name] as FieldSpec, value);
      if (wanted !== undefined) throw new RangeError(`${name} is ${wanted}, not ${value}.`);
    }
    this.#warmupTarget = warmupTarget;
    this.#sampleRate = sampleRate;
  }

  /** Replaces the callback; undefined removes it. */
  setGoldenCallback(callback: GoldenCallback | undefined): void {
    this.#golden = callback;
  }

  recordCall(call: ProfiledCall): void {
    const { modelId, adapter, callTimeMs, gpuTimeMs, batchSize = 1 } = call;
    let profile = this.#profiles.get(modelId);
    if (profile === undefined) this.#profiles.set(modelId, (profile = createProfile(adapter.name)));
    const position = ++profile.calls;
    profile.latency.observe(callTimeMs);
    profile.batchSizes += batchSize;
    if (gpuTimeMs !== undefined) {
      profile.gpuSumMs += gpuTimeMs;
      profile.gpuCalls++;
    }
    if (position === 1) profile.firstMs = callTimeMs;
    else if (position <= this.#warmupTarget) profile.warmupSumMs += callTimeMs;
    if (position > this.#warmupTarget) {
      profile.due += this.#sampleRate;
      if (profile.due < 1) return;
      profile.due -= 1;
    }
    profile.sampled++;
    if (this.#golden !== undefined) void notify(this.#golden, call);
  }

  getSummary(modelId: number): ModelProfileSummary | undefined {
    const profile = this.#profiles.get(modelId);
    return profile && this.#summarise(modelId, profile);
  }

  isWarmupComplete(modelId: number): boolean {
    return this.getCallCount(modelId) >= this.#warmupTarget;
  }

  /** Runs of the model so far; answers from the cache are none. */
  getCallCount(modelId: number): number {
    return this.#profiles.get(modelId)?.calls ?? 0;
  }

  getAllSummaries(): ReadonlyMap<number, ModelProfileSummary> {
    return new Map([...this.#profiles].map(([modelId, profile]) => [modelId, this.#summarise(modelId, profile)]));
  }

  /** Drops what is kept of a model. */
  forget(modelId: number): void {
    this.#profiles.delete(modelId);
  }

  #summarise(modelId: number, profile: Profile): ModelProfileSummary {
    const { framework, latency, calls, sampled, firstMs, warmupSumMs, gpuSumMs, gpuCalls, batchSizes } = profile;
    const warm = Math.min(calls, this.#warmupTarget) - 1;
    const quantile = (q: number): number => latency.quantile(q) as number;
    return {
      modelId,
      framework,
      calls,
      sampled,
      warmupComplete: calls >= this.#warmupTarget,
      baselineMs: warm > 0 ? warmupSumMs / warm : firstMs,
      meanMs: latency.mean as number,
      minMs: latency.min as number,
      maxMs: latency.max as number,
      p50Ms: quantile(0.5),
      p95Ms: quantile(0.95),
      p99Ms: quantile(0.99),
      gpuMeanMs: gpuCalls === 0 ? undefined : gpuSumMs / gpuCalls,
      meanBatchSize: batchSizes / calls,
    };
  }
}

function createProfile(framework: string): Profile {
  return {
    framework,
    latency: new Histogram(),
    calls: 0,
    sampled: 0,
    due: 0,
    firstMs: 0,
    warmupSumMs: 0,
    gpuSumMs: 0,
    gpuCalls: 0,
    batchSizes: 0,
  };
}
