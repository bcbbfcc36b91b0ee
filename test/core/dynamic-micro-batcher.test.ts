/** The batcher on a simulated device and a clock of its own. */

import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { InferenceAdapter } from '../../src/adapters/adapter.ts';
import type { BatchKey } from '../../src/batching/batch-key.ts';
import { DynamicMicroBatcher } from '../../src/batching/dynamic-micro-batcher.ts';
import { RequestPriority } from '../../src/call.ts';
import { EpochlyError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { AFFINE, drive, outcomes, setUp, setUpInHost, setUpWith } from '../helpers/simulated-batcher.ts';
import type { Bench } from '../helpers/simulated-batcher.ts';
import { answerTo, simulatedAdapter, simulatedModel } from '../helpers/simulated-model.ts';
import type { SimulatedModel } from '../helpers/simulated-model.ts';

describe('a model in another thread', () => {
  test('has its next batch on the way while one runs', async () => {
    const bench = await setUpInHost(AFFINE, { maxBatchSize: 8 });
    await drive(bench, 16, 3000);
    expect(await drive(bench, 16, 3000)).toBeGreaterThan((0.96 * 8) / AFFINE(8));
  });

  test('runs its calls one by one where a batch saves nothing but the way', async () => {
    const bench = await setUpInHost((rows) => 3 * rows);
    let before = 0;
    bench.clock.after(3000, () => (before = bench.model.runs.length));
    await drive(bench, 16, 6000);
    const runs = bench.model.runs.slice(before);
    expect(runs.flat().length).toBeGreaterThan((0.97 * 3000) / 3);
    expect(runs.filter((rows) => rows.length > 1).length / runs.length).toBeLessThan(0.1);
  });

  test('waits for the whole of a batch that is worth it', async () => {
    const bench = await setUpInHost((rows) => 50 + rows);
    await drive(bench, 16, 6000);
    expect(await drive(bench, 16, 6000)).toBeGreaterThan((0.95 * 16) / (66 + 3));
  });

  test('whose runs cost this thread more than its own is given few of them, and large ones', async () => {
    const clock = createFakeClock();
    const model = simulatedModel(clock, (rows) => 0.2 + rows / 100, 1.5, 1);
    const bench = await setUpWith(clock, model, simulatedAdapter(2, true), {});
    await drive(bench, 64, 2000);
    // Two of 32 under way: each on its way there and back, and in turn past this thread.
    expect(await drive(bench, 64, 2000)).toBeGreaterThan((0.9 * 64) / (1 + 3 + 0.2 + 0.64 + 1));
  });

  test('whose calls cannot be batched has no more of them on the way than keep it busy', async () => {
    const clock = createFakeClock();
    const model = simulatedModel(clock, AFFINE, 1.5);
    const adapter = { ...simulatedAdapter(2, true), batchKey: () => 'unknown' as const };
    const bench = await setUpWith(clock, model, adapter, {});
    const waiting = Array.from({ length: 20 }, (_, i) => bench.ask(i));
    expect(bench.batcher.getStats()).toMatchObject({ inFlight: 2, waiting: 18 });
    await clock.run(60);
    const urgent = bench.askWith({ priority: RequestPriority.CRITICAL }, 99);
    await clock.run(1000);
    await Promise.all([...waiting, urgent]);
    const begun = model.runs.map(([row]) => row);
    expect(begun.indexOf(99)).toBeLessThan(8);
    expect(begun).toHaveLength(21);
  });

  test('serves a single caller as fast as the model does', async () => {
    const bench = await setUpInHost(AFFINE);
    expect(await drive(bench, 1, 3000)).toBeCloseTo(1 / 14, 3);
  });
});

describe('an idle model', () => {
  test('runs at once, in the turn of the call', async () => {
    const { clock, model, ask } = await setUp();
    const answer = ask(7);
    expect(model.runs).toEqual([[7]]);
    await clock.run(11);
    await expect(answer).resolves.toEqual([14]);
  });

  test('runs each call of a single caller at once, for ever', async () => {
    const bench = await setUp();
    const rate = await drive(bench, 1, 5000);
    expect(rate).toBeCloseTo(1 / 11, 3);
    expect(bench.batcher.getStats().queues[0]).toMatchObject({ bestSize: 1, waitP95Ms: 0, largestBatch: 1 });
  });

  test('runs what comes in one turn together, once it was seen that it does', async () => {
    const { clock, model, ask } = await setUp();
    for (let burst = 0; burst < 12; burst++) {
      const answers = [1, 2, 3, 4].map((row) => ask(row));
      await clock.run(200);
      await expect(Promise.all(answers)).resolves.toEqual([[2], [4], [6], [8]]);
    }
    expect(model.runs.at(-1)).toEqual([1, 2, 3, 4]);
  });
});

describe('the size of batches', () => {
  test.each([
    ['a fixed cost a batch', AFFINE, 0.95],
    ['batches that cost nothing more', () => 10, 0.95],
    ['batches that pay up to 16', (rows: number) => (rows <= 16 ? 10 : 2 * rows), 0.95],
    ['batches that make no difference', (rows: number) => 10 * rows, 0.98],
    ['batches that are a loss', (rows: number) => 10 * rows ** 1.3, 0.98],
  ] as const)('with %s is as good as the best, nearly', async (_what, cost, share) => {
    const bench = await setUp({ maxBatchSize: 0 }, cost);
    await drive(bench, 64, 10_000);
    const rate = await drive(bench, 64, 20_000);
    let best = 0;
    for (let rows = 1; rows <= 64; rows++) best = Math.max(best, rows / cost(rows));
    expect(rate / best).toBeGreaterThan(share);
  });

  test('is one where batching is a loss', async () => {
    const bench = await setUp({ maxBatchSize: 0 }, (rows) => 10 * rows ** 1.3);
    await drive(bench, 16, 10_000);
    expect(bench.batcher.getStats().queues[0]).toMatchObject({ bestSize: 1, meanBatchSize: expect.closeTo(1, 0) });
  });

  test('is never more than the configured one', async () => {
    const bench = await setUp({ maxBatchSize: 6 });
    await drive(bench, 64, 3000);
    expect(Math.max(...bench.model.runs.map((rows) => rows.length))).toBe(6);
  });

  test('follows the machine when it changes', async () => {
    const bench = await setUp({ maxBatchSize: 0 });
    await drive(bench, 32, 5000);
    expect(bench.batcher.getStats().queues[0]?.bestSize).toBeGreaterThan(16);
    bench.model.cost = (rows) => 2 * rows ** 1.5;
    await drive(bench, 32, 60_000);
    expect(bench.batcher.getStats().queues[0]?.bestSize).toBe(1);
  });

  test('keeps the latency where a smaller batch can', async () => {
    const bench = await setUp({ maxBatchSize: 0, targetLatencyMs: 40 });
    await drive(bench, 20, 5000);
    const { costs } = bench.batcher.getStats().queues[0]!;
    expect(costs.find(({ size }) => size === 20)?.costMs ?? 30).toBeLessThanOrEqual(40);
    expect(bench.batcher.getStats().queues[0]?.waitP95Ms).toBeLessThan(40);
  });

  test('a request of more rows than a batch may have is run by itself', async () => {
    const { clock, model, ask } = await setUp({ maxBatchSize: 4 });
    const answers = [ask(0), ask(1, 2, 3, 4, 5, 6), ask(7)];
    await clock.run(200);
    await expect(Promise.all(answers)).resolves.toEqual([[0], [2, 4, 6, 8, 10, 12], [14]]);
    expect(model.runs).toContainEqual([1, 2, 3, 4, 5, 6]);
  });

  test('only what memory allows: each size tells what a row takes', async () => {
    const clock = createFakeClock();
    let usedBytes = 0;
    const model = simulatedModel(clock, () => 10);
    model.answer = (rows) => {
      usedBytes = Math.max(usedBytes, rows.length * 1000);
      return rows.map(answerTo);
    };
    const batcher = new DynamicMicroBatcher({
      model,
      adapter: simulatedAdapter(),
      clock,
      config: { maxBatchSize: 0, gpuHeadroomPct: 20, targetLatencyMs: 1e6 },
      memory: () => ({ usedBytes, availableBytes: 20_000 }),
    });
    await batcher.start();
    const ask = (row: number): Promise<readonly number[]> => batcher.infer([row]) as Promise<readonly number[]>;
    await drive({ clock, model, batcher, ask, askWith: (_options, row) => ask(row as number) }, 64, 5000);
    // 20,000 bytes less a fifth, of 1000 a row.
    expect(Math.max(...model.runs.map((rows) => rows.length))).toBe(16);
    expect(batcher.getStats().queues[0]?.maxSize).toBe(16);
  });

  test('only what the device takes as one tensor, less the headroom', async () => {
    const clock = createFakeClock();
    const model = simulatedModel(clock, () => 10);
    const plain = simulatedAdapter();
    const adapter: InferenceAdapter<SimulatedModel> = {
      ...plain,
      join(of, calls) {
        const joined = plain.join(of, calls);
        const rows = joined.sizes.reduce((sum, each) => sum + each, 0);
        return {
          ...joined,
          args: [...joined.args, { x: tensor('float32', new Float32Array(rows * 125), [rows, 125]) }],
        };
      },
      maxTensorBytes: () => 10_000,
    };
    const bench = await setUpWith(clock, model, adapter, { maxBatchSize: 0, gpuHeadroomPct: 20 });
    await drive(bench, 64, 5000);
    // 10,000 bytes less a fifth, of 500 a row.
    expect(Math.max(...model.runs.map((rows) => rows.length))).toBe(16);
    expect(bench.batcher.getStats().queues[0]?.maxSize).toBe(16);
  });
});

describe('queues beside each other', () => {
  const key = (modelId: number): BatchKey => ({ modelId, endpoint: '', inputShapeBucket: [-1], dtype: 'number' });
  /** The longest that two callers of a quiet queue waited, while so many keep another one busy. */
  const longestWait = async ({ clock, askWith }: Bench, flood: number): Promise<number> => {
    const until = clock.now() + 4000;
    let longest = 0;
    const caller = async (modelId: number, row: number): Promise<void> => {
      while (clock.now() < until) {
        const askedAt = clock.now();
        await askWith({ batchKey: key(modelId) }, row);
        // Both have been learned by then.
        if (modelId === 2 && askedAt > until - 2000) longest = Math.max(longest, clock.now() - askedAt);
      }
    };
    const all = [1, 2].flatMap((modelId) =>
      Array.from({ length: modelId === 1 ? flood : 2 }, (_, row) => caller(modelId, row)),
    );
    await clock.run(6000);
    await Promise.all(all);
    return longest;
  };

  test.each([
    ['batches pay', AFFINE, 2 * AFFINE(8) + AFFINE(2)],
    ['batches cost more than their rows', (rows: number): number => 2 * rows + (rows > 1 ? 1 : 0), 18 * 2],
  ])('where %s, those of a busy one keep nobody of a quiet one waiting for ever', async (_name, cost, everybody) => {
    const inHost = await longestWait(await setUpInHost(cost, { maxBatchSize: 8 }), 16);
    expect(inHost).toBeLessThanOrEqual(2 * everybody);
    const inProcess = await longestWait(await setUp({ maxBatchSize: 8 }, cost, 2), 16);
    expect(inProcess).toBeLessThanOrEqual(2 * everybody);
  });
});

test('of queues in which nobody waits, those that were used last are kept', async () => {
  const { clock, batcher, askWith } = await setUp();
  const askBucket = async (length: number): Promise<void> => {
    const answer = askWith({ batchKey: { modelId: 1, endpoint: '', inputShapeBucket: [length], dtype: 'n' } }, 1);
    await clock.run(20);
    await answer;
  };
  for (let i = 1; i <= 300; i++) {
    await askBucket(0);
    await askBucket(i);
  }
  const { queues } = batcher.getStats();
  expect(queues).toHaveLength(256);
  expect(queues.find(({ key }) => key.includes('[0]'))?.requests).toBe(300);
});

describe('only equal keys share a batch', () => {
  test('those of the adapter, and those that are given', async () => {
    const { clock, model, batcher, askWith } = await setUp();
    const key = (maxNewTokens: number) => ({
      modelId: 1,
      endpoint: 'run',
      inputShapeBucket: [],
      dtype: 'f',
      maxNewTokens,
    });
    for (let i = 0; i < 20; i++) {
      const answers = [1, 2, 3, 4, 5, 6].map((row) => askWith({ batchKey: key(row % 2) }, row));
      await clock.run(500);
      await Promise.all(answers);
    }
    expect(model.runs.some((rows) => rows.length > 1)).toBe(true);
    for (const rows of model.runs) expect(new Set(rows.map((row) => row % 2)).size).toBe(1);
    expect(batcher.getStats().queues).toHaveLength(2);
  });

  test('inputs are as they were when the call was made, whatever becomes of them while it waits', async () => {
    const { clock, batcher } = await setUp();
    const input = [5];
    const first = batcher.infer([1]);
    const second = batcher.infer(input);
    input[0] = 99;
    await clock.run(100);
    await expect(Promise.all([first, second])).resolves.toEqual([[2], [10]]);
  });
});

describe('a model whose answers differ in a batch', () => {
  test.each([
    ['normalises over it', (rows: readonly number[]) => rows.map((row) => row / rows.reduce((a, b) => a + b, 0))],
    ['answers the rows in another order', (rows: readonly number[]) => rows.map(answerTo).toReversed()],
    ['answers with one row for all', (rows: readonly number[]) => [rows.reduce((a, b) => a + b, 0)]],
  ])('and %s is never batched, and nobody sees such an answer', async (_what, answer) => {
    const { clock, model, batcher, ask } = await setUp();
    model.answer = answer;
    for (let i = 0; i < 6; i++) {
      const rows = [1, 2, 3, 4, 5, 6].map((row) => row + i);
      const answers = rows.map((row) => ask(row));
      await clock.run(2000);
      await expect(Promise.all(answers)).resolves.toEqual(rows.map((row) => answer([row])));
    }
    const [queue] = batcher.getStats().queues;
    expect(queue?.refusal).toMatch(/differ_in_a_batch|no_rows/);
    expect(model.runs.at(-1)).toHaveLength(1);
  });
});

describe('faults', () => {
  test('a request that breaks its batch fails alone, retried once', async () => {
    const { clock, model, ask } = await setUp();
    model.fault = (rows) => {
      if (rows.includes(13)) throw new Error('unlucky');
    };
    const warm = [1, 2, 3, 4, 5, 6, 7, 8].map((row) => ask(row));
    await clock.run(1000);
    await Promise.all(warm);
    model.runs.length = 0;
    const answers = outcomes([1, 2, 13, 4].map((row) => ask(row)));
    await clock.run(1000);
    expect(await answers).toEqual(['2', '4', 'Error', '8']);
    expect(model.runs.filter((rows) => rows.length === 1 && rows[0] === 13)).toHaveLength(1);
  });

  test('a batch that runs out of memory is split, and the limit remembered', async () => {
    const bench = await setUp({ maxBatchSize: 0 });
    bench.model.fault = (rows) => {
      if (rows.length > 5) throw new Error('Failed to allocate memory for requested buffer of size 123');
    };
    await drive(bench, 32, 5000);
    bench.model.runs.length = 0;
    await drive(bench, 32, 1000);
    expect(Math.max(...bench.model.runs.map((rows) => rows.length))).toBeLessThanOrEqual(5);
    expect(bench.batcher.getStats().queues[0]?.refusal).toBeUndefined();
  });

  test('a model that fails only in batches is not batched any more', async () => {
    const bench = await setUp();
    bench.model.fault = (rows) => {
      if (rows.length > 1) throw new Error('shape mismatch');
    };
    await drive(bench, 8, 2000);
    expect(bench.batcher.getStats().queues[0]).toMatchObject({ refusal: 'fails_in_a_batch', failedBatches: 2 });
  });
});

describe('leaving', () => {
  test('an abort takes a queued request out; the others are answered', async () => {
    const { clock, model, batcher, ask, askWith } = await setUp();
    const controller = new AbortController();
    const answers = [ask(1), askWith({ signal: controller.signal }, 2), ask(3)];
    controller.abort(new Error('changed my mind'));
    await expect(answers[1]).rejects.toThrow('changed my mind');
    expect(batcher.getStats().waiting).toBe(1);
    await clock.run(100);
    expect(await outcomes(answers)).toEqual(['2', 'Error', '6']);
    expect(model.runs.flat()).not.toContain(2);
  });

  test('one that is aborted already never runs', async () => {
    const { model, askWith } = await setUp();
    await expect(askWith({ signal: AbortSignal.abort(new Error('no')) }, 1)).rejects.toThrow('no');
    expect(model.runs).toEqual([]);
  });

  test('a batch lives while one of its requests is waited for, and is told once none is', async () => {
    const clock = createFakeClock();
    const signals: (AbortSignal | undefined)[] = [];
    const model = simulatedModel(clock, AFFINE);
    const adapter = {
      ...simulatedAdapter(),
      invoke: (_model: object, call: { readonly args: readonly unknown[] }, options: { signal?: AbortSignal }) => {
        signals.push(options.signal);
        return model(call.args[0] as number[]);
      },
    };
    const batcher = new DynamicMicroBatcher({ model, adapter, clock });
    await batcher.start();
    const learn = [1, 2, 3, 4, 5, 6, 7, 8].map((row) => batcher.infer([row]));
    await clock.run(1000);
    await Promise.all(learn);
    const [first, second] = [new AbortController(), new AbortController()];
    signals.length = 0;
    const answers = outcomes([first, second].map(({ signal }, i) => batcher.infer([i], { signal })));
    await clock.run(1);
    expect(signals).toHaveLength(1);
    const signal = signals.at(-1);
    expect(signal).toBeDefined();
    first.abort();
    expect(signal?.aborted).toBe(false);
    second.abort();
    expect(signal?.aborted).toBe(true);
    await clock.run(1000);
    expect(await answers).toEqual(['AbortError', 'AbortError']);
  });

  test('a request that cannot make its deadline any more is refused at once', async () => {
    const { clock, model, batcher, ask, askWith } = await setUp({ maxBatchSize: 1 });
    const warm = ask(0).then(() => ask(0));
    await clock.run(50);
    await warm;
    const busy = [1, 2, 3].map((row) => ask(row));
    const late = askWith({ deadlineMs: 15 }, 4);
    await expect(late).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: expect.stringContaining('not run'),
    });
    const inTime = askWith({ deadlineMs: 500 }, 5);
    await clock.run(200);
    await Promise.all([...busy, inTime]);
    expect(model.runs.flat()).not.toContain(4);
    expect(batcher.getStats().refusedLate).toBe(1);
  });

  test('and one that is overtaken while it waits is refused before its turn', async () => {
    const { clock, model, ask, askWith } = await setUp({ maxBatchSize: 1 });
    const warm = ask(0).then(() => ask(0));
    await clock.run(50);
    await warm;
    const busy = ask(1);
    const late = outcomes([askWith({ deadlineMs: 25 }, 2)]);
    const urgent = [3, 4].map((row) => askWith({ priority: RequestPriority.CRITICAL }, row));
    await clock.run(200);
    expect(await late).toEqual(['DeadlineExceededError']);
    await Promise.all([busy, ...urgent]);
    expect(model.runs.flat()).not.toContain(2);
  });
});

