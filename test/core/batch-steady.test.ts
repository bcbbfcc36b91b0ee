/** A quiet machine: once the costs are known, what is spent on looking whether they still hold is next to nothing. */

import { expect, test } from 'vitest';
import { createRandom } from '../helpers/cache-traces.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { drive, setUpWith } from '../helpers/simulated-batcher.ts';
import { simulatedAdapter, simulatedModel } from '../helpers/simulated-model.ts';

type Cost = (rows: number) => number;

/** Costs as they were measured, with a few percent of chance. */
function measured(cost: Cost, random: () => number): Cost {
  return (rows) => {
    let sum = 0;
    for (let i = 0; i < 6; i++) sum += random();
    return cost(rows) * (1 + (sum - 3) * 0.04);
  };
}

test.each<[string, number, number, number, Cost]>([
  ['a sentence encoder', 8, 0.985, 8, (rows) => 1 + rows * 2.33],
  ['a sentence encoder', 64, 0.97, 64, (rows) => 1 + rows * 2.33],
  ['a small classifier', 8, 0.985, 8, (rows) => 1.2 + rows * 1.1],
  ['a detector', 8, 0.98, 1, (rows) => (rows === 1 ? 30 : rows * 33)],
])('%s, %d callers: at least %d of what batches of %d serve', async (_name, callers, share, size, cost) => {
  const shares: number[] = [];
  for (let seed = 1; seed <= 3; seed++) {
    const clock = createFakeClock();
    const model = simulatedModel(clock, measured(cost, createRandom(seed)));
    const bench = await setUpWith(clock, model, simulatedAdapter(), { targetLatencyMs: 100, maxBatchSize: 0 });
    await drive(bench, callers, 3000);
    shares.push(((await drive(bench, callers, 6000)) * cost(size)) / size);
  }
  expect(shares.reduce((sum, each) => sum + each) / shares.length).toBeGreaterThan(share);
});

test('a size that goes on costing what it did is looked at more and more seldom, until the machine changes', async () => {
  const clock = createFakeClock();
  let speed = 1;
  const model = simulatedModel(clock, (rows) => (rows <= 4 ? 2 + rows * 2 : 6 + rows * 2) / speed);
  const bench = await setUpWith(clock, model, simulatedAdapter(), { targetLatencyMs: 100, maxBatchSize: 0 });
  const othersIn = async (ms: number): Promise<number> => {
    const from = model.runs.length;
    await drive(bench, 8, ms);
    const sizes = model.runs.slice(from).map((rows) => rows.length);
    const most = Math.max(...[...new Set(sizes)].map((size) => sizes.filter((each) => each === size).length));
    return sizes.length - most;
  };
  const atFirst = await othersIn(4000);
  await othersIn(20_000);
  const later = await othersIn(4000);
  expect(later).toBeLessThan(atFirst / 4);
  speed = 3;
  expect(await othersIn(4000)).toBeGreaterThan(later);
});
