import { expect, test, vi } from 'vitest';
import { DeadlineExceededError } from '../../src/errors.ts';
import type { InferenceCall, Step } from '../../src/call.ts';
import { composePipeline, guardCall } from '../../src/pipeline.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

test('steps run in order around the model', async () => {
  const order: string[] = [];
  const step =
    (name: string): Step =>
    async (call, next) => {
      order.push(`${name} in`);
      const output = await next(call);
      order.push(`${name} out`);
      return output;
    };
  const call = {
    cacheTenant: 'a',
    options: { tenant: 'a' },
    invoke: async (options) => options,
  } as Partial<InferenceCall> as InferenceCall;
  await expect(composePipeline([step('outer'), step('inner')])(call)).resolves.toBe(call.options);
  expect(order).toEqual(['outer in', 'inner in', 'inner out', 'outer out']);
  await expect(composePipeline([])(call)).resolves.toBe(call.options);
});

test('without a signal and a deadline a call is not guarded at all', async () => {
  const options = { tenant: 'a' };
  await guardCall(createFakeClock(), options, async (given) => expect(given).toBe(options));
});

test('an aborted signal rejects before anything runs', async () => {
  const task = vi.fn();
  const reason = new Error('gone');
  await expect(guardCall(createFakeClock(), { signal: AbortSignal.abort(reason) }, task)).rejects.toBe(reason);
  expect(task).not.toHaveBeenCalled();
});

test('an abort rejects at once with the signal’s reason, and the task is told', async () => {
  const caller = new AbortController();
  let inner: AbortSignal | undefined;
  const result = guardCall(createFakeClock(), { signal: caller.signal }, ({ signal }) => {
    inner = signal;
    return new Promise(() => undefined);
  });
  const reason = new Error('typed on');
  caller.abort(reason);
  await expect(result).rejects.toBe(reason);
  expect(inner?.reason).toBe(reason);
});

test('a deadline rejects when it has passed and not before, and its timer goes with the call', async () => {
  const clock = createFakeClock();
  const settled = vi.fn();
  const late = guardCall(clock, { deadlineMs: 50 }, () => new Promise(() => undefined));
  late.catch(settled);
  clock.advance(49);
  await Promise.resolve();
  expect(settled).not.toHaveBeenCalled();
  clock.advance(1);
  await expect(late).rejects.toBeInstanceOf(DeadlineExceededError);

  let seen: AbortSignal | undefined;
  await guardCall(clock, { deadlineMs: 50 }, async ({ signal }) => void (seen = signal));
  clock.advance(1000);
  expect(seen?.aborted).toBe(false);
});

test.each([NaN, '100', null, {}])('a deadline of %j is refused by its name, and nothing runs', async (deadlineMs) => {
  const task = vi.fn();
  await expect(guardCall(createFakeClock(), { deadlineMs: deadlineMs as number }, task)).rejects.toMatchObject({
    code: 'CONFIG',
    field: 'deadlineMs',
    message: expect.stringContaining(String(deadlineMs)),
  });
  expect(task).not.toHaveBeenCalled();
});

test('an infinite deadline never passes', async () => {
  const clock = createFakeClock();
  let finish = (_answer: string): void => undefined;
  const result = guardCall(clock, { deadlineMs: Infinity }, () => new Promise((resolve) => (finish = resolve)));
  clock.advance(1e12);
  finish('late');
  await expect(result).resolves.toBe('late');
});

test('a task that settles after its caller left is no unhandled rejection', async () => {
  const caller = new AbortController();
  let fail: (error: Error) => void = () => undefined;
  const result = guardCall(
    createFakeClock(),
    { signal: caller.signal },
    () => new Promise((_, reject) => (fail = reject)),
  );
  caller.abort(new Error('left'));
  await expect(result).rejects.toThrow('left');
  fail(new Error('too late'));
});
