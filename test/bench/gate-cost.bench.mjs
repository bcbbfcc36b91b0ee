/** What it costs that a faster way is watched while it serves: the same host, with and without the gate, in turn in one run. */

import { nodePlatform } from '../../dist/platforms/node/platform.js';
import { createEpochly } from '../../dist/src/create.js';
import { inTurn } from './lib/in-turn.mjs';
import { USE_LITE } from './lib/models.mjs';
import { report, us } from './lib/report.mjs';
import { importTypeScript } from './lib/type-script.mjs';

const { classifier, encoder } = await importTypeScript('test/helpers/fault-subjects.ts');
const { LIAR, lyingPlatform } = await importTypeScript('test/helpers/lying-platform.ts');

const SOUND = { name: 'sound', appears: 'later', shows: 'nothing in answers' };
/** The reference is slowed down, so that what is as fast is chosen: it is the same host in both ways. */
const platform = lyingPlatform(nodePlatform, { fault: SOUND, backend: 'cpu', slowMs: 4, speed: 1, onLie: () => {} });
const config = { cache: { enabled: false }, batching: { enabled: false } };
/** As long as a gate may look at everything at first. */
const WARM_UP = 2000;

for (const [name, subject, target] of [
  ['use-lite, 6 tokens', encoder(USE_LITE), 0.01],
  ['a small classifier', classifier(), undefined],
]) {
  const frameworkOptions = { intraOpNumThreads: 1 };
  const epochly = createEpochly(platform, { config });
  const watched = await epochly.load(subject.source, { backend: 'auto', frameworkOptions });
  const named = await epochly.load(subject.source, { backend: LIAR.cpu, host: 'process', frameworkOptions });
  const inputs = Array.from({ length: 16 }, (_, i) => subject.ask(1, i));
  const calls = (model) => async () => {
    for (const each of inputs) await model.run(each);
    return inputs.length;
  };
  for (let i = 0; i < WARM_UP; i += inputs.length) await calls(watched)();
  const { chosen, reason } = watched.backendReport.search;
  if (chosen === undefined) throw new Error(`Nothing was chosen: ${reason}`);
  const took = await inTurn({ named: calls(named), watched: calls(watched) }, { rounds: 60, minMs: 100 });
  const added = took.watched.best / took.named.best - 1;
  const middle = took.watched.median / took.named.median - 1;
  report(`A way that is watched against the same that is not: ${name}`, [
    { what: 'not watched', measured: `${us(took.named.best)} a call` },
    {
      what: 'watched, one in 100 compared: added',
      measured: `${(added * 100).toFixed(1)} % (median of the rounds ${(middle * 100).toFixed(1)} %)`,
      ...(target !== undefined && { target: `≤ ${target * 100} %`, met: added <= target }),
    },
  ]);
  await watched.close();
  await named.close();
}
