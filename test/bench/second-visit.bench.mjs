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

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A program that calls a model all the time, a sentence of eight tokens each time, until the search is over. */
const program = (verdictsPath) => `
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
  const loadedAt = performance.now();
  let calls = 0;
  const search = () => model.backendReport.search ?? { state: 'waiting' };
  while (search().state !== 'done' && search().state !== 'off') {
    const ids = Array.from({ length: 8 }, (_, i) => 10 + ((calls * 7 + i) % 7000));
    await model.run({ input_ids: tensor('int64', ids, [1, 8]), attention_mask: tensor('int64', ids.map(() => 1), [1, 8]) });
    calls++;
  }
  const doneAt = performance.now();
  const { chosen, verdicts } = search();
  const store = await openStore(compilation.verdictsPath);
  while ((await store.keys('verdict/')).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await store.close();
  await model.close();
  // What was proven again is held against one answer.
  const [{ goldens } = {}] = verdicts;
  console.log(JSON.stringify({ chosen, goldens, calls, loadMs: loadedAt - startedAt, allMs: doneAt - startedAt }));
`;

async function start(verdictsPath) {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program(verdictsPath)], {
    cwd: root,
  });
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

const pairs = [];
for (let starts = 0; starts < PAIRS; starts++) {
  const folder = await mkdtemp(join(tmpdir(), 'epochly-'));
  const first = await start(join(folder, 'verdicts.sqlite'));
  if (first.chosen !== undefined) pairs.push([first, await start(join(folder, 'verdicts.sqlite'))]);
  await rm(folder, { recursive: true });
}

const middle = (which, of) => median(pairs.map((pair) => of(pair[which])));
const all = ({ allMs }) => allMs;
const afterLoad = ({ allMs, loadMs }) => allMs - loadMs;
const rows = [{ what: 'starts in which a way was faster and was chosen', measured: `${pairs.length} of ${PAIRS}` }];
if (pairs.length > 0) {
  const share = middle(1, afterLoad) / middle(0, afterLoad);
  const percent = (value) => `${(value * 100).toFixed(1)} %`;
  rows.push(
    {
      what: 'of second starts, those that opened it without a search',
      measured: `${pairs.filter(([, second]) => second.chosen !== undefined && second.goldens === 1).length} of ${pairs.length}`,
    },
    { what: 'first start: load() alone', measured: us(middle(0, ({ loadMs }) => loadMs) * 1000) },
    { what: 'first start: from load() to the faster way', measured: us(middle(0, all) * 1000) },
    { what: 'second start: load() alone', measured: us(middle(1, ({ loadMs }) => loadMs) * 1000) },
    { what: 'second start: from load() to the faster way', measured: us(middle(1, all) * 1000) },
    { what: 'share, with load()', measured: percent(middle(1, all) / middle(0, all)) },
    {
      what: 'what the search adds to load(), second start against first',
      measured: percent(share),
      target: '≤ 10 %',
      met: share <= 0.1,
    },
  );
}
report('The next start: use-lite, on the CPU with one thread in place of all', rows);
