/** @module Errors of opening and running models: what only wraps one does not carry. */

import { EpochlyError } from './errors.ts';
import type { EpochlyErrorOptions } from './errors.ts';

/** The model failed while it ran. `cause` is the framework's own error. */
export class InferenceError extends EpochlyError {
  override readonly name: string = 'InferenceError';
  constructor(message: string, options?: EpochlyErrorOptions) {
    super('INFERENCE', message, options);
  }
}

/** The model could not be read or is not a model: missing, truncated, refused by the server. */
export class ModelLoadError extends EpochlyError {
  override readonly name: string = 'ModelLoadError';
  constructor(message: string, options?: EpochlyErrorOptions) {
    super('MODEL_LOAD', message, options);
  }
}

/** The model that was read is not the one that was asked for. */
export class IdentityMismatchError extends EpochlyError {
  override readonly name: string = 'IdentityMismatchError';
  readonly expected: string;
  readonly actual: string;
  constructor(expected: string, actual: string, message?: string) {
    super(
      'IDENTITY_MISMATCH',
      message ??
        `The model's SHA-256 is ${actual}, not ${expected} as expected. The file is not the one you pinned: check where it comes from, or update the expected hash.`,
    );
    this.expected = expected;
    this.actual = actual;
  }
}

/** No backend opened the model. `attempts` says what was tried and why each was refused. */
export class BackendUnavailableError extends EpochlyError {
  override readonly name: string = 'BackendUnavailableError';
  readonly attempts: readonly BackendAttempt[];
  constructor(message: string, attempts: readonly BackendAttempt[], options?: EpochlyErrorOptions) {
    super('BACKEND_UNAVAILABLE', message, options);
    this.attempts = attempts;
  }
}

/** One backend that was tried, in order; `reason` is absent where it opened. */
export interface BackendAttempt {
  readonly backend: string;
  readonly opened: boolean;
  readonly reason?: string;
  /** Milliseconds the attempt took. */
  readonly durationMs: number;
}

/** The host of the model (its worker, thread or process) died, hung or lost its device. It is being replaced. */
export class HostError extends EpochlyError {
  override readonly name: string = 'HostError';
  constructor(message: string, options?: EpochlyErrorOptions) {
    super('HOST_FAILED', message, options);
  }
}

/** More requests wait for the model than may. `retryAfterMs` is when there is likely to be room, in milliseconds. */
export class QueueFullError extends EpochlyError {
  override readonly name: string = 'QueueFullError';
  readonly retryAfterMs: number;
  constructor(depth: number, retryAfterMs: number) {
    super(
      'QUEUE_FULL',
      `${depth} requests wait for the model already, which is batching.max_queue_depth. Try again in ${Math.ceil(retryAfterMs)} ms.`,
    );
    this.retryAfterMs = retryAfterMs;
  }
}

/** An optional peer dependency is not installed; the message names it and the versions that work. */
export class MissingPeerError extends EpochlyError {
  override readonly name: string = 'MissingPeerError';
  readonly packageName: string;
  constructor(packageName: string, versions: string, options?: EpochlyErrorOptions) {
    super(
      'MISSING_PEER',
      `This needs the package ${packageName} (${versions}), which could not be loaded. Install it: npm install ${packageName}`,
      options,
    );
    this.packageName = packageName;
  }
}
