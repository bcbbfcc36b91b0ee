import { expect, test } from 'vitest';
import { callableAdapter } from '../../src/adapters/callable.ts';
import { createRequestContext, createSynchronousContext } from '../../src/context.ts';
import { createEpochly } from '../../src/create.ts';
import { currentContext, runWithContext } from '../../platforms/node/context.ts';
import { nodePlatform } from '../../platforms/node/platform.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const clock = createFakeClock();

test('a context takes its trace from a valid traceparent and passes over others', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const spanId = '00f067aa0ba902b7';
  expect(createRequestContext({ endpoint: '/', clock, traceparent: `00-${traceId}-${spanId}-01` })).toMatchObject({
    traceId,
    spanId,
    endpoint: '/',
    modelCalls: 0,
    timings: {},
  });
  expect(createRequestContext({ endpoint: '/', clock, traceparent: `cc-${traceId}-${spanId}-01-more` })).toMatchObject({
    traceId,
  });
  for (const traceparent of [
    undefined,
    '',
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId}-${spanId}-01-more`,
    'nonsense',
  ]) {
    expect(createRequestContext({ endpoint: '/', clock, traceparent }).traceId).toBeUndefined();
  }
  expect(createRequestContext({ endpoint: '/', clock }).requestId).toMatch(/^[0-9a-f-]{36}$/);
});

test('in Node the context follows what is awaited; elsewhere it is that of the synchronous part', async () => {
  const one = createRequestContext({ endpoint: 'one', clock });
  const two = createRequestContext({ endpoint: 'two', clock });
  const later = async (): Promise<string | undefined> => {
    await Promise.resolve();
    return currentContext()?.endpoint;
  };
  await expect(Promise.all([runWithContext(one, later), runWithContext(two, later)])).resolves.toEqual(['one', 'two']);
  expect(currentContext()).toBeUndefined();

  const synchronous = createSynchronousContext();
  const seen = synchronous.runWithContext(one, () => [
    synchronous.runWithContext(two, () => synchronous.currentContext()?.endpoint),
    synchronous.currentContext()?.endpoint,
  ]);
  expect(seen).toEqual(['two', 'one']);
  expect(() =>
    synchronous.runWithContext(one, () => {
      throw new Error('x');
    }),
  ).toThrow('x');
  expect(synchronous.currentContext()).toBeUndefined();
});

test('calls are counted and timed in the context of their request, whichever way it comes', async () => {
  const model = async (n: number): Promise<number> => {
    if (n < 0) throw new Error('negative');
    return n;
  };
  const epochly = createEpochly(nodePlatform);
  const proxy = epochly.wrap(model, { adapter: callableAdapter({ deterministic: true }) });
  const seen: unknown[] = [];
  epochly.onCall(({ context }) => seen.push(context?.endpoint));
  const [one, two] = [createRequestContext({ endpoint: 'one' }), createRequestContext({ endpoint: 'two' })];
  await Promise.all([
    runWithContext(one, async () => {
      await proxy(1);
      await proxy(1);
      await proxy(-1).catch(() => undefined);
    }),
    proxy.with({ context: two })(2),
    proxy(3),
  ]);
  expect(one.modelCalls).toBe(3);
  expect(Object.keys(one.timings).toSorted()).toEqual(['failed', 'l1', 'model']);
  expect(two.modelCalls).toBe(1);
  expect(Object.keys(two.timings)).toEqual(['model']);
  expect(two.timings['model']).toBeGreaterThan(0);
  expect(seen.toSorted()).toEqual(['one', 'one', 'one', 'two', undefined]);
});
