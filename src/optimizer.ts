/** @module Which levels of enhancement are on for which model, and why. */

import type { InferenceConfig } from './config.ts';
import { BUILT_IN_FRAMEWORKS } from './config/schema.ts';
import { Emitter } from './events.ts';
import type { EventSource } from './events.ts';

/**
 * 0 observes; 1 reuses answers; 2 batches; 3 swaps in compiled sessions and faster backends that give the same answers; 4
 * also those that are lossy by design. Each includes those below it.
 */
export type EnhancementLevel = 0 | 1 | 2 | 3 | 4;

/** What epochly can do for a model. */
export type Enhancement = 'cache' | 'batching' | 'compilation' | 'lossy';

/** Whether an enhancement is on, and the reason in words. */
export interface EnhancementDecision {
  readonly on: boolean;
  readonly reason: string;
}

/** What a model gets, with a reason for each enhancement. */
export interface OptimizationDecision {
  readonly modelId: number;
  readonly framework: string;
  /** The highest level of which something is on. */
  readonly level: EnhancementLevel;
  readonly steps: Readonly<Record<Enhancement, EnhancementDecision>>;
}

/** What is known of a model when it is decided on. */
export interface ModelFacts {
  readonly modelId: number;
  readonly framework: string;
  readonly identity: string | undefined;
  readonly config: InferenceConfig;
  /** Whether `load()` was offered variants of it. Default false. */
  readonly hasVariants?: boolean | undefined;
}

const LEVELS: Readonly<Record<Enhancement, EnhancementLevel>> = { cache: 1, batching: 2, compilation: 3, lossy: 4 };

/** Decides what each model gets of what epochly can do, and explains why. */
export class InferenceOptimizer {
  readonly onDecision: EventSource<OptimizationDecision>;
  readonly #decisions = new Map<number, OptimizationDecision>();
  readonly #emitter = new Emitter<OptimizationDecision>();

  constructor() {
    this.onDecision = this.#emitter.event;
  }

  /** Decides what a model gets. */
  decide({ modelId, framework, config, hasVariants = false }: ModelFacts): OptimizationDecision {
    const never = whyNothing(framework, config);
    const allowed = (step: Enhancement): EnhancementDecision | undefined => {
      if (never !== undefined) return { on: false, reason: never };
      if (config.maxLevel < LEVELS[step])
        return { on: false, reason: `max_level is ${config.maxLevel}; this is level ${LEVELS[step]}` };
      return undefined;
    };
    const cache = allowed('cache') ?? {
      on: config.cache.enabled,
      reason: config.cache.enabled
        ? 'equal calls have equal answers, unless the adapter says otherwise of one'
        : 'cache.enabled is false',
    };
    const batching = allowed('batching') ?? {
      on: config.batching.enabled,
      reason: config.batching.enabled
        ? 'where a batch answers as its calls do alone, and was measured to pay'
        : 'batching.enabled is false',
    };
    const compilation = allowed('compilation') ?? decideCompilation(framework, config);
    const lossy = allowed('lossy') ?? decideLossy(compilation, hasVariants);
    const decision: OptimizationDecision = {
      modelId,
      framework,
      level: lossy.on ? 4 : compilation.on ? 3 : batching.on ? 2 : cache.on ? 1 : 0,
      steps: { cache, batching, compilation, lossy },
    };
    this.#decisions.set(modelId, decision);
    this.#emitter.emit(decision);
    return decision;
  }

  /** What was decided for a model; undefined for one it does not know. */
  explain(modelId: number): OptimizationDecision | undefined {
    return this.#decisions.get(modelId);
  }

  /** Drops what is kept of a model. */
  forget(modelId: number): void {
    this.#decisions.delete(modelId);
  }
}

function decideCompilation(framework: string, { compilation }: InferenceConfig): EnhancementDecision {
  if (!compilation.enabled) return { on: false, reason: 'compilation.enabled is false' };
  if (framework !== 'hosted') return { on: false, reason: 'only what load() opened can be opened another way' };
  return { on: true, reason: 'where another way gives the same answers, and was measured to be faster' };
}

function decideLossy(compilation: EnhancementDecision, hasVariants: boolean): EnhancementDecision {
  if (!compilation.on) return compilation;
  if (!hasVariants) return { on: false, reason: 'no variants of the model were given to load()' };
  return { on: true, reason: "where a variant passed the workload's validator, and was measured to be faster" };
}

function whyNothing(framework: string, config: InferenceConfig): string | undefined {
  if (!config.enabled) return 'enabled is false';
  if (BUILT_IN_FRAMEWORKS.includes(framework) && !config.frameworks.includes(framework))
    return `${framework} is not among the configured frameworks`;
  return undefined;
}
