/** @module Every error that epochly throws on purpose. */

const MARK = Symbol.for('epochly.error');

/** Stable codes of the errors, for `switch` statements and logs. */
export type ErrorCode =
  | 'BACKEND_UNAVAILABLE'
  | 'CLOSED'
  | 'CODEC'
  | 'CONFIG'
  | 'DEADLINE_EXCEEDED'
  | 'HOST_FAILED'
  | 'IDENTITY_MISMATCH'
  | 'INFERENCE'
  | 'INPUT'
  | 'MISSING_PEER'
  | 'MODEL_LOAD'
  | 'UNSUPPORTED_MODEL'
  | 'UNSUPPORTED_OPERATION';

export interface EpochlyErrorOptions {
  readonly cause?: unknown;
}

interface Coded {
  readonly code: ErrorCode;
}

/**
 * Base of all errors. `EpochlyError.isInstance` holds across bundles, realms and workers, where `instanceof` does not.
 * Subclasses that the language has a class for (a wrong kind, a wrong value) extend TypeError or RangeError instead and
 * carry the same `code`; `isInstance` recognises them as well.
 */
export class EpochlyError extends Error implements Coded {
  override readonly name: string = 'EpochlyError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: EpochlyErrorOptions) {
    super(message, options);
    this.code = code;
    mark(this);
  }

  /** Whether `value` is an error of epochly's, with `code` if one is given, whichever copy of the package made it. */
  static isInstance(value: unknown, code?: ErrorCode): value is Error & { readonly code: ErrorCode } {
    if (typeof value !== 'object' || value === null || !(MARK in value)) return false;
    return code === undefined || (value as Partial<Coded>).code === code;
  }
}

function mark(error: Error): void {
  Object.defineProperty(error, MARK, { value: true });
}

/** What was given to `wrap()` or `load()` is not a model of a supported framework. */
export class UnsupportedModelError extends TypeError implements Coded {
  override readonly name: string = 'UnsupportedModelError';
  readonly code = 'UNSUPPORTED_MODEL';
  constructor(message: string, options?: EpochlyErrorOptions) {
    super(message, options);
    mark(this);
  }
}

/** The model, or the place it runs in, cannot do what was asked of it. */
export class UnsupportedOperationError extends EpochlyError {
  override readonly name: string = 'UnsupportedOperationError';
  constructor(message: string, options?: EpochlyErrorOptions) {
    super('UNSUPPORTED_OPERATION', message, options);
  }
}

/** A configuration value is wrong; `field` names it, as in `cache.l1_size`. */
export class ConfigError extends RangeError implements Coded {
  override readonly name: string = 'ConfigError';
  readonly code = 'CONFIG';
  readonly field: string;
  constructor(field: string, message: string, options?: EpochlyErrorOptions) {
    super(message, options);
    this.field = field;
    mark(this);
  }
}

/** The input of a call does not fit the model; `input` names the tensor where one is at fault. */
export class InputError extends RangeError implements Coded {
  override readonly name: string = 'InputError';
  readonly code = 'INPUT';
  readonly input: string | undefined;
  constructor(message: string, options?: EpochlyErrorOptions & { readonly input?: string }) {
    super(message, options);
    this.input = options?.input;
    mark(this);
  }
}

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

/** The call did not finish within its `deadlineMs`. */
export class DeadlineExceededError extends EpochlyError {
  override readonly name: string = 'DeadlineExceededError';
  readonly deadlineMs: number;
  constructor(deadlineMs: number, message?: string) {
    super('DEADLINE_EXCEEDED', message ?? `The call did not finish within its deadline of ${deadlineMs} ms.`);
    this.deadlineMs = deadlineMs;
  }
}

/** The model was closed. */
export class ClosedError extends EpochlyError {
  override readonly name: string = 'ClosedError';
  constructor(message = 'The model is closed. Load it again to use it.') {
    super('CLOSED', message);
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

/** The reason of an aborted signal, or a DOMException named AbortError where it has none. */
export function abortReason(signal: AbortSignal): unknown {
  return signal.reason ?? new DOMException('The operation was aborted.', 'AbortError');
}
