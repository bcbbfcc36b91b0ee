/** Calls that one by one find their model idle, and ask what never repeats: they go past the steps, and lose nothing by it. */

import { describe, expect, test, vi } from 'vitest';
import { callableAdapter } from '../../src/adapters/callable.ts';
import { createCacheStep } from '../../src/cache/cache-step.ts';
import { InferenceCache } from '../../src/cache/inference-cache.ts';
import type { Step, StepBypass } from '../../src/call.ts';
import { createEpochly } from '../../src/create.ts';
import type { CallEvent } from '../../src/wrap.ts';
import { composeBypass } from '../../src/pipeline.ts';
import { nodePlatform } from '../../platforms/node/platform.ts';
import { sha256Hex } from '../../src/sha256.ts';
import { drive, setUp, setUpInHost } from '../helpers/simulated-batcher.ts';
import type { Bench } from '../helpers/simulated-batcher.ts';

/** Runs the model past the queues, as the way of a call does. */
async function askPast({ batcher, model }: Bench, row: number): Promise<readonly number[]> {
  expect(batcher.bypass.isOpen()).toBe(true);
  batcher.bypass.enter();
  try {
    return await model([row]);
  } finally {
    batcher.bypass.leave?.();
  }
}

/** A single caller, until requests may go past. */
async function alone(bench: Bench): Promise<void> {
  for (let i = 0; i < 8; i++) {
    expect(bench.batcher.bypass.isOpen()).toBe(false);
    const asked = bench.ask(i);
    await bench.clock.run(20);
    await asked;
  }
  expect(bench.batcher.bypass.isOpen()).toBe(true);
}

describe.each([
  ['a model in this thread', () => setUp()],
  ['a model in another thread', () => setUpInHost((rows) => 10 + rows)],
])('%s', (_name, open) => {
  test('lets requests past the queues after 8 that found it idle; one in 16 still goes the whole way', async () => {
    const bench = await open();
    await alone(bench);
    for (let i = 0; i < 16; i++) {
      const asked = askPast(bench, i);
      expect(bench.batcher.bypass.isOpen()).toBe(false);
      await bench.clock.run(20);
      expect(await asked).toEqual([2 * i]);
    }
    expect(bench.batcher.bypass.isOpen()).toBe(false);
    const asked = bench.ask(99);
    await bench.clock.run(20);
    expect(await asked).toEqual([198]);
    expect(bench.batcher.bypass.isOpen()).toBe(true);
    const stats = bench.batcher.getStats();
    expect(stats).toMatchObject({ requests: 25, alone: 16, inFlight: 0, waiting: 0 });
    expect(stats.queues[0]?.requests).toBe(9);
  });

  test('who comes while one is past is answered, in a batch, and the way past is closed until all is quiet again', async () => {
    const bench = await open();
    await drive(bench, 4, 3000);
    await bench.clock.run(1000);
    // Four callers are done: what comes now comes alone.
    while (!bench.batcher.bypass.isOpen()) {
      const asked = bench.ask(1);
      await bench.clock.run(20);
      await asked;
    }
    bench.model.runs.length = 0;
    const past = askPast(bench, 1);
    const others = [2, 3, 4].map((row) => bench.ask(row));
    expect(bench.batcher.bypass.isOpen()).toBe(false);
    await bench.clock.run(100);
    expect(await Promise.all([past, ...others])).toEqual([[2], [4], [6], [8]]);
    expect(bench.model.runs[0]).toEqual([1]);
    expect(bench.model.runs.flat().toSorted()).toEqual([1, 2, 3, 4]);
    expect(bench.batcher.bypass.isOpen()).toBe(false);
  });

  test('stop() waits for what is past the queues', async () => {
    const bench = await open();
    await alone(bench);
    const past = askPast(bench, 1);
    let stopped = false;
    const stopping = bench.batcher.stop().then(() => (stopped = true));
    await bench.clock.run(5);
    expect(stopped).toBe(false);
    await bench.clock.run(20);
    await Promise.all([past, stopping]);
    expect(stopped).toBe(true);
    expect(bench.batcher.bypass.isOpen()).toBe(false);
  });

  test('a run that fails past the queues leaves the model idle', async () => {
    const bench = await open();
    await alone(bench);
    bench.model.fault = () => {
      throw new Error('no');
    };
    const past = askPast(bench, 1);
    const failed = expect(past).rejects.toThrow('no');
    await bench.clock.run(20);
    await failed;
    expect(bench.batcher.getStats()).toMatchObject({ inFlight: 0 });
    expect(bench.batcher.bypass.isOpen()).toBe(true);
  });

  test('a deadline that cannot be kept behind a run that is past is refused at once', async () => {
    const bench = await open();
    await alone(bench);
    void askPast(bench, 1);
    const asked = bench.askWith({ deadlineMs: 12 }, 2);
    await expect(asked).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(bench.batcher.getStats()).toMatchObject({ refusedLate: 1 });
    await bench.clock.run(20);
    const inTime = bench.askWith({ deadlineMs: 20 }, 3);
    await bench.clock.run(20);
    expect(await inTime).toEqual([6]);
  });
});

