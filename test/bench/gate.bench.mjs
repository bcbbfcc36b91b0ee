/** Wrong answers that a gate serves until it finds a fault, against the bound that is stated, and what it costs a call. */

import { createEpochly, SafetyOrchestrator, tensor, unwrap } from 'epochly';
import { build } from 'esbuild';
import { USE_LITE } from './lib/models.mjs';
import { report, us } from './lib/report.mjs';
import { sideBySide } from './lib/side-by-side.mjs';

const { outputFiles } = await build({
  stdin: {
    contents: `
      export { GateTraffic } from '../../src/safety/gate-traffic.ts';
      export { createRandom } from '../helpers/cache-traces.ts';`,
    resolveDir: import.meta.dirname,
  },
  bundle: true,
  write: false,
  format: 'esm',
});
const code = Buffer.from(outputFiles[0].contents).toString('base64');
const { GateTraffic, createRandom } = await import(`data:text/javascript;base64,${code}`);

const RATE = 0.01;
const ROUNDS = 4000;

/**
 * Wrong answers served of a shape until one of them has been compared, where a share of the answers is wrong from the one after
 * `after` on, and a comparison takes as long as `takes` calls.
 */
function servedWrong({ after, share, takes }, random) {
  const traffic = new GateTraffic({ stages: [], sampleRate: RATE, random });
  let wrong = 0;
  let compared;
  for (let n = 1; ; n++) {
    if (compared !== undefined && n > compared.until) {
      if (compared.isWrong) return wrong;
      compared = undefined;
    }
    const isWrong = n > after && random() < share;
    if (isWrong) wrong++;
    if (traffic.chooses(n, compared === undefined)) compared = { isWrong, until: n + takes };
  }
}

const QUANTILE = Math.ceil(Math.log(0.01) / Math.log(1 - RATE));
const random = createRandom(1);
const rows = [];
for (const after of [0, 10, 100, 10_000]) {
  for (const share of [1, 0.1, 0.01]) {
    const all = Array.from({ length: ROUNDS }, () => servedWrong({ after, share, takes: 0 }, random));
    const mean = all.reduce((sum, each) => sum + each, 0) / ROUNDS;
    const late = all.toSorted((a, b) => a - b)[Math.floor(ROUNDS * 0.99)];
    // The mean of so many rounds is off by less than a twentieth, 1000 times of 1001.
    const met = mean <= 1.05 / RATE && late <= 1.15 * QUANTILE;
    const what = `after ${after} right answers, ${share * 100} % wrong`;
    const target = `mean at most ${1 / RATE}, 99 of 100 at most ${QUANTILE}`;
    rows.push({ what, measured: `mean ${mean.toFixed(1)}, 99 of 100 at most ${late}`, target, met });
  }
}
{
  const all = Array.from({ length: ROUNDS }, () => servedWrong({ after: 10_000, share: 1, takes: 20 }, random));
  const mean = all.reduce((sum, each) => sum + each, 0) / ROUNDS;
  const target = `mean at most ${1 / RATE + 20 + 20 * RATE}`;
  rows.push({
    what: 'after 10000 right answers, all wrong, a comparison takes 20 calls',
    measured: `mean ${mean.toFixed(1)}`,
    target,
    met: mean <= 1.05 * (1 / RATE + 20 + 20 * RATE),
  });
}
report(`Wrong answers to one shape that are served, at a sample rate of ${RATE}`, rows);

/** A gate that is on, before `optimized`. */
async function gateOf(optimized, reference, inputs, sampleRate) {
  const orchestrator = new SafetyOrchestrator({ sampleRate });
  const gate = orchestrator.gateOptimization({ model: 'model', optimizationName: 'way', reference, optimized });
  for (let i = 0; i < 500 && gate.state !== 'on'; i++) {
    await gate.run(inputs);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  if (gate.state !== 'on') throw new Error(gate.getDiagnostics().reason);
  return gate;
}

{
  const inputs = [{ x: tensor('float32', new Float32Array(384), [1, 384]) }];
  const answer = { y: tensor('float32', new Float32Array(384).fill(1), [1, 384]) };
  const own = async () => answer;
  const gate = await gateOf(own, own, inputs, 0);
  const { bare, gated } = await sideBySide({ bare: () => own(inputs), gated: () => gate.run(inputs) });
  report('A call through a gate', [
    { what: 'added to a call that is not compared, 384 numbers in and out', measured: us(gated - bare) },
  ]);
}

{
  const epochly = createEpochly({ config: { maxLevel: 0 } });
  const model = await epochly.load(USE_LITE, { frameworkOptions: { intraOpNumThreads: 1 } });
  const hosted = unwrap(model);
  const stop = new AbortController();
  const { client } = await hosted.openWay({ backend: 'cpu', frameworkOptions: { intraOpNumThreads: 1 } }, stop.signal);
  const inputs = [
    {
      input_ids: tensor('int64', [101, 2023, 2003, 1037, 7099, 6251, 999, 102], [1, 8]),
      attention_mask: tensor('int64', [1, 1, 1, 1, 1, 1, 1, 1], [1, 8]),
    },
  ];
  const optimized = (each, { onLeave }) => client.request('run', each, { onLeave });
  const reference = (each, { signal }) => hosted.askReference(each, signal);
  const unsampled = await gateOf(optimized, reference, inputs, 0);
  const sampled = await gateOf(optimized, reference, inputs, 0.01);
  const { own, gated, watched } = await sideBySide({
    own: () => client.request('run', inputs),
    gated: () => unsampled.run(inputs),
    watched: () => sampled.run(inputs),
  });
  const share = (each) => `${((each / own - 1) * 100).toFixed(1)} %`;
  report('A gate before a host, use-lite, 8 tokens, one call at a time', [
    { what: "the host's own request", measured: us(own) },
    {
      what: 'through the gate, nothing compared: added',
      measured: share(gated),
      target: '≤ 1 %',
      met: gated / own <= 1.01,
    },
    {
      what: 'through the gate, 1 in 100 compared: added',
      measured: share(watched),
      target: '≤ 1 %',
      met: watched / own <= 1.01,
    },
  ]);
  await client.retire();
  await model.close();
  await epochly.close();
}
