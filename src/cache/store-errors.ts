/** @module Errors of stores. */

import { EpochlyError } from '../errors.ts';
import type { EpochlyErrorOptions } from '../errors.ts';

/** The store is there and refused what was asked of it. `cause` is its own error. */
export class StoreError extends EpochlyError {
  override readonly name: string = 'StoreError';
  constructor(message: string, options?: EpochlyErrorOptions) {
    super('STORE', message, options);
  }
}

/** The store did not answer within `timeoutMs`. Whether a change was made is not known. */
export class StoreTimeoutError extends EpochlyError {
  override readonly name: string = 'StoreTimeoutError';
  readonly timeoutMs: number;
  constructor(timeoutMs: number) {
    super('STORE_TIMEOUT', `The store did not answer within ${timeoutMs} ms.`);
    this.timeoutMs = timeoutMs;
  }
}

/**
 * The store cannot be reached, or is not asked because it did not answer a moment ago: then `retryAfterMs` says when it will
 * be, and `cause` what went wrong. It comes back by itself.
 */
export class StoreUnavailableError extends EpochlyError {
  override readonly name: string = 'StoreUnavailableError';
  readonly retryAfterMs: number | undefined;
  constructor(message: string, options?: EpochlyErrorOptions & { readonly retryAfterMs?: number }) {
    super('STORE_UNAVAILABLE', message, options);
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** There is no room for what was to be written, and nothing of it was. Make some: `trim()`, `delete()`. */
export class StoreFullError extends EpochlyError {
  override readonly name: string = 'StoreFullError';
  constructor(message: string, options?: EpochlyErrorOptions) {
    super('STORE_FULL', message, options);
  }
}
