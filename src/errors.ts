/** @module Every error that epochly throws on purpose. */

const MARK = Symbol.for('epochly.error');

/** Stable codes of the errors, for `switch` statements and logs. */
export type ErrorCode =
  | 'BACKEND_UNAVAILABLE'
  | 'CIRCUIT_OPEN'
  | 'CLOSED'
  | 'CODEC'
  | 'CONFIG'
  | 'DEADLINE_EXCEEDED'
  | 'FALLBACKS_EXHAUSTED'
  | 'HOP_TIMEOUT'
  | 'HOST_FAILED'
  | 'IDENTITY_MISMATCH'
  | 'INFERENCE'
  | 'INPUT'
  | 'KEY'
  | 'MISSING_PEER'
  | 'MODEL_LOAD'
  | 'QUEUE_FULL'
  | 'SECURITY'
  | 'STORE'
  | 'STORE_FULL'
  | 'STORE_TIMEOUT'
  | 'STORE_UNAVAILABLE'
  | 'UNSUPPORTED_MODEL'
  | 'UNSUPPORTED_OPERATION'
  | 'WRONG_ANSWER';

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

/** The reason of an aborted signal, or a DOMException named AbortError where it has none. */
export function abortReason(signal: AbortSignal): unknown {
  return signal.reason ?? new DOMException('The operation was aborted.', 'AbortError');
}
