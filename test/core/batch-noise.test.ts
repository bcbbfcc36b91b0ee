/** A machine whose processors others use as well: what a batch takes is left to chance, and the best size is found all the same. */

import { expect, test } from 'vitest';
import { createRandom } from '../helpers/cache-traces.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { drive, setUpWith } from '../helpers/simulated-batcher.ts';
import { simulatedAdapter, simulatedModel } from '../helpers/simulated-model.ts';

type Cost = (rows: number) => number;

/** Time slices of 4 ms, each of which may be followed by one of somebody else's, of 8 ms in the mean. */
function shared(cost: Cost, chance: number, random: () => number): Cost {
  return (rows) => {
    let ms = cost(rows);
    for (let left = ms - random() * 4; left > 0; left -= 4) if (random() < chance) ms += -Math.log(1 - random()) * 8;
    return ms;
  };
}

/** Rows a millisecond at the best size, which is known afterwards. */
function best(cost: Cost): number {
  const rates = [1, 2, 4, 8, 16, 32, 64].map((size) => {
    let sum = 0;
    for (let i = 0; i < 4000; i++) sum += cost(size);
    return (4000 * size) / sum;
  });
  return Math.max(...rates);
}

test.each<[string, Cost, number, number]>([
  ['batches save a third', (rows) => 0.6 + rows * 1.05, 3000, 0.9],
  ['batches save most', (rows) => 4 + rows / 2, 3000, 0.9],
  ['batches of more than 16 are twice as dear', (rows) => (rows <= 16 ? 4 + rows / 2 : 4 + rows * 1.2), 10_000, 0.8],
])('%s: three runs come near to what the best size serves', async (_name, cost, learnMs, share) => {
  const chance = 0.3;
  const most = best(shared(cost, chance, createRandom(9)));
  const shares: number[] = [];
  for (let seed = 1; seed <= 3; seed++) {
    const clock = createFakeClock();
    const model = simulatedModel(clock, shared(cost, chance, createRandom(seed)));
    const bench = await setUpWith(clock, model, simulatedAdapter(), { targetLatencyMs: 100, maxBatchSize: 0 });
    await drive(bench, 64, learnMs);
    shares.push((await drive(bench, 64, 4000)) / most);
  }
  expect(shares.reduce((sum, each) => sum + each) / shares.length).toBeGreaterThan(share);
});
