/** @module What goes wrong in a store. */

import { EpochlyError } from '../errors.ts';
import type { EpochlyErrorOptions } from '../errors.ts';

/** The store could not be opened, read or written. `cause` is the database's own error, where it was thrown here. */
export class StoreError extends EpochlyError {
  override readonly name: string = 'StoreError';
  constructor(message: string, options?: EpochlyErrorOptions) {
    super('STORE', message, options);
  }
}
