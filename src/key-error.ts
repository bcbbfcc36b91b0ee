/** @module What is wrong with a key. */

import { EpochlyError } from './errors.ts';
import type { EpochlyErrorOptions } from './errors.ts';

/**
 * 'missing': there is none. 'malformed': it is not 32 bytes in a form that is known. 'exposed': others can read it, or say
 * which one is read. 'unavailable': it cannot be reached. 'wrong': it is another one than what was sealed was sealed with.
 */
export type KeyErrorReason = 'missing' | 'malformed' | 'exposed' | 'unavailable' | 'wrong';

/** A key cannot be had, or is not the one. The message names where it was looked for, never any of it. */
export class KeyError extends EpochlyError {
  override readonly name: string = 'KeyError';
  readonly reason: KeyErrorReason;
  constructor(reason: KeyErrorReason, message: string, options?: EpochlyErrorOptions) {
    super('KEY', message, options);
    this.reason = reason;
  }
}
