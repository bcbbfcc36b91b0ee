/** The batcher on its own: what may be asked of it, and what it is told of each request. */

import { describe, expect, test } from 'vitest';
import { DynamicMicroBatcher } from '../../src/batching/dynamic-micro-batcher.ts';
import type { MicroBatcherConfig } from '../../src/batching/micro-batcher-config.ts';
import { RequestPriority } from '../../src/call.ts';
import type { CallOptions, ModelCall } from '../../src/call.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { AFFINE, outcomes, setUp, setUpWith } from '../helpers/simulated-batcher.ts';
import { simulatedAdapter, simulatedModel } from '../helpers/simulated-model.ts';

describe('settings', () => {
  test.each<[string, Partial<MicroBatcherConfig>]>([
    ['maxBatchSize', { maxBatchSize: -1 }],
    ['maxBatchSize', { maxBatchSize: 1.5 }],
    ['maxBatchSize', { maxBatchSize: NaN }],
    ['maxQueueDepth', { maxQueueDepth: 0 }],
    ['maxWaitMs', { maxWaitMs: Infinity }],
    ['gpuHeadroomPct', { gpuHeadroomPct: 101 }],
    ['targetLatencyMs', { targetLatencyMs: '5' as unknown as number }],
  ])('%s that is none is refused by its name: %o', (field, config) => {
    const model = simulatedModel(createFakeClock(), AFFINE);
    const make = (): unknown => new DynamicMicroBatcher({ model, adapter: simulatedAdapter(), config });
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIG', field }));
  });

  test('one that is undefined is the default', () => {
    const model = simulatedModel(createFakeClock(), AFFINE);
    const config = { maxBatchSize: undefined } as unknown as Partial<MicroBatcherConfig>;
    expect(new DynamicMicroBatcher({ model, adapter: simulatedAdapter(), config }).config.maxBatchSize).toBe(32);
  });

  test('no latency at all is wanted: each request is still answered', async () => {
    const { clock, model, ask } = await setUp({ targetLatencyMs: 0 });
    let told: readonly string[] = [];
    // Those of the second burst are looked at in the moment in which they come.
    for (let burst = 0; burst < 2; burst++) {
      told = [];
      void outcomes([1, 2, 3, 4].map((row) => ask(row))).then((all) => (told = all));
      await clock.run(1000);
      expect(told).toEqual(['2', '4', '6', '8']);
    }
    expect(model.runs).not.toContainEqual([]);
  });
});

