/** An adapter, or an observer, that does not do what it should: nobody hangs, and nobody gets another's answer. */

import { describe, expect, test } from 'vitest';
import type { InferenceAdapter } from '../../src/adapters/adapter.ts';
import { DynamicMicroBatcher } from '../../src/batching/dynamic-micro-batcher.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { AFFINE, drive, outcomes, setUp, setUpWith } from '../helpers/simulated-batcher.ts';
import { simulatedAdapter, simulatedModel } from '../helpers/simulated-model.ts';
import type { SimulatedModel } from '../helpers/simulated-model.ts';

const fail = (): never => {
  throw new Error('the adapter’s own');
};

async function askRounds(change: Partial<InferenceAdapter<SimulatedModel>>): Promise<{
  readonly told: readonly string[];
  readonly batcher: DynamicMicroBatcher<SimulatedModel>;
}> {
  const clock = createFakeClock();
  const { batcher, ask } = await setUpWith(
    clock,
    simulatedModel(clock, AFFINE),
    { ...simulatedAdapter(), ...change },
    {},
  );
  const told: string[] = [];
  for (let round = 0; round < 6; round++) {
    const answers = outcomes([1, 2, 3, 4].map((row) => ask(row)));
    await clock.run(1000);
    told.push(...(await answers));
  }
  await batcher.stop();
  expect(batcher.getStats()).toMatchObject({ waiting: 0, inFlight: 0 });
  return { told, batcher };
}

const plain = simulatedAdapter();
const ANSWERED = Array.from({ length: 6 }, () => ['2', '4', '6', '8']).flat();

test.each<[string, Partial<InferenceAdapter<SimulatedModel>>, string]>([
  ['too few answers', { split: (...of) => plain.split(...of).slice(1) }, 'answers_have_no_rows'],
  ['too many answers', { split: (...of) => [...plain.split(...of), [99]] }, 'answers_have_no_rows'],
  ['a join that throws', { join: fail }, 'fails_in_a_batch'],
  ['a comparison that throws', { outputsMatch: fail }, 'answers_differ_in_a_batch'],
  ['a comparison that rejects', { outputsMatch: async () => fail() }, 'answers_differ_in_a_batch'],
])('%s: the requests are run alone', async (_what, change, refusal) => {
  const { told, batcher } = await askRounds(change);
  expect(told).toEqual(ANSWERED);
  expect(batcher.getStats().queues[0]?.refusal).toBe(refusal);
});

test('whose free() throws loses nothing but memory', async () => {
  const { told } = await askRounds({ free: fail });
  expect(told).toEqual(ANSWERED);
});

describe('what throws before a request waits rejects it', () => {
  test.each(['batchKey', 'rowsOf', 'retain', 'runInference'] as const)('%s()', async (method) => {
    const { told } = await askRounds({ [method]: fail });
    expect(new Set(told)).toEqual(new Set(method === 'retain' ? ['2', 'Error'] : ['Error']));
  });
});

test('an observer that throws is the fault of the run', async () => {
  const clock = createFakeClock();
  const model = simulatedModel(clock, AFFINE);
  const batcher = new DynamicMicroBatcher({ model, adapter: simulatedAdapter(), clock, observe: fail });
  await batcher.start();
  const answers = outcomes([1, 2, 3].map((row) => batcher.infer([row])));
  await clock.run(1000);
  expect(await answers).toEqual(['Error', 'Error', 'Error']);
  await batcher.stop();
});

test('one request that says it has no memory does not end batching for the others', async () => {
  const bench = await setUp();
  await drive(bench, 8, 2000);
  bench.model.fault = (rows) => {
    if (rows.includes(13)) throw new Error('The text exceeds the maximum of tokens');
  };
  const answers = outcomes([1, 2, 13, 4, 5, 6, 7, 8].map((row) => bench.ask(row)));
  await bench.clock.run(1000);
  expect(await answers).toEqual(['2', '4', 'Error', '8', '10', '12', '14', '16']);
  expect(bench.batcher.getStats().queues[0]).toMatchObject({ refusal: undefined, maxSize: 32 });
});

test('a model that asks its own batcher is answered, where its runs share no batches', async () => {
  const clock = createFakeClock();
  const model = simulatedModel(clock, AFFINE);
  const adapter: InferenceAdapter<SimulatedModel> = {
    ...simulatedAdapter(Infinity),
    batchKey: () => 'unknown',
    async runInference(_model, [rows]) {
      if ((rows as readonly number[]).includes(1)) await bench.ask(50);
      return model(rows as readonly number[]);
    },
  };
  const bench = await setUpWith(clock, model, adapter, {});
  let told: readonly string[] = [];
  void outcomes([2, 1, 3].map((row) => bench.ask(row))).then((all) => (told = all));
  await clock.run(5000);
  expect(told).toEqual(['4', '2', '6']);
});
