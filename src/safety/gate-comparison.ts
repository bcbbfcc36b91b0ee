/** @module Whether an optimisation's answer is the reference's, and whether its answers are still as near to it as they were. */

import type { MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { DriftMonitor } from './drift-monitor.ts';
import type { GateRequest } from './gate-request.ts';
import type { ValidatorRegistry } from './validator-registry.ts';

export class GateComparison {
  readonly #request: GateRequest;
  readonly #workloadType: string;
  readonly #validators: ValidatorRegistry;
  readonly #drift: DriftMonitor;
  readonly #driftName: string;

  constructor(request: GateRequest, validators: ValidatorRegistry, drift: DriftMonitor) {
    this.#request = request;
    this.#workloadType = request.workloadType ?? 'encoder';
    this.#validators = validators;
    this.#drift = drift;
    this.#driftName = `${request.optimizationName} of ${request.model}`;
  }

  /** Why it is not; undefined where it is, as far as it has to be. @throws where that could not be found out */
  async differenceOf(expected: Portable, actual: Portable, shape: string): Promise<string | undefined> {
    const { differs } = this.#request;
    if (differs !== undefined) return differs({ output: expected }, actual);
    const pairs = [{ expected, actual, label: shape }];
    const { verdict, message, error } = await this.#validators.validate(this.#workloadType, pairs);
    // A validator that failed has found nothing out.
    if (error !== undefined) throw error;
    return verdict === 'failed' ? message : undefined;
  }

  /** What has drifted, of answers that are within their bound; undefined where nothing has. */
  driftOf(expected: Portable, actual: Portable, shape: string): MaybePromise<string | undefined> {
    const validator = this.#request.driftValidator ?? this.#validators.get(this.#workloadType);
    if (validator === undefined) return undefined;
    return this.#drift.recordShadowComparison(this.#driftName, expected, actual, validator, this.#workloadType, shape);
  }

  /** What was usual is learnt anew: the optimisation is another one now. */
  reset(): void {
    this.#drift.refreshReference(this.#driftName);
  }
}
