/** @module Straight-line code over what comes now or later: it runs at once for as long as nothing has to be waited for. */

import type { MaybePromise } from './platform.ts';

/** Steps written as a generator: `yield* settled(value)` takes the place of `await value`. */
export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

/** The value itself, waited for only where it is a promise. */
export function* settled<T>(value: MaybePromise<T>): Steps<T> {
  return value instanceof Promise ? ((yield value) as T) : value;
}

/** The values, waited for together. */
export function* settledAll<T>(values: readonly MaybePromise<T>[]): Steps<readonly T[]> {
  return values.some((value) => value instanceof Promise)
    ? ((yield Promise.all(values)) as readonly T[])
    : (values as readonly T[]);
}

/** What the steps return, or throw: at once where none of them waits. */
export function runSteps<T>(steps: Steps<T>): MaybePromise<T> {
  const first = steps.next();
  return first.done === true ? first.value : resume(steps, first.value);
}

async function resume<T>(steps: Steps<T>, first: Promise<unknown>): Promise<T> {
  for (let waiting = first; ;) {
    const outcome = await waiting.then(
      (value) => () => steps.next(value),
      (error: unknown) => () => steps.throw(error),
    );
    const step = outcome();
    if (step.done === true) return step.value;
    waiting = step.value;
  }
}
