/** @module Which validator compares the answers of which workload, and who is told where they are wrong. */

import { Emitter } from '../events.ts';
import type { Listener } from '../events.ts';
import type { MaybePromise } from '../platform.ts';
import type { OutputPair, OutputValidator } from './output-validator.ts';
import type { ValidationReport } from './validation-report.ts';
import { classifierValidator } from './validators/classifier.ts';
import { embeddingValidator } from './validators/embedding.ts';
import { encoderValidator } from './validators/encoder.ts';
import { generationValidator, llmValidator } from './validators/generation.ts';
import { rerankerValidator } from './validators/reranker.ts';

/**
 * Holds the built-in validators, with their defaults, until others are registered in their place.
 *
 * @example registry.register('embedding', embeddingValidator({ minCosine: 0.999 }))
 */
export class ValidatorRegistry {
  readonly #validators = new Map<string, OutputValidator>([
    ['embedding', embeddingValidator()],
    ['classifier', classifierValidator()],
    ['reranker', rerankerValidator()],
    ['generation', generationValidator()],
    ['llm', llmValidator()],
    ['encoder', encoderValidator()],
  ]);
  readonly #alerts = new Emitter<ValidationReport>();

  /** Takes the place of the workload's validator, where it has one. @throws TypeError where it has no method `validate` */
  register(workloadType: string, validator: OutputValidator): void {
    if (typeof validator?.validate !== 'function')
      throw new TypeError(`A validator has a method validate(pairs); what was given for ${workloadType} has none.`);
    this.#validators.set(workloadType, validator);
  }

  /** @returns whether there was one */
  unregister(workloadType: string): boolean {
    return this.#validators.delete(workloadType);
  }

  get(workloadType: string): OutputValidator | undefined {
    return this.#validators.get(workloadType);
  }

  /** The workloads that have a validator, sorted. */
  listRegistered(): readonly string[] {
    return [...this.#validators.keys()].toSorted();
  }

  /** Whether the workload's validator answers with a promise; false where it has none. */
  isAsync(workloadType: string): boolean {
    const validator = this.get(workloadType);
    if (validator === undefined) return false;
    return validator.isAsync ?? Object.prototype.toString.call(validator.validate) === '[object AsyncFunction]';
  }

  /** Tells of reports that `fireAlerts` is given. */
  onAlert(listener: Listener<ValidationReport>): Disposable {
    return this.#alerts.event(listener);
  }

  /** Gives a report to all who listen. One of them that throws harms nobody else. */
  fireAlerts(report: ValidationReport): void {
    this.#alerts.emit(report);
  }

  /**
   * Compares answers by the workload's validator, and fires alerts where they are wrong. A validator that throws, or passes what it was
   * given nothing of, has found nothing out: its report is 'undecided'.
   *
   * @throws RangeError where the workload has no validator
   */
  validate(
    workloadType: string,
    pairs: readonly OutputPair[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): MaybePromise<ValidationReport> {
    const validator = this.get(workloadType);
    if (validator === undefined)
      throw new RangeError(
        `There is no validator for ${JSON.stringify(workloadType)}. There are ${this.listRegistered().join(', ')}.`,
      );
    const undecided = (message: string, error?: unknown): ValidationReport => ({
      workloadType,
      verdict: 'undecided',
      samples: pairs.length,
      metrics: [],
      worst: undefined,
      message,
      ...(error === undefined ? {} : { error }),
    });
    const failed = (error: unknown): ValidationReport =>
      undecided(`The validator failed: ${error instanceof Error ? error.message : String(error)}`, error);
    const told = (report: ValidationReport): ValidationReport => {
      if (report.verdict === 'passed' && pairs.length === 0) return undecided('There were no answers to compare.');
      if (report.verdict === 'failed') this.fireAlerts(report);
      return report;
    };
    try {
      const report = validator.validate(pairs, options);
      return report instanceof Promise ? report.then(told).catch(failed) : told(report);
    } catch (error) {
      return failed(error);
    }
  }
}
