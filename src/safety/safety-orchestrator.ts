/** @module Lets optimisations answer where they are right, and the reference everywhere else. */

import { systemClock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import type { Clock } from '../platform.ts';
import type { AuditEvent } from '../privacy/audit-logger.ts';
import { DriftMonitor } from './drift-monitor.ts';
import type { GateRequest, GateStage } from './gate-request.ts';
import { GoldenStore } from './golden-store.ts';
import { count, limit } from './limits.ts';
import { OptimizationGate } from './optimization-gate.ts';
import { ValidatorRegistry } from './validator-registry.ts';

/** How optimisations are let in, and watched; each has a default. */
export interface SafetyOrchestratorOptions {
  /**
   * Share of the answers of an optimisation that are held against the reference's for as long as it is used, 0 to 1. Of the first answers
   * to each shape of calls it is more: of the n-th, 1/n. Default 0.01.
   */
  readonly sampleRate?: number | undefined;
  /** Calls of a shape that it is asked beside the reference, before it answers any. Default 3. */
  readonly shadowCalls?: number | undefined;
  /**
   * Before it answers all calls. Default a quarter of the calls until 3 of its answers were right, and half of them until 5 more were:
   * about ten calls each. None: it answers all calls at once.
   */
  readonly stages?: readonly GateStage[] | undefined;
  /** Default one in memory. */
  readonly goldens?: GoldenStore | undefined;
  /** Default the built-in ones. */
  readonly validators?: ValidatorRegistry | undefined;
  /** Told of each decision, and what it rests on. Default: nobody is. */
  readonly audit?: ((event: AuditEvent) => void) | undefined;
  readonly clock?: Clock | undefined;
  /** From 0 to below 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

const DEFAULT_STAGES: readonly GateStage[] = [
  { share: 0.25, answers: 3 },
  { share: 0.5, answers: 5 },
];

/**
 * Puts each optimisation behind a gate: golden capture, canary, shadow, staged enabling, use under watch, and off again at the first
 * wrong answer, or for a while where it failed. What was wrong under one gate is off under all gates of the same model and name.
 *
 * @example
 * const gate = orchestrator.gateOptimization({ model: sha256, optimizationName: 'webgpu', reference, optimized });
 * const answer = await gate.run([feeds], { signal, deadlineMs: 500 });
 */
export class SafetyOrchestrator {
  readonly #tools: Omit<ConstructorParameters<typeof OptimizationGate>[1], 'wrongBefore'>;
  readonly #audit: (event: AuditEvent) => void;
  /** What is off for good in this process, and why. */
  readonly #wrong = new Map<string, string>();
  readonly #gates = new Map<string, Set<OptimizationGate>>();

  /** @throws ConfigError naming an option that is out of range */
  constructor({
    sampleRate = 0.01,
    shadowCalls = 3,
    stages = DEFAULT_STAGES,
    goldens = new GoldenStore(),
    validators = new ValidatorRegistry(),
    audit = () => undefined,
    clock = systemClock,
    random = Math.random,
  }: SafetyOrchestratorOptions = {}) {
    limit('sampleRate', sampleRate, 1);
    count('shadowCalls', shadowCalls);
    for (const { share, answers } of stages) {
      if (!(share > 0 && share <= 1)) throw new ConfigError('stages', `A share is above 0, at most 1, not ${share}.`);
      count('answers', answers);
    }
    const drift = new DriftMonitor({ sampleRate, clock, random });
    this.#tools = { sampleRate, shadowCalls, stages: [...stages], goldens, validators, clock, random, drift };
    this.#audit = audit;
  }

  /** @throws RangeError where the workload has no validator */
  gateOptimization(request: GateRequest): OptimizationGate {
    const { model, optimizationName, workloadType = 'encoder' } = request;
    if (this.#tools.validators.get(workloadType) === undefined)
      throw new RangeError(`There is no validator for ${JSON.stringify(workloadType)}.`);
    const key = JSON.stringify([model, optimizationName]);
    const gate = new OptimizationGate(request, { ...this.#tools, wrongBefore: this.#wrong.get(key) });
    if (gate.state === 'off') return gate;
    const alike = this.#gates.get(key) ?? new Set();
    this.#gates.set(key, alike.add(gate));
    gate.onChange(({ to, wasWrong, ...evidence }) => {
      this.#audit({
        operation: 'gate_optimization',
        modelId: model,
        optimizationName,
        result: to,
        details: { ...evidence, wasWrong },
      });
      if (to === 'off' || to === 'closed') this.#leave(key, gate);
      if (!wasWrong || this.#wrong.has(key)) return;
      this.#wrong.set(key, evidence.reason);
      for (const each of alike) each.turnOff(evidence.reason);
    });
    return gate;
  }

  #leave(key: string, gate: OptimizationGate): void {
    const alike = this.#gates.get(key);
    alike?.delete(gate);
    if (alike?.size === 0) this.#gates.delete(key);
  }
}