describe('admission', () => {
  test('a full queue refuses, and says when there is likely to be room', async () => {
    const { clock, batcher, ask } = await setUp({ maxQueueDepth: 3, maxBatchSize: 1 });
    const warm = ask(0).then(() => ask(0));
    await clock.run(50);
    await warm;
    const answers = [1, 2, 3, 4].map((row) => ask(row));
    const refused = await ask(5).catch((error: unknown) => error);
    expect(EpochlyError.isInstance(refused, 'QUEUE_FULL')).toBe(true);
    expect(refused).toMatchObject({ retryAfterMs: expect.closeTo(33 / 2, 0), message: expect.stringContaining('ms') });
    await clock.run(500);
    await Promise.all(answers);
    expect(batcher.getStats()).toMatchObject({ refusedFull: 1, waiting: 0, inFlight: 0 });
  });

  test('a tenant that fills the queue makes room for another', async () => {
    const { clock, askWith } = await setUp({ maxQueueDepth: 4, maxBatchSize: 1 });
    const flood = [0, 1, 2, 3, 4].map((row) => askWith({ tenant: 'flood' }, row));
    const settled = outcomes(flood);
    const quiet = askWith({ tenant: 'quiet' }, 9);
    await clock.run(500);
    await expect(quiet).resolves.toEqual([18]);
    expect(await settled).toEqual(['0', '2', '4', '6', 'QueueFullError']);
  });
});

