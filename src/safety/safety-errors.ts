/** @module Errors of the parts that keep answers right while serving. */

import { EpochlyError } from '../errors.ts';
import type { EpochlyErrorOptions } from '../errors.ts';
import type { HopRecord } from './hop-record.ts';

/** The circuit breaker lets no call through now. `retryAfterMs`: when it may let one try again; 0 while one is trying. */
export class CircuitOpenError extends EpochlyError {
  override readonly name: string = 'CircuitOpenError';
  readonly retryAfterMs: number;
  constructor(circuit: string, reason: string, retryAfterMs: number) {
    super('CIRCUIT_OPEN', `${circuit} is not used now, because of ${reason}.`);
    this.retryAfterMs = retryAfterMs;
  }
}

/** An answer did not pass its check; `reason` says in what. */
export class WrongAnswerError extends EpochlyError {
  override readonly name: string = 'WrongAnswerError';
  readonly reason: string;
  constructor(hop: string, reason: string) {
    super('WRONG_ANSWER', `The answer of ${hop} is wrong: ${reason}`);
    this.reason = reason;
  }
}

/** A hop of a fallback chain did not answer within the `budgetMs` that it was given. */
export class HopTimeoutError extends EpochlyError {
  override readonly name: string = 'HopTimeoutError';
  readonly budgetMs: number;
  constructor(hop: string, budgetMs: number) {
    super('HOP_TIMEOUT', `${hop} did not answer within ${Math.round(budgetMs)} ms.`);
    this.budgetMs = budgetMs;
  }
}

/** No hop of a fallback chain gave a right answer. `hops`: what became of each; `cause`: the error of the last one. */
export class FallbacksExhaustedError extends EpochlyError {
  override readonly name: string = 'FallbacksExhaustedError';
  readonly hops: readonly HopRecord[];
  constructor(hops: readonly HopRecord[], options?: EpochlyErrorOptions) {
    const each = hops.map(({ name, outcome, reason }) => `${name} (${outcome}): ${reason}`);
    super('FALLBACKS_EXHAUSTED', `Nobody answered. ${each.join('; ')}`, options);
    this.hops = hops;
  }
}
