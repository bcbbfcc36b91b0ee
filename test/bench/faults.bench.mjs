/** Each fault that a faster way of running a model may have: where it is found, and what the callers got until then. */

import { fileURLToPath } from 'node:url';
import { nodePlatform } from '../../dist/platforms/node/platform.js';
import { createEpochly } from '../../dist/src/create.js';
import { USE_LITE } from './lib/models.mjs';
import { report } from './lib/report.mjs';
import { importTypeScript } from './lib/type-script.mjs';

const { openPage } = await importTypeScript('test/helpers/chromium-page.ts');
const { makeFaults } = await importTypeScript('test/helpers/faults.ts');
const { meetFault } = await importTypeScript('test/helpers/meet-fault.ts');
const { classifier, encoder } = await importTypeScript('test/helpers/fault-subjects.ts');

/** The default. */
const SAMPLE_RATE = 0.01;
/** Of wrong answers each is compared with that chance: 99 times of 100 one of so many was, however rare they are. */
const BOUND = Math.ceil(Math.log(0.01) / Math.log(1 - SAMPLE_RATE));

const optionsFor = ({ shows }) => ({
  slowMs: 4,
  sampleRate: SAMPLE_RATE,
  inTurn: false,
  maxCalls: shows === 'nothing in answers' ? 500 : 20_000,
  againMs: 90_000,
});

const ms = (value) => (value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(0)} ms`);

function describe({ found, wrong, failed, callsUntilFound, healthyMs, againMs }) {
  const parts = [found === 'no' ? 'not found' : found];
  if (callsUntilFound > 0) parts.push(`${callsUntilFound} calls after its first`);
  parts.push(`${wrong} wrong`);
  if (failed > 0) parts.push(`**${failed} calls not answered**`);
  if (healthyMs !== undefined && wrong + failed > 0) parts.push(`all right after ${ms(healthyMs)}`);
  if (againMs !== undefined) parts.push(`a faster way again after ${ms(againMs)}`);
  return parts.join(', ');
}

function rowOf(fault, meeting) {
  const { wrong, failed, found } = meeting;
  const { appears, shows, name } = fault;
  const most = appears === 'later' && shows === 'another answer' ? BOUND : 0;
  const hasToBeFound = appears === 'at the start' || shows !== 'nothing in answers';
  // What comes later has to come while it is in use.
  const isMet = !hasToBeFound || (appears === 'later' ? !['no', 'in the trial'].includes(found) : found !== 'no');
  return {
    what: name,
    measured: describe(meeting),
    target: `${most === 0 ? '0' : `≤ ${most}`} wrong, all answered`,
    met: wrong <= most && failed === 0 && isMet,
  };
}

async function meetAll(title, meet, suits = () => true) {
  const rows = [];
  for (const [i, fault] of makeFaults().entries()) if (suits(fault)) rows.push(rowOf(fault, await meet(fault, i)));
  report(title, rows);
}

const inNode = (subject) => (fault) =>
  meetFault(fault, { ...optionsFor(fault), platform: nodePlatform, createEpochly, subject, backend: 'cpu' });

// A host that swallows what it was asked keeps nobody waiting.
const awake = setInterval(() => undefined, 60_000);
await meetAll('Faults in Node, a small classifier', inNode(classifier()));
await meetAll('Faults in Node, use-lite', inNode(encoder(USE_LITE)), ({ name }) => !name.includes('whole numbers'));

const root = fileURLToPath(new URL('../../', import.meta.url));
const { browser, page, close } = await openPage({ root, script: 'test/bench/lib/faults-page.mjs', webgpu: false });
try {
  await meetAll(`Faults in Chromium ${browser.version()}, a small classifier`, (fault, i) =>
    page.evaluate(([index, options]) => globalThis.meetFaultAt(index, options), [i, optionsFor(fault)]),
  );
} finally {
  clearInterval(awake);
  await close();
}
