/** How often a right backend is taken for a wrong one: a million comparisons of answers that differ by rounding, by each validator. */

import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { report } from './lib/report.mjs';

const path = (name) => JSON.stringify(fileURLToPath(new URL(`../../${name}`, import.meta.url)));
const { outputFiles } = await build({
  stdin: {
    contents: `
      export { ValidatorRegistry } from ${path('src/safety/validator-registry.ts')};
      export { judge } from ${path('src/safety/judge.ts')};
      export { createRandom } from ${path('test/helpers/cache-traces.ts')};
      export { healthyPairs } from ${path('test/helpers/healthy-outputs.ts')};`,
    resolveDir: fileURLToPath(new URL('.', import.meta.url)),
  },
  bundle: true,
  write: false,
  format: 'esm',
});
const { ValidatorRegistry, judge, createRandom, healthyPairs } = await import(
  `data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`
);

const COMPARISONS = 1_000_000;
/** Enough to pass: 59 would do. */
const SAMPLES = 64;
/** The default rate of false alarms. It is the chance at the bound: a right backend's is far below, so that none is allowed here. */
const RATE = 1e-6;

const registry = new ValidatorRegistry();
report(
  `False alarms in ${COMPARISONS.toLocaleString('en')} comparisons by each validator, ${SAMPLES} a report`,
  registry.listRegistered().map((workload) => {
    const random = createRandom(21);
    const verdicts = { passed: 0, undecided: 0, failed: 0 };
    const started = performance.now();
    for (let i = 0; i < COMPARISONS; i += SAMPLES)
      verdicts[registry.validate(workload, healthyPairs(workload, SAMPLES, random)).verdict]++;
    const took = ((performance.now() - started) / COMPARISONS) * 1000;
    const { passed, undecided, failed } = verdicts;
    return {
      what: workload,
      measured: `${failed} failed, ${passed} passed, ${undecided} undecided (${took.toFixed(1)} µs a comparison, drawing it included)`,
      target: `≤ ${Math.floor((COMPARISONS / SAMPLES) * RATE)} failed`,
      met: failed === 0,
    };
  }),
);

/** The verdict on so many of the samples within a bound. */
function verdictsOf(share) {
  const labels = Array(SAMPLES).fill(undefined);
  return Array.from({ length: SAMPLES + 1 }, (_, within) => {
    const values = labels.map((_label, i) => (i < within ? 1 : 0));
    return judge('x', labels, [{ name: 'x', bound: 1, direction: 'at_least', values }], { share }).verdict;
  });
}

report(
  `Verdicts on a million paths that have just the share of right answers that is required, ${SAMPLES} samples each`,
  [0.9, 0.95].map((share) => {
    const random = createRandom(22);
    const verdicts = verdictsOf(share);
    const counts = { passed: 0, undecided: 0, failed: 0 };
    for (let i = 0; i < COMPARISONS; i++) {
      let within = 0;
      for (let n = 0; n < SAMPLES; n++) if (random() < share) within++;
      counts[verdicts[within]]++;
    }
    return {
      what: `${share * 100} %`,
      measured: `${counts.failed} failed, ${((counts.passed / COMPARISONS) * 100).toFixed(2)} % passed`,
      // Of one that is expected, more than five come once in 1700 times; three standard deviations of what passes by chance.
      target: '≤ 5 failed, ≤ 5.07 % passed',
      met: counts.failed <= 5 && counts.passed / COMPARISONS <= 0.0507,
    };
  }),
);
