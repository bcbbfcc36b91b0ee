/** How long the event loop is held up while a model runs flat out: in a host, and by onnxruntime-node in place. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { load, tensor } from 'epochly';
import { median } from './lib/side-by-side.mjs';
import { openUseLite, USE_LITE, feedsOf } from './lib/models.mjs';
import { report, times } from './lib/report.mjs';

const ROUNDS = 5;
const ROUND_MS = 1500;
/** Rows of 128 tokens a run: 'long' runs last about a tenth of a second, 'short' ones a few milliseconds. */
const WORKLOADS = { long: 32, short: 1 };

/** Every run has inputs of its own: nothing may be answered from the cache. */
let seed = 0;

async function flatOut(run) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let count = 0;
  const until = performance.now() + ROUND_MS;
  delay.enable();
  for (; performance.now() < until; count++) await run(seed++);
  delay.disable();
  return { p99: delay.percentile(99) / 1e6, perSecond: (count * 1000) / ROUND_MS };
}

const session = await openUseLite({});
const model = await load(USE_LITE);
const rows = [];
for (const [name, rowCount] of Object.entries(WORKLOADS)) {
  const shape = [rowCount, 128];
  const ids = (n) => new BigInt64Array(rowCount * 128).map((_, i) => BigInt(10 + ((n * 31 + i * 7) % 7000)));
  const mask = new BigInt64Array(rowCount * 128).fill(1n);
  const Tensor = feedsOf(ids(0)).input_ids.constructor;
  const raw = (n) =>
    session.run({ input_ids: new Tensor('int64', ids(n), shape), attention_mask: new Tensor('int64', mask, shape) });
  const hosted = (n) =>
    model.run({ input_ids: tensor('int64', ids(n), shape), attention_mask: tensor('int64', mask, shape) });
  await raw(seed++);
  await hosted(seed++);
  const results = { raw: [], hosted: [] };
  for (let round = 0; round < ROUNDS; round++) {
    results.raw.push(await flatOut(raw));
    results.hosted.push(await flatOut(hosted));
  }
  const of = (way, field) => median(results[way].map((each) => each[field]));
  const ratio = of('hosted', 'p99') / of('raw', 'p99');
  rows.push(
    {
      what: `${name} runs: p99 delay, raw → load()`,
      measured: `${of('raw', 'p99').toFixed(1)} → ${of('hosted', 'p99').toFixed(1)} ms (${times(ratio)})`,
      ...(name === 'long' ? { target: '≤ 0.1×', met: ratio <= 0.1 } : {}),
    },
    {
      what: `${name} runs: throughput, raw → load()`,
      measured: `${of('raw', 'perSecond').toFixed(0)} → ${of('hosted', 'perSecond').toFixed(0)} runs/s`,
    },
  );
}
await model.close();
report('The event loop while use-lite runs flat out', rows);
