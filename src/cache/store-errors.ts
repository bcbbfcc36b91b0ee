/** @module Errors of stores that whoever uses one tells from others: to do without it, or with less. */

import { EpochlyError } from '../errors.ts';
import type { EpochlyErrorOptions } from '../errors.ts';

/** The store cannot be opened here and now. What would be kept in it can be kept in memory: see `MemoryStore`. */
export class StoreUnavailableError extends EpochlyError {
  override readonly name: string = 'StoreUnavailableError';
  constructor(message: string, options?: EpochlyErrorOptions) {
    super('STORE_UNAVAILABLE', message, options);
  }
}

/** There is no room for what was to be written, and nothing of it was. Make some: `trim()`, `delete()`. */
export class StoreFullError extends EpochlyError {
  override readonly name: string = 'StoreFullError';
  constructor(message: string, options?: EpochlyErrorOptions) {
    super('STORE_FULL', message, options);
  }
}
