import * as fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { SingleFlight } from '../../src/cache/single-flight.ts';

function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => ((resolve = yes), (reject = no)));
  return { promise, resolve, reject };
}

test('equal work in flight is done once; later work anew', async () => {
  const flights = new SingleFlight<number>();
  const { promise, resolve } = deferred<number>();
  const run = vi.fn(() => promise);
  const both = [flights.share('k', undefined, run), flights.share('k', undefined, run)];
  expect(run).toHaveBeenCalledOnce();
  resolve(1);
  await expect(Promise.all(both)).resolves.toEqual([1, 1]);
  await expect(flights.share('k', undefined, async () => 2)).resolves.toBe(2);
  expect(flights.size).toBe(0);
});

test('a failure is everybody’s, and is not kept', async () => {
  const flights = new SingleFlight<number>();
  const { promise, reject } = deferred<number>();
  const both = [flights.share('k', undefined, () => promise), flights.share('k', undefined, () => promise)];
  const error = new Error('failed');
  reject(error);
  for (const each of both) await expect(each).rejects.toBe(error);
  await expect(flights.share('k', undefined, async () => 2)).resolves.toBe(2);
});

test('one caller’s abort does not kill the others’ run; the last one’s does', async () => {
  const flights = new SingleFlight<number>();
  const { promise } = deferred<number>();
  let inner: AbortSignal | undefined;
  const [first, second] = [new AbortController(), new AbortController()];
  const run = (signal: AbortSignal | undefined): Promise<number> => ((inner = signal), promise);
  const waits = [flights.share('k', first.signal, run), flights.share('k', second.signal, run)];
  first.abort(new Error('first left'));
  await expect(waits[0]).rejects.toThrow('first left');
  expect(inner?.aborted).toBe(false);
  second.abort(new Error('second left'));
  await expect(waits[1]).rejects.toThrow('second left');
  expect(inner?.reason).toEqual(new Error('second left'));
  await expect(flights.share('k', undefined, async () => 3)).resolves.toBe(3);
});

test.each(['first', 'second'])('a waiter without a signal never leaves, come %s', async (position) => {
  const flights = new SingleFlight<number>();
  const { promise, resolve } = deferred<number>();
  const controller = new AbortController();
  const inner: (AbortSignal | undefined)[] = [];
  const join = (signal: AbortSignal | undefined): Promise<number> =>
    flights.share('k', signal, (given) => (inner.push(given), promise));
  const signals = position === 'first' ? [undefined, controller.signal] : [controller.signal, undefined];
  const waits = signals.map(join);
  const [stays, leaves] = (position === 'first' ? waits : waits.toReversed()) as [Promise<number>, Promise<number>];
  controller.abort(new Error('left'));
  await expect(leaves).rejects.toThrow('left');
  expect(inner).toHaveLength(1);
  expect(inner[0]?.aborted ?? false).toBe(false);
  resolve(1);
  await expect(stays).resolves.toBe(1);
});

test('an aborted caller begins nothing', async () => {
  const run = vi.fn();
  await expect(new SingleFlight().share('k', AbortSignal.abort(new Error('before')), run)).rejects.toThrow('before');
  expect(run).not.toHaveBeenCalled();
});

test('whatever the order of joins, leaves and answers, everybody gets one answer, and it is of the right key', async () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('join' as const), key: fc.constantFrom('a', 'b') }),
    fc.record({ type: fc.constant('leave' as const), who: fc.nat() }),
    fc.record({ type: fc.constant('answer' as const), which: fc.nat() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const flights = new SingleFlight<string>();
      const runs: { answer: () => void; signal: AbortSignal | undefined; done: boolean }[] = [];
      const callers: { key: string; controller: AbortController; result: Promise<string>; left: boolean }[] = [];
      for (const each of steps) {
        if (each.type === 'join') {
          const controller = new AbortController();
          const result = flights.share(each.key, controller.signal, (signal) => {
            const { promise, resolve } = deferred<string>();
            runs.push({ answer: () => resolve(each.key), signal, done: false });
            return promise;
          });
          callers.push({ key: each.key, controller, result, left: false });
          result.catch(() => undefined);
        } else if (each.type === 'leave' && callers.length > 0) {
          const caller = callers[each.who % callers.length] as (typeof callers)[number];
          caller.controller.abort(new Error('left'));
        } else if (each.type === 'answer' && runs.length > 0) {
          (runs[each.which % runs.length] as (typeof runs)[number]).answer();
          await Promise.resolve();
        }
      }
      for (const run of runs) run.answer();
      const results = await Promise.allSettled(callers.map(({ result }) => result));
      results.forEach((result, i) => {
        if (result.status === 'fulfilled') expect(result.value).toBe(callers[i]?.key);
        else expect(callers[i]?.controller.signal.aborted).toBe(true);
      });
      await Promise.resolve();
      expect(flights.size).toBe(0);
    }),
  );
});
