/** False alarms of the drift monitor in a million healthy comparisons, how soon it finds drift, and what it costs. */

import { build } from 'esbuild';
import { report } from './lib/report.mjs';

const { outputFiles } = await build({
  stdin: {
    contents: `
      export { DriftMonitor } from '../../src/safety/drift-monitor.ts';
      export { createRandom } from '../helpers/cache-traces.ts';
      export { DISTANCES, drawNormal } from '../helpers/distances.ts';`,
    resolveDir: import.meta.dirname,
  },
  bundle: true,
  write: false,
  format: 'esm',
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const { DriftMonitor, createRandom, DISTANCES, drawNormal } = await import(`data:text/javascript;base64,${code}`);

const MILLION = 1e6;
const clock = { now: () => 0 };

/** Records distances that are given as such. */
const record = (monitor, distances, label) =>
  monitor.recordShadowComparison('webgpu', 0, distances, (_, each) => each, 'encoder', label);

/** How many alarms a million healthy comparisons of two distances, of four labels, give. */
function alarmsOf(draw, falseAlarms, expected, seed) {
  const random = createRandom(seed);
  const monitor = new DriftMonitor({
    sampleRate: 1,
    falseAlarms,
    periodMs: 1000,
    callsPerSecond: expected,
    clock,
    random,
  });
  for (let i = 0; i < MILLION; i++) {
    const one = draw(random);
    record(monitor, { max: one, rms: one * (1 + random()) }, `[1, ${Math.floor(4 * random())}]`);
  }
  return monitor.getDiagnostics().alarms;
}

const rows = [];
for (const [name, draw] of Object.entries(DISTANCES)) {
  const alarms = alarmsOf(draw, 20, MILLION, 1);
  rows.push({ what: `alarms, distances ${name}`, measured: alarms, target: 'at most 20', met: alarms <= 20 });
}
const lognormal = DISTANCES['log-normal'];
const busy = alarmsOf(lognormal, 20, MILLION / 20, 2);
rows.push({ what: 'alarms, 20 times the calls expected', measured: busy, target: 'at most 20', met: busy <= 20 });
const single = [3, 4, 5].map((seed) => alarmsOf(lognormal, 1, MILLION, seed));
const total = single.reduce((sum, each) => sum + each, 0);
rows.push({ what: 'alarms in three periods of one each', measured: total, target: 'at most 3', met: total <= 3 });
report('A million healthy comparisons each', rows);

/** Comparisons until drift is found, at the default budget: the median, and the 95th of 100. */
function delayOf(healthy, drift, rounds = 400) {
  const delays = Array.from({ length: rounds }, (_, round) => {
    const random = createRandom(1000 + round);
    const monitor = new DriftMonitor({ clock, random });
    const draw = () => Math.exp(drawNormal(random));
    for (let i = 0; i < healthy; i++) record(monitor, { max: draw() });
    for (let i = 1; i <= 1000; i++) if (record(monitor, { max: drift(draw(), random) }) !== undefined) return i;
    return Infinity;
  }).toSorted((a, b) => a - b);
  return [delays[rounds / 2], delays[rounds * 0.95]];
}

const all = (factor) => (distance) => distance * factor;
const share = (part) => (distance, random) => distance * (random() < part ? 1e6 : 1);
report(
  'Comparisons until drift is found',
  [
    ['all answers beyond any before, after 1000', 1000, all(1e6), 6],
    ['all answers beyond any before, after 100', 100, all(1e6), 16],
    ['half of the answers, after 1000', 1000, share(0.5), 25],
    ['a third of the answers, after 1000', 1000, share(1 / 3), 40],
    ['a tenth of the answers, after 2000', 2000, share(0.1), 250],
    ['two standard deviations, after 1000', 1000, all(Math.exp(2)), 20],
    ['one standard deviation, after 1000', 1000, all(Math.E), 75],
  ].map(([what, healthy, drift, within]) => {
    const [middle, late] = delayOf(healthy, drift);
    const measured = `median ${middle}, 95 of 100 within ${late}`;
    return { what, measured, target: `95 of 100 within ${within}`, met: late <= within };
  }),
);

const monitor = new DriftMonitor({ clock, random: createRandom(6) });
const random = createRandom(7);
let startedAt = performance.now();
for (let i = 0; i < 1e5; i++) record(monitor, { max: random() }, '[1, 16]');
const recordUs = ((performance.now() - startedAt) * 1000) / 1e5;
let taken = 0;
startedAt = performance.now();
for (let i = 0; i < 1e7; i++) if (monitor.shouldSample()) taken++;
const askNs = ((performance.now() - startedAt) * 1e6) / 1e7;
report('What it costs', [
  { what: 'a comparison, of one distance', measured: `${recordUs.toFixed(2)} µs` },
  { what: `shouldSample(), ${taken} of ten million times true`, measured: `${askNs.toFixed(1)} ns` },
]);