describe('a request', () => {
  test.each([7, -1, 1.5, NaN, 'high'])('of the priority %s is refused', async (priority) => {
    const { model, ask, askWith } = await setUp();
    void ask(1);
    const asked = askWith({ priority: priority as RequestPriority }, 2);
    await expect(asked).rejects.toMatchObject({ code: 'CONFIG', field: 'priority' });
    expect(model.runs).toEqual([[1]]);
  });

  test.each([NaN, '5'])('with the deadline %s is refused', async (deadlineMs) => {
    const { model, askWith } = await setUp();
    const asked = askWith({ deadlineMs: deadlineMs as number }, 2);
    await expect(asked).rejects.toMatchObject({ code: 'CONFIG', field: 'deadlineMs' });
    expect(model.runs).toEqual([]);
  });

  test.each([0, -5])('that has %s ms left is not run', async (deadlineMs) => {
    const { model, askWith } = await setUp();
    await expect(askWith({ deadlineMs }, 2)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', deadlineMs });
    expect(model.runs).toEqual([]);
  });

  test('with all the time there is waits for its answer', async () => {
    const { clock, askWith } = await setUp();
    const answer = askWith({ deadlineMs: Infinity }, 2);
    await clock.run(20);
    await expect(answer).resolves.toEqual([4]);
    expect(clock.pending).toBe(0);
  });

  test('whose deadline passes while it waits is out of the queue', async () => {
    const { clock, model, batcher, ask, askWith } = await setUp({ maxBatchSize: 1 }, () => 100);
    const first = ask(1);
    const late = outcomes([askWith({ deadlineMs: 30 }, 2)]);
    await clock.run(31);
    expect(await late).toEqual(['DeadlineExceededError']);
    expect(batcher.getStats().waiting).toBe(0);
    await clock.run(1000);
    await first;
    expect(model.runs).toEqual([[1]]);
  });

  test('that is aborted while it runs is rejected at once', async () => {
    const { clock, batcher, askWith } = await setUp();
    const controller = new AbortController();
    const answer = askWith({ signal: controller.signal }, 1);
    await clock.run(1);
    controller.abort(new Error('left'));
    await expect(answer).rejects.toThrow('left');
    expect(batcher.getStats().inFlight).toBe(1);
    await clock.run(20);
    expect(batcher.getStats().inFlight).toBe(0);
  });

  test('is counted as soon as it is answered', async () => {
    const { clock, batcher, ask } = await setUp();
    const answer = ask(1);
    await clock.run(10);
    clock.advance(1);
    await answer;
    expect(batcher.getStats()).toMatchObject({ requests: 1, queues: [{ requests: 1, batches: 1 }] });
  });
});

test('a request that runs already past its deadline is refused by what runs before it', async () => {
  const { clock, model, ask, askWith } = await setUp({ maxBatchSize: 1 });
  const warm = ask(0).then(() => ask(0));
  await clock.run(50);
  await warm;
  model.runs.length = 0;
  const busy = ask(1);
  await clock.run(2);
  // 9 ms are left of that one, and 11 of its own are to come.
  await expect(askWith({ deadlineMs: 18 }, 2)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  const inTime = askWith({ deadlineMs: 21 }, 3);
  await clock.run(100);
  await expect(Promise.all([busy, inTime])).resolves.toEqual([[2], [6]]);
  expect(model.runs).toEqual([[1], [3]]);
});

test('who is in a hurry is not put into a batch that takes longer than it has', async () => {
  const { clock, model, batcher, ask, askWith } = await setUp({ maxBatchSize: 16 });
  for (let round = 0; round < 30; round++) {
    const answers = Array.from({ length: 20 }, (_, row) => ask(row));
    await clock.run(200);
    await Promise.all(answers);
  }
  expect(batcher.getStats().queues[0]?.bestSize).toBe(16);
  // A batch of 16 would take 26 ms.
  const asked = outcomes([askWith({ deadlineMs: 20.5 }, 99), ...Array.from({ length: 15 }, (_, row) => ask(row))]);
  await clock.run(200);
  expect((await asked)[0]).toBe('198');
  expect(model.runs.find((rows) => rows.includes(99))).toHaveLength(10);
});

test('a batch that everybody has left has not failed', async () => {
  const clock = createFakeClock();
  const model = simulatedModel(clock, AFFINE);
  const adapter = {
    ...simulatedAdapter(),
    invoke: (_model: object, { args }: ModelCall, { signal }: CallOptions) =>
      Promise.race([
        model(args[0] as number[]),
        new Promise<never>((_resolve, reject) =>
          signal?.addEventListener('abort', () => reject(signal.reason as Error)),
        ),
      ]),
  };
  const { batcher, ask, askWith } = await setUpWith(clock, model, adapter, {});
  const learned = Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((row) => ask(row)));
  await clock.run(1000);
  await learned;
  model.runs.length = 0;
  const controller = new AbortController();
  const left = outcomes([1, 2].map((row) => askWith({ signal: controller.signal }, row)));
  await clock.run(1);
  controller.abort();
  await clock.run(1000);
  expect(await left).toEqual(['AbortError', 'AbortError']);
  expect(model.runs).toEqual([[1, 2]]);
  expect(batcher.getStats()).toMatchObject({ inFlight: 0, queues: [{ failedBatches: 0 }] });
});

test('a deadline that cannot be met is told as it was given', async () => {
  const clock = createFakeClock();
  const { ask, askWith } = await setUpWith(clock, simulatedModel(clock, AFFINE), simulatedAdapter(), {
    maxBatchSize: 1,
  });
  const warm = ask(0).then(() => ask(0));
  await clock.run(50);
  await warm;
  await expect(askWith({ deadlineMs: 7 }, 1)).rejects.toMatchObject({
    deadlineMs: 7,
    message: expect.stringContaining('7 ms'),
  });
});

test('a slow beginning does not have everybody refused who is in a hurry', async () => {
  const { clock, model, askWith } = await setUp({ maxBatchSize: 1 });
  model.cost = () => (model.runs.length === 1 ? 600 : 10);
  for (let i = 0; i < 3; i++) {
    const answer = outcomes([askWith({ deadlineMs: 100 }, i)]);
    await clock.run(1000);
    expect(await answer).toEqual(i === 0 ? ['DeadlineExceededError'] : [`${2 * i}`]);
  }
});

test('a model that was slow for a while is asked again, now and then, by those whom it could not serve in time', async () => {
  const { clock, model, batcher, askWith } = await setUp({ maxBatchSize: 1 }, () => 300);
  const askEach = async (seconds: number): Promise<readonly string[]> => {
    const all: string[] = [];
    for (let i = 0; i < seconds; i++) {
      const answer = outcomes([askWith({ deadlineMs: 100 }, i)]);
      await clock.run(1000);
      all.push(...(await answer));
    }
    return all;
  };
  expect(new Set(await askEach(30))).toEqual(new Set(['DeadlineExceededError']));
  expect(batcher.getStats().refusedLate).toBeGreaterThan(15);
  model.cost = () => 10;
  await askEach(30);
  expect(await askEach(1)).toEqual(['0']);
});

test('runs that take no time that the clock could tell make nobody late', async () => {
  const { clock, askWith } = await setUp({ maxBatchSize: 4 }, () => 0);
  for (let round = 0; round < 4; round++) {
    const answers = outcomes([1, 2, 3, 4, 5, 6].map((row) => askWith({ deadlineMs: 5 }, row)));
    await clock.run(100);
    expect(await answers).toEqual(['2', '4', '6', '8', '10', '12']);
  }
});

test('a full queue of which nothing is known yet asks for some patience', async () => {
  const { clock, ask } = await setUp({ maxQueueDepth: 1, targetLatencyMs: 80 });
  const answers = [ask(1), ask(2)];
  await expect(ask(3)).rejects.toMatchObject({ code: 'QUEUE_FULL', retryAfterMs: 80 });
  await clock.run(100);
  await Promise.all(answers);
});
