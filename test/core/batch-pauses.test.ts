/** A machine that is not the model's alone: a run now and then takes many times as long as it should. */

import { expect, test } from 'vitest';
import { createRandom } from '../helpers/cache-traces.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { drive, setUpWith } from '../helpers/simulated-batcher.ts';
import { simulatedAdapter, simulatedModel } from '../helpers/simulated-model.ts';

/** A batch has its fixed cost of 4 ms, and a row a quarter of a millisecond: 16 of them are served in 8 ms. */
const cost = (rows: number): number => 4 + rows / 4;

const TARGET = { targetLatencyMs: 100 };

test.each([
  [1, 1],
  [1, 2],
  [2, 2],
])('pauses in the runs %d to %d of a size do not keep it from being tried again', async (from, to) => {
  for (const paused of [2, 8]) {
    const clock = createFakeClock();
    let seen = 0;
    const model = simulatedModel(clock, (rows) => {
      if (rows === paused) seen++;
      return cost(rows) + (rows === paused && seen >= from && seen <= to ? 700 : 0);
    });
    const bench = await setUpWith(clock, model, simulatedAdapter(), TARGET);
    await drive(bench, 16, 12_000);
    expect(seen).toBeGreaterThanOrEqual(to);
    expect([paused, (await drive(bench, 16, 3000)) / (16 / cost(16)) > 0.93]).toEqual([paused, true]);
  }
});

test('one pause in ten runs costs the pauses, and not the batches', async () => {
  const shares: number[] = [];
  for (let seed = 1; seed <= 3; seed++) {
    const clock = createFakeClock();
    const random = createRandom(seed);
    const withPauses = (rows: number): number => cost(rows) + (random() < 0.1 ? 30 : 0);
    const bench = await setUpWith(clock, simulatedModel(clock, withPauses), simulatedAdapter(), TARGET);
    await drive(bench, 16, 8000);
    const best = 16 / (cost(16) + 3);
    shares.push((await drive(bench, 16, 8000)) / best);
  }
  expect(shares.reduce((sum, each) => sum + each) / shares.length).toBeGreaterThan(0.88);
});

test('a size that is slow each time is not tried beyond what the latency allows', async () => {
  const clock = createFakeClock();
  const model = simulatedModel(clock, (rows) => (rows > 4 ? 700 : cost(rows)));
  const bench = await setUpWith(clock, model, simulatedAdapter(), TARGET);
  await drive(bench, 16, 30_000);
  const before = model.runs.length;
  await drive(bench, 16, 30_000);
  const slow = model.runs.slice(before).filter((rows) => rows.length > 4).length;
  expect(slow).toBeLessThanOrEqual(2);
});
