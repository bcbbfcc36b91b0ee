/** The slowest of a hundred hits of L1, while nothing else happens and while L2 writes as fast as it can. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createEpochly } from 'epochly';
import { L2Cache } from '../../dist/src/cache/sealed/l2-cache.js';
import { openKeyring } from '../../dist/platforms/node/keyring/open-keyring.js';
import { openSqliteStore } from '../../dist/platforms/node/store/open-sqlite-store.js';
import { threadTimes } from './lib/in-turn.mjs';
import { feedsOf, openUseLite } from './lib/models.mjs';
import { report, times, us } from './lib/report.mjs';
import { median } from './lib/side-by-side.mjs';
import { keySource } from './lib/tier-loads.mjs';

const ROUNDS = 7;
const HITS = 3000;
/** L2 has always this much to write, and never so much that it drops any. */
const BACKLOG_BYTES = 512 * 1024;
/** Between two arrivals. */
const ARRIVAL_MS = 1;

const turn = () => new Promise((resolve) => setImmediate(resolve));
/** L2 takes longer than that for what is waiting. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 1));
const nowUs = () => Number(process.hrtime.bigint()) / 1000;
const p99 = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)];

const proxy = createEpochly().wrap(await openUseLite());
const feeds = feedsOf(BigInt64Array.from([5n, 40n, 300n, 17n, 2000n, 7n, 81n, 6n]));
const hit = () => proxy.run(feeds);

const folder = mkdtempSync(join(tmpdir(), 'epochly-bench-'));
const store = await openSqliteStore({ path: join(folder, 'l2.db') });
const env = { EPOCHLY_ENCRYPTION_KEY: randomBytes(32).toString('hex') };
const keyring = await openKeyring({ kind: 'env' }, env);
const cache = new L2Cache({ store, keyring });
const scope = { tenant: 'tenant', model: 'model' };
const value = new Uint8Array(randomBytes(1536));
const newKeys = keySource();

/** One put a turn, as answers come, for as long as there is room. */
function startWriting() {
  const stopping = new AbortController();
  let puts = 0;
  const done = (async () => {
    while (!stopping.signal.aborted) {
      if (cache.getStats().pending.bytes >= BACKLOG_BYTES) await pause();
      await cache.put(newKeys(1)[0], value, scope);
      puts++;
      await turn();
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await done;
      await cache.flush();
      return puts;
    },
  };
}

/** From the call to the answer, one hit a turn. */
async function callToAnswer() {
  const took = [];
  while (took.length < HITS) {
    await turn();
    const started = nowUs();
    await hit();
    took.push(nowUs() - started);
  }
  return took;
}

/**
 * From when a question was sent by another thread to its answer: what it waited for the thread counts too. All threads read
 * the same clock.
 */
async function arrivalToAnswer() {
  const source = `
    const { parentPort } = require('node:worker_threads');
    const wait = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < ${HITS}; i++) {
      Atomics.wait(wait, 0, 0, ${ARRIVAL_MS});
      parentPort.postMessage(Number(process.hrtime.bigint()) / 1000);
    }`;
  const took = [];
  const worker = new Worker(source, { eval: true });
  worker.on('message', async (sent) => {
    await hit();
    took.push(nowUs() - sent);
  });
  await new Promise((resolve) => worker.once('exit', resolve));
  return took;
}

function startWaits() {
  const [started, { waitedMs }] = [performance.now(), threadTimes()];
  return () => (threadTimes().waitedMs - waitedMs) / (performance.now() - started);
}

const measured = { call: { idle: [], writing: [] }, arrival: { idle: [], writing: [] } };
const rates = [];
/** Parts of the time in which this thread could have run and another had the processor. */
const waits = { idle: [], writing: [] };
await hit();
await callToAnswer();
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, measure] of [
    ['call', callToAnswer],
    ['arrival', arrivalToAnswer],
  ]) {
    const waiting = startWaits();
    measured[name].idle.push(p99(await measure()));
    waits.idle.push(waiting());
    const started = performance.now();
    const writing = startWriting();
    const waitingToo = startWaits();
    measured[name].writing.push(p99(await measure()));
    waits.writing.push(waitingToo());
    rates.push((1000 * (await writing.stop())) / (performance.now() - started));
  }
}
const { dropped, errors } = cache.getStats();
if (dropped + errors > 0) throw new Error(`${dropped} puts were dropped, ${errors} errors.`);
await cache.close();
await store.close();
rmSync(folder, { recursive: true });

const percent = (part) => `${(100 * part).toFixed(1)} %`;
const rows = (what, { idle, writing }) => {
  const [calm, busy] = [Math.min(...idle), Math.min(...writing)];
  return [
    { what: `${what}, idle`, measured: `${us(calm)} (median round ${us(median(idle))})` },
    {
      what: `${what}, while L2 writes`,
      measured: `${us(busy)} (median round ${us(median(writing))}): ${times(busy / calm)}`,
      target: '≤ 2× idle',
      met: busy / calm <= 2,
    },
  ];
};
report(`p99 of an L1 hit (use-lite), while L2 writes ${Math.round(median(rates))} sealed answers of 1.5 kB a second`, [
  ...rows('from the call to the answer', measured.call),
  ...rows('from the arrival of the question, one a millisecond', measured.arrival),
  {
    what: 'time for which this thread waited for a processor, idle and while L2 writes',
    measured: `${percent(median(waits.idle))}, ${percent(median(waits.writing))}`,
  },
]);
