/**
 * How long it takes from load() until the faster way is in use: at the first start, which searches, and at the next one, which knows.
 * On few cores no way is faster than the reference, so each run of the reference is made to take 5 ms longer.
 */

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { USE_LITE } from './lib/models.mjs';
import { report, us } from './lib/report.mjs';
import { median } from './lib/side-by-side.mjs';

const PAIRS = 5;
/** Between load() and the first call: none, and what somebody takes who has to type it first, in milliseconds. */
const PAUSES = [0, 2000];

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A program that from some time on calls a model all the time, a sentence of eight tokens each time, until the search is over. */
const program = (verdictsPath, pauseMs) => `
  import { openStore, tensor } from 'epochly';
  import { createEpochly } from './dist/src/create.js';
  import { nodePlatform } from './dist/platforms/node/platform.js';
  let hosts = 0;
  const openHost = async (options) => {
    const channel = await nodePlatform.openHost(options);
    // The reference is opened first.
    if (hosts++ > 0) return channel;
    const post = (message, transfer) =>
      message.type === 'run' ? setTimeout(() => channel.post(message, transfer), 5) : channel.post(message, transfer);
    return { ...channel, post };
  };
  const compilation = { keepVerdicts: true, verdictsPath: ${JSON.stringify(verdictsPath)} };
  const config = { cache: { enabled: false }, batching: { enabled: false }, compilation };
  const { load } = createEpochly({ ...nodePlatform, openHost }, { config });
  const startedAt = performance.now();
  const model = await load(${JSON.stringify(USE_LITE)}, { backend: 'auto' });
  const loadMs = performance.now() - startedAt;
  await new Promise((resolve) => setTimeout(resolve, ${pauseMs}));
  const calledAt = performance.now();
  let calls = 0;
  const search = () => model.backendReport.search ?? { state: 'waiting' };
  while (search().state !== 'done' && search().state !== 'off') {
    const ids = Array.from({ length: 8 }, (_, i) => 10 + ((calls * 7 + i) % 7000));
    await model.run({ input_ids: tensor('int64', ids, [1, 8]), attention_mask: tensor('int64', ids.map(() => 1), [1, 8]) });
    calls++;
  }
  const readyMs = performance.now() - calledAt;
  const { chosen, verdicts } = search();
  const store = await openStore(compilation.verdictsPath);
  while ((await store.keys('verdict/')).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await store.close();
  await model.close();
  // What was proven again is held against one answer.
  const [{ goldens } = {}] = verdicts;
  console.log(JSON.stringify({ chosen, goldens, loadMs, readyMs }));
`;

async function start(verdictsPath, pauseMs) {
  const args = ['--input-type=module', '-e', program(verdictsPath, pauseMs)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

const rows = [];
for (const pauseMs of PAUSES) {
  const pairs = [];
  for (let i = 0; i < PAIRS; i++) {
    const folder = await mkdtemp(join(tmpdir(), 'epochly-'));
    const path = join(folder, 'verdicts.sqlite');
    pairs.push([await start(path, pauseMs), await start(path, pauseMs)]);
    await rm(folder, { recursive: true });
  }
  const known = pairs.filter(
    ([first, second]) => first.chosen !== undefined && second.chosen === first.chosen && second.goldens === 1,
  );
  const [first, second] = [0, 1].map((which) => median(pairs.map((pair) => pair[which].readyMs)));
  const loaded = median(pairs.flat().map(({ loadMs }) => loadMs));
  const when = pauseMs === 0 ? 'first call right after load()' : `first call ${pauseMs / 1000} s after load()`;
  rows.push(
    { what: `${when}: second starts without a search`, measured: `${known.length} of ${PAIRS}` },
    { what: `${when}: load() itself`, measured: us(loaded * 1000) },
    { what: `${when}: from it to the faster way, first start`, measured: us(first * 1000) },
    { what: `${when}: the same, second start`, measured: us(second * 1000) },
    {
      what: `${when}: second start against first`,
      measured: `${((100 * second) / first).toFixed(1)} %`,
      target: '≤ 10 %',
      met: second <= first / 10,
    },
  );
}
report('The next start: use-lite, on the CPU with one thread in place of all', rows);
