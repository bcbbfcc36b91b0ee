/** @module What is wrong with a key. */

import { EpochlyError } from './errors.ts';
import type { EpochlyErrorOptions } from './errors.ts';

/**
 * 'missing': there is none. 'malformed': it is not 32 bytes in a form that is known. 'exposed': others can read it, or say
 * which one is read. 'wrong': it is another one than that which was used before. 'damaged': it is the right one, and what it
 * wrapped has changed since: nothing opens that any more. 'unavailable': it cannot be reached.
 */
export type KeyErrorReason = 'missing' | 'malformed' | 'exposed' | 'wrong' | 'damaged' | 'unavailable';

/**
 * A key cannot be had, or is not the right one: nothing is sealed, and nothing that was can be opened with it. The message
 * names where it was looked for, and never any of it.
 */
export class KeyError extends EpochlyError {
  override readonly name: string = 'KeyError';
  readonly reason: KeyErrorReason;
  /** `reason` is 'unavailable' unless it is given. */
  constructor(message: string, options?: EpochlyErrorOptions & { readonly reason?: KeyErrorReason }) {
    super('KEY', message, options);
    this.reason = options?.reason ?? 'unavailable';
  }
}
