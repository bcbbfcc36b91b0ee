/** @module Values that may come now or later, without making those wait that are there. */

import type { MaybePromise } from './platform.ts';

/** Goes on with a value as soon as it is there: in this turn where it is already. */
export function chain<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
