/** A model on a simulated device: its batches take as long as they are told to, on a fake clock. */

import { callableAdapter } from '../../src/adapters/callable.ts';
import type { InferenceAdapter } from '../../src/adapters/adapter.ts';
import type { ModelCall } from '../../src/call.ts';
import type { FakeClock } from './fake-clock.ts';

export interface SimulatedModel {
  (rows: readonly number[]): Promise<readonly number[]>;
  /** Rows of each run, in the order in which they began. */
  readonly runs: number[][];
  /** What a run of so many rows takes, in milliseconds; may be changed. */
  cost: (rows: number) => number;
  /** Throws for rows that it cannot take. */
  fault: (rows: readonly number[]) => void;
  /** The answer to each of the rows; twice the row by default. */
  answer: (rows: readonly number[]) => readonly number[];
}

/** What the runs took on the device, by their answers. */
const times = new WeakMap<object, number>();

export const answerTo = (row: number): number => row * 2;

/**
 * The device runs one batch after another; the way to it and the way back take a while too, and before each the caller's thread
 * is busy for another one, with nothing but that.
 */
export function simulatedModel(
  clock: FakeClock,
  cost: (rows: number) => number,
  wayMs = 0,
  threadMs = 0,
): SimulatedModel {
  let freeAt = 0;
  let sentAt = 0;
  const model: SimulatedModel = Object.assign(
    (rows: readonly number[]): Promise<readonly number[]> => {
      model.runs.push([...rows]);
      sentAt = Math.max(clock.now(), sentAt) + threadMs;
      const begins = Math.max(sentAt + wayMs, freeAt);
      freeAt = begins + model.cost(rows.length);
      const tookMs = freeAt - begins;
      return new Promise((resolve, reject) => {
        clock.after(freeAt + wayMs - clock.now(), () => {
          try {
            model.fault(rows);
            const answer = model.answer(rows);
            times.set(answer, tookMs);
            resolve(answer);
          } catch (error) {
            reject(error);
          }
        });
      });
    },
    {
      runs: [] as number[][],
      cost,
      fault: () => undefined,
      answer: (rows: readonly number[]) => rows.map(answerTo),
    },
  );
  return model;
}

const rowsOf = ({ args }: ModelCall): readonly number[] => args[0] as readonly number[];

export function simulatedAdapter(
  concurrency: number | undefined = 1,
  pipelined = false,
): InferenceAdapter<SimulatedModel> {
  return callableAdapter<SimulatedModel>({
    name: 'simulated',
    deterministic: true,
    batchKey: (_model, call) => ({ endpoint: '', inputShapeBucket: [-1], dtype: typeof rowsOf(call)[0] }),
    rowsOf: (_model, call) => rowsOf(call).length,
    join: (_model, calls) => ({
      entryPoint: '',
      args: [calls.flatMap(rowsOf)],
      sizes: calls.map((call) => rowsOf(call).length),
    }),
    split(_model, { sizes }, output) {
      const rows = output as readonly number[];
      const total = sizes.reduce((sum, each) => sum + each, 0);
      if (rows.length !== total) throw new RangeError(`${rows.length} rows for ${total}`);
      let start = 0;
      return sizes.map((size) => rows.slice(start, (start += size)));
    },
    ...(pipelined ? { timeOf: (_model, answer) => times.get(answer as object) } : {}),
    ...(concurrency === undefined ? {} : { concurrency: () => concurrency }),
  });
}