describe('priorities and tenants', () => {
  test('the urgent go first', async () => {
    const { clock, model, askWith } = await setUp({ maxBatchSize: 1 });
    const answers = [
      askWith({}, 0),
      askWith({ priority: RequestPriority.LOW }, 1),
      askWith({ priority: RequestPriority.CRITICAL }, 2),
      askWith({ priority: RequestPriority.HIGH }, 3),
    ];
    await clock.run(500);
    await Promise.all(answers);
    expect(model.runs.flat()).toEqual([0, 2, 3, 1]);
  });

  test('a tenant that floods does not keep another from its turn', async () => {
    const { clock, model, askWith } = await setUp({ maxBatchSize: 1 });
    const flood = Array.from({ length: 50 }, (_, i) => askWith({ tenant: 'flood' }, i));
    const quiet = askWith({ tenant: 'quiet' }, 100);
    await clock.run(5000);
    await Promise.all([...flood, quiet]);
    expect(model.runs.flat().indexOf(100)).toBeLessThanOrEqual(2);
  });
});

describe('stop()', () => {
  test('answers all that wait, and takes no more', async () => {
    const { clock, batcher, ask } = await setUp();
    const answers = [1, 2, 3].map((row) => ask(row));
    const stopped = vi.fn();
    const stop = batcher.stop().then(stopped);
    await expect(ask(4)).rejects.toMatchObject({ code: 'CLOSED' });
    await clock.run(5);
    expect(stopped).not.toHaveBeenCalled();
    await clock.run(500);
    await stop;
    await expect(Promise.all(answers)).resolves.toEqual([[2], [4], [6]]);
    expect(clock.pending).toBe(0);
  });

  test('rejects those that wait where it is told to, and waits for what runs', async () => {
    const { clock, batcher, ask } = await setUp();
    const answers = outcomes([1, 2, 3].map((row) => ask(row)));
    const stopped = vi.fn();
    const stop = batcher.stop({ drain: false }).then(stopped);
    await clock.run(5);
    expect(stopped).not.toHaveBeenCalled();
    await clock.run(20);
    await stop;
    expect(await answers).toEqual(['2', 'ClosedError', 'ClosedError']);
  });

  test('resolves at once where nothing is under way; start() takes requests again', async () => {
    const { clock, batcher, ask } = await setUp();
    await batcher.stop();
    await batcher.start();
    const answer = ask(1);
    await clock.run(20);
    await expect(answer).resolves.toEqual([2]);
  });

  test('before start() nothing is taken', async () => {
    const clock = createFakeClock();
    const batcher = new DynamicMicroBatcher({
      model: simulatedModel(clock, AFFINE),
      adapter: simulatedAdapter(),
      clock,
    });
    await expect(batcher.infer([1])).rejects.toMatchObject({
      code: 'CLOSED',
      message: expect.stringContaining('start()'),
    });
  });
});

