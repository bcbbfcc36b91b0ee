/** A batcher on a simulated device and a clock of its own, and callers for it. */

import { expect } from 'vitest';
import type { InferenceAdapter } from '../../src/adapters/adapter.ts';
import { DynamicMicroBatcher } from '../../src/batching/dynamic-micro-batcher.ts';
import type { BatchInferOptions } from '../../src/batching/dynamic-micro-batcher.ts';
import type { MicroBatcherConfig } from '../../src/batching/micro-batcher-config.ts';
import { createFakeClock } from './fake-clock.ts';
import type { FakeClock } from './fake-clock.ts';
import { answerTo, simulatedAdapter, simulatedModel } from './simulated-model.ts';
import type { SimulatedModel } from './simulated-model.ts';

export interface Bench {
  readonly clock: FakeClock;
  readonly model: SimulatedModel;
  readonly batcher: DynamicMicroBatcher<SimulatedModel>;
  ask(...rows: number[]): Promise<readonly number[]>;
  askWith(options: BatchInferOptions, ...rows: number[]): Promise<readonly number[]>;
}

/** Each batch has its fixed cost of 10 ms, and a row 1 ms. */
export const AFFINE = (rows: number): number => 10 + rows;

export async function setUp(config: Partial<MicroBatcherConfig> = {}, cost = AFFINE, concurrency = 1): Promise<Bench> {
  const clock = createFakeClock();
  return setUpWith(clock, simulatedModel(clock, cost), simulatedAdapter(concurrency), config);
}

/** In another thread, as a host is: a millisecond and a half there, as much back. */
export async function setUpInHost(
  cost: (rows: number) => number,
  config: Partial<MicroBatcherConfig> = {},
): Promise<Bench> {
  const clock = createFakeClock();
  return setUpWith(clock, simulatedModel(clock, cost, 1.5), simulatedAdapter(2, true), config);
}

export async function setUpWith(
  clock: FakeClock,
  model: SimulatedModel,
  adapter: InferenceAdapter<SimulatedModel>,
  config: Partial<MicroBatcherConfig>,
): Promise<Bench> {
  const batcher = new DynamicMicroBatcher({ model, adapter, clock, config: { targetLatencyMs: 1e6, ...config } });
  await batcher.start();
  const askWith = (options: BatchInferOptions, ...rows: number[]): Promise<readonly number[]> =>
    batcher.infer(rows, options) as Promise<readonly number[]>;
  return { clock, model, batcher, askWith, ask: (...rows) => askWith({}, ...rows) };
}

/** So many callers, each of whom asks again as soon as it is answered, for a while. Returns rows answered a millisecond. */
export async function drive({ clock, ask }: Bench, callers: number, ms: number): Promise<number> {
  const until = clock.now() + ms;
  let answered = 0;
  const caller = async (row: number): Promise<void> => {
    while (clock.now() < until) {
      expect(await ask(row)).toEqual([answerTo(row)]);
      if (clock.now() <= until) answered++;
    }
  };
  const all = Promise.all(Array.from({ length: callers }, (_, i) => caller(i)));
  await clock.run(ms);
  await clock.run(100 * callers);
  await all;
  return answered / ms;
}

export const outcomes = (promises: readonly Promise<unknown>[]): Promise<readonly string[]> =>
  Promise.all(
    promises.map((each) =>
      each.then(
        (answer) => String(answer),
        (error: Error) => error.name,
      ),
    ),
  );