test('requests of one turn are still found to be company, so that the next of them go together', async () => {
  const bench = await setUp();
  await drive(bench, 8, 3000);
  await bench.clock.run(1000);
  while (!bench.batcher.bypass.isOpen()) {
    const asked = bench.ask(1);
    await bench.clock.run(20);
    await asked;
  }
  void askPast(bench, 1);
  const first = [2, 3].map((row) => bench.ask(row));
  await bench.clock.run(1000);
  await Promise.all(first);
  for (let burst = 0; burst < 2; burst++) {
    bench.model.runs.length = 0;
    const all = [1, 2, 3, 4].map((row) => bench.ask(row));
    await bench.clock.run(1000);
    await Promise.all(all);
  }
  expect(bench.model.runs[0]?.length).toBeGreaterThan(1);
});

describe('composed', () => {
  const way = (open: boolean): StepBypass => ({ isOpen: () => open, enter: vi.fn(), leave: vi.fn() });
  const step = (bypass?: StepBypass): Step =>
    Object.assign<Step, Pick<Step, 'bypassOf'>>((call, next) => next(call), { bypassOf: () => bypass });

  test('no steps are always passed; a step without a way past closes all', () => {
    expect(composeBypass([], {})?.isOpen()).toBe(true);
    expect(composeBypass([step(way(true)), step()], {})).toBeUndefined();
    expect(composeBypass([(call, next) => next(call)], {})).toBeUndefined();
  });

  test.each([
    [true, true, true],
    [true, false, false],
    [false, true, false],
  ])('ways that are open: %s and %s', (one, other, both) => {
    const ways = [way(one), way(other)] as const;
    const composed = composeBypass(
      ways.map((each) => step(each)),
      {},
    );
    expect(composed?.isOpen()).toBe(both);
    composed?.enter();
    composed?.leave?.();
    for (const { enter, leave } of ways) {
      expect(enter).toHaveBeenCalledOnce();
      expect(leave).toHaveBeenCalledOnce();
    }
  });
});

test('the cache is passed once questions were seen not to repeat, and each that passes is counted', async () => {
  const cache = new InferenceCache({ config: {} });
  const step = createCacheStep(cache, sha256Hex);
  const model = async (): Promise<unknown> => 1;
  const bypass = step.bypassOf?.(model);
  const adapter = callableAdapter({ deterministic: true });
  const ask = (arg: number): Promise<unknown> =>
    step(
      {
        model,
        modelId: 1,
        identity: undefined,
        entryPoint: '',
        adapter,
        cacheTenant: 'default',
        options: {},
        source: 'model',
        deadlineAt: undefined,
        deadlineMs: undefined,
        args: [arg],
        invoke: () => Promise.reject(new Error('the test answers')),
      },
      async () => 1,
    );
  for (let i = 0; i < 1024; i++) {
    expect(bypass?.isOpen()).toBe(false);
    await ask(i);
  }
  let passed = 0;
  for (let i = 0; i < 2000; i++) {
    if (bypass?.isOpen() !== true) {
      await ask(1024 + i);
      continue;
    }
    bypass.enter();
    passed++;
  }
  expect(passed).toBeGreaterThan(1800);
  expect(passed).toBeLessThan(2000);
  expect(cache.getStats().refused).toEqual({ never_repeats: passed });
});

describe('a wrapped model whose calls go past', () => {
  const open = () => {
    const epochly = createEpochly(nodePlatform, { config: { cache: { enabled: false } } });
    const run = vi.fn(async (x: number, _other?: number): Promise<number> => {
      if (x < 0) throw new RangeError('below zero');
      return x * 2;
    });
    const events: CallEvent[] = [];
    epochly.onCall((event) => events.push(event));
    const model = epochly.wrap(run, { adapter: callableAdapter({ deterministic: true }) });
    return { epochly, model, run, events };
  };
  const passed = ({ epochly, model }: ReturnType<typeof open>): number =>
    epochly.getBatchStats(model.modelId)?.alone ?? 0;

  test('counts, profiles and tells of each, and gives what the model gives', async () => {
    const all = open();
    const { epochly, model, events } = all;
    for (let i = 0; i < 100; i++) expect(await model(i)).toBe(2 * i);
    expect(passed(all)).toBeGreaterThan(80);
    expect(model.callCount).toBe(100);
    expect(epochly.profiler.getCallCount(model.modelId)).toBe(100);
    expect(events).toHaveLength(100);
    expect(events.every(({ source, error }) => source === 'model' && error === undefined)).toBe(true);
  });

  test('throws what the model throws, and serves the next call', async () => {
    const all = open();
    const { model, events } = all;
    for (let i = 0; i < 20; i++) await model(i);
    const before = passed(all);
    await expect(model(-1)).rejects.toThrow(new RangeError('below zero'));
    expect(events.at(-1)).toMatchObject({ source: undefined, error: new RangeError('below zero') });
    expect(await model(4)).toBe(8);
    expect(passed(all)).toBe(before + 2);
  });

  test.each([
    ['a signal', { signal: new AbortController().signal }],
    ['a deadline', { deadlineMs: 1000 }],
    ['a priority', { priority: 2 as const }],
  ])('with %s a call goes the whole way', async (_name, options) => {
    const all = open();
    const { model } = all;
    for (let i = 0; i < 20; i++) await model(i);
    const before = passed(all);
    for (let i = 0; i < 20; i++) expect(await model.with(options)(i)).toBe(2 * i);
    expect(passed(all)).toBe(before);
    await expect(model.with({ signal: AbortSignal.abort(new Error('left')) })(1)).rejects.toThrow('left');
  });
});