test('whatever comes, each request gets its own answer, once, or its own error', async () => {
  const event = fc.record({
    jitterMs: fc.integer({ min: 0, max: 30 }),
    rows: fc.integer({ min: 1, max: 4 }),
    priority: fc.constantFrom(...Object.values(RequestPriority)),
    tenant: fc.constantFrom('a', 'b', 'c'),
    abortAfterMs: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined, freq: 4 }),
    deadlineMs: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined, freq: 4 }),
    breaks: fc.boolean(),
  });
  const setting = fc.record({
    events: fc.array(event, { minLength: 1, maxLength: 80, size: 'max' }),
    /** So many come at once, or about then. */
    burst: fc.constantFrom(1, 4, 20),
    /** Bursts before, from which it has learned what batches cost. */
    learned: fc.constantFrom(0, 12),
    maxBatchSize: fc.constantFrom(0, 1, 3, 8),
    maxQueueDepth: fc.constantFrom(2, 8, 1024),
    concurrency: fc.constantFrom(1, 2, 4, Infinity),
    pipelined: fc.boolean(),
    keys: fc.constantFrom(1, 3),
    targetLatencyMs: fc.constantFrom(0, 30, 1e6),
    fixedMs: fc.integer({ min: 0, max: 20 }),
    faults: fc.constantFrom('none', 'some', 'memory', 'batches'),
  });
  await fc.assert(
    fc.asyncProperty(
      setting,
      async ({ events, burst, learned, concurrency, pipelined, keys, fixedMs, faults, ...config }) => {
        const { maxQueueDepth } = config;
        const clock = createFakeClock();
        const model = simulatedModel(clock, (rows) => fixedMs + rows, pipelined ? 1.5 : 0);
        const bench = await setUpWith(clock, model, simulatedAdapter(concurrency, pipelined), config);
        const { batcher } = bench;
        const keyOf = (i: number): BatchKey => ({
          modelId: 1,
          endpoint: '',
          inputShapeBucket: [i % keys],
          dtype: 'number',
        });
        for (let round = 0; round < learned; round++) {
          const all = Promise.allSettled(
            Array.from({ length: 24 }, (_, i) => bench.askWith({ batchKey: keyOf(i) }, i)),
          );
          await clock.run(1000);
          await all;
        }
        const broken = new Set(events.flatMap(({ breaks }, i) => (breaks && i % 3 === 0 ? [i * 10] : [])));
        model.fault = (rows) => {
          if (faults === 'some' && rows.some((row) => broken.has(row))) throw new Error('broken');
          if (faults === 'memory' && rows.length > 3) throw new Error('out of memory');
          if (faults === 'batches' && rows.length > 1) throw new Error('not in batches');
        };
        const settled: number[] = events.map(() => 0);
        const asked = events.map(async ({ jitterMs, rows, abortAfterMs, priority, tenant, deadlineMs }, i) => {
          const atMs = 30 * Math.floor(i / burst) + (burst === 20 ? 0 : jitterMs);
          await new Promise<void>((resolve) => clock.after(atMs, resolve));
          const controller = new AbortController();
          if (abortAfterMs !== undefined) clock.after(abortAfterMs, () => controller.abort(new Error('left')));
          const input = Array.from({ length: rows }, (_, k) => i * 10 + k);
          const [batchKey, { signal }] = [keyOf(i), controller];
          try {
            const answer = await bench.askWith({ priority, tenant, deadlineMs, signal, batchKey }, ...input);
            settled[i]!++;
            expect(answer).toEqual(input.map(answerTo));
            expect(faults === 'some' && broken.has(i * 10)).toBe(false);
          } catch (error) {
            settled[i]!++;
            const { name, message } = error as Error;
            if (name === 'AssertionError') throw error;
            const expected =
              (message === 'left' && abortAfterMs !== undefined) ||
              (name === 'DeadlineExceededError' && deadlineMs !== undefined) ||
              (name === 'QueueFullError' && maxQueueDepth < 1024) ||
              (message === 'broken' && faults === 'some' && broken.has(i * 10)) ||
              // A single request that is too much for the device by itself.
              (message === 'out of memory' && faults === 'memory' && rows > 3) ||
              (message === 'not in batches' && faults === 'batches' && rows > 1);
            expect(expected, `${name}: ${message}`).toBe(true);
          }
        });
        await clock.run(30 * events.length);
        const stop = batcher.stop({ drain: true });
        await clock.run(60 * 25 * events.length);
        await Promise.all([...asked, stop]);
        expect(settled).toEqual(events.map(() => 1));
        expect(batcher.getStats()).toMatchObject({ waiting: 0, inFlight: 0 });
      },
    ),
    { numRuns: 200 },
  );
}, 120_000);
