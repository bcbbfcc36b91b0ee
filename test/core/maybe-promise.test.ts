import { expect, test } from 'vitest';
import { runSteps, settled, settledAll } from '../../src/maybe-promise.ts';
import type { Steps } from '../../src/maybe-promise.ts';
import type { MaybePromise } from '../../src/platform.ts';

function* add(a: MaybePromise<number>, b: MaybePromise<number>): Steps<number> {
  return (yield* settled(a)) + (yield* settled(b));
}

test('steps that wait for nothing return at once, and throw at once', () => {
  expect(runSteps(add(1, 2))).toBe(3);
  const failing = function* (): Steps<number> {
    yield* settled(1);
    throw new Error('at once');
  };
  expect(() => runSteps(failing())).toThrow('at once');
});

test('steps that wait go on where they waited', async () => {
  for (const [a, b] of [
    [Promise.resolve(1), 2],
    [1, Promise.resolve(2)],
    [Promise.resolve(1), Promise.resolve(2)],
  ] as const) {
    const sum = runSteps(add(a, b));
    expect(sum).toBeInstanceOf(Promise);
    expect(await sum).toBe(3);
  }
});

test('a rejection is thrown where it was waited for, and can be caught there', async () => {
  const steps = function* (value: MaybePromise<number>): Steps<string> {
    try {
      return String(yield* settled(value));
    } catch (error) {
      yield* settled(Promise.resolve());
      return `caught ${(error as Error).message}`;
    }
  };
  expect(await runSteps(steps(Promise.reject(new Error('it'))))).toBe('caught it');
  await expect(runSteps(add(1, Promise.reject(new Error('it'))))).rejects.toThrow('it');
});

test('values are waited for together, each where it is', async () => {
  expect(runSteps(settledAll([1, 2]))).toEqual([1, 2]);
  expect(runSteps(settledAll([]))).toEqual([]);
  expect(await runSteps(settledAll([1, Promise.resolve(2)]))).toEqual([1, 2]);
  await expect(runSteps(settledAll([Promise.reject(new Error('a')), Promise.reject(new Error('b'))]))).rejects.toThrow(
    'a',
  );
});
