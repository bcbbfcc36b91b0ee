/** What proves that a batch answers as its requests do alone: only requests that a model could have mixed up. */

import { describe, expect, test } from 'vitest';
import type { InferenceAdapter } from '../../src/adapters/adapter.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { AFFINE, setUp, setUpWith } from '../helpers/simulated-batcher.ts';
import type { Bench } from '../helpers/simulated-batcher.ts';
import { simulatedAdapter, simulatedModel } from '../helpers/simulated-model.ts';
import type { SimulatedModel } from '../helpers/simulated-model.ts';

async function askTogether({ clock, ask }: Bench, rows: readonly number[]): Promise<readonly (readonly number[])[]> {
  const answers = Promise.all(rows.map((row) => ask(row)));
  await clock.run(3000);
  return answers;
}

describe('requests that are all alike', () => {
  const deviation = (rows: readonly number[]): readonly number[] => {
    const mean = rows.reduce((sum, row) => sum + row, 0) / rows.length;
    return rows.map((row) => row - mean);
  };

  test('prove nothing: a model that normalises over the batch is found out by the first that differ', async () => {
    const bench = await setUp();
    bench.model.answer = deviation;
    for (let round = 0; round < 12; round++) await askTogether(bench, [5, 5, 5, 5]);
    for (let round = 0; round < 6; round++) {
      expect(await askTogether(bench, [1, 2, 3, 4 + round])).toEqual([[0], [0], [0], [0]]);
    }
    expect(bench.batcher.getStats().queues[0]?.refusal).toBe('answers_differ_in_a_batch');
  });

  test('nor do those of which the first and the last are', async () => {
    const bench = await setUp();
    // Mixes only what stands between two others.
    bench.model.answer = (rows) => rows.map((row, i) => (i === 0 || i === rows.length - 1 ? 2 * row : 3 * row));
    expect(await askTogether(bench, [1, 5, 5, 5])).toEqual([[2], [10], [10], [10]]);
    for (let round = 0; round < 8; round++) {
      expect(await askTogether(bench, [1, 5, 9, 5, 5])).toEqual([[2], [10], [18], [10], [10]]);
    }
  });

  test('are batched all the same, and not compared for ever', async () => {
    const bench = await setUp();
    for (let round = 0; round < 40; round++) await askTogether(bench, [5, 5, 5, 5]);
    const { checked, refusal } = bench.batcher.getStats().queues[0]!;
    expect(refusal).toBeUndefined();
    expect(checked).toBeLessThan(8);
    expect(bench.model.runs.at(-1)).toEqual([5, 5, 5, 5]);
  });
});

describe('sequences', () => {
  /** Rows of one request are its sequence; padding is zeros. */
  function sequenceAdapter(): InferenceAdapter<SimulatedModel> {
    const lengthOf = (args: readonly unknown[]): number => (args[0] as readonly number[]).length;
    return {
      ...simulatedAdapter(),
      batchKey: (_model, { args }) => ({ endpoint: '', inputShapeBucket: [-1, lengthOf(args)], dtype: 'n' }),
      rowsOf: () => 1,
      join: (_model, calls) => ({
        entryPoint: '',
        args: [calls.map(({ args }) => args[0])],
        sizes: calls.map(() => 1),
      }),
      split: (_model, _joined, output) => output as readonly unknown[],
      runInference: (model, [input]) => {
        const sequences = (typeof (input as readonly unknown[])[0] === 'number' ? [input] : input) as number[][];
        const answers = sequences.map((each) => [each.reduce((sum, one) => sum + one, 0) / each.length]);
        return model(sequences.map(lengthless)).then(() => (sequences === input ? answers : answers[0]));
      },
      padding: {
        key(_model, { args }, bucketOf) {
          const bucket = bucketOf(lengthOf(args));
          return { key: keyOf(bucket), length: lengthOf(args), bucket };
        },
        pad: (_model, call, length) => {
          const row = call.args[0] as readonly number[];
          return { ...call, args: [[...row, ...Array.from({ length: length - row.length }, () => 0)]] };
        },
        unpad: (_model, _call, answer) => answer,
      },
    };
  }
  const lengthless = (each: readonly number[]): number => each[0] as number;
  const keys = new Map<number, { endpoint: string; inputShapeBucket: number[]; dtype: string }>();
  function keyOf(bucket: number) {
    let key = keys.get(bucket);
    if (key === undefined) keys.set(bucket, (key = { endpoint: '', inputShapeBucket: [-1, bucket], dtype: 'n' }));
    return key;
  }
  const sequence = (length: number, first: number): number[] => Array.from({ length }, (_, i) => first + i);
  const mean = (row: readonly number[]): number => row.reduce((sum, one) => sum + one, 0) / row.length;

  test('that need no padding do not prove that padding changes nothing', async () => {
    const clock = createFakeClock();
    const bench = await setUpWith(clock, simulatedModel(clock, AFFINE), sequenceAdapter(), {});
    const askAll = async (lengths: readonly number[], first: number): Promise<void> => {
      const rows = lengths.map((length, i) => sequence(length, first + 10 * i));
      const answers = Promise.all(rows.map((row) => bench.batcher.infer(row)));
      await clock.run(3000);
      expect(await answers).toEqual(rows.map((row) => [mean(row)]));
    };
    for (let round = 0; round < 12; round++) await askAll([8, 8, 8, 8], round);
    expect(bench.batcher.getStats().queues[0]).toMatchObject({ padded: true, refusal: undefined, paddingWaste: 0 });
    // The padded one stands between two others.
    for (let round = 0; round < 4; round++) await askAll([8, 6, 8, 8], round);
    expect(bench.batcher.getStats().queues[0]?.refusal).toBe('answers_differ_when_padded');
  });

  test('that run alone are not padded, and waste nothing', async () => {
    const clock = createFakeClock();
    const bench = await setUpWith(clock, simulatedModel(clock, AFFINE), sequenceAdapter(), {});
    for (let round = 0; round < 5; round++) {
      const answer = bench.batcher.infer(sequence(5, round));
      await clock.run(100);
      await answer;
    }
    expect(bench.batcher.getStats().queues[0]).toMatchObject({ padded: true, paddingWaste: 0 });
  });
});
