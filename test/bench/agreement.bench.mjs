/** Whether backends agree: the demo's and the tests' models on the CPU (Node), on WebAssembly and on WebGPU, by their validators. */

import { fileURLToPath } from 'node:url';
import { createEpochly, ValidatorRegistry } from 'epochly';
import { decodePortable } from '../../dist/src/codec.js';
import { answersOf, CASES } from './lib/agreement-cases.mjs';
import { machine } from './lib/report.mjs';
import { importTypeScript } from './lib/type-script.mjs';

const { openPage } = await importTypeScript('test/helpers/chromium-page.ts');
const root = fileURLToPath(new URL('../../', import.meta.url));
const registry = new ValidatorRegistry();
const { load } = createEpochly({ config: { maxLevel: 0 } });
const { browser, page, close } = await openPage({ root, script: 'test/bench/lib/agreement-page.mjs', webgpu: true });

/** The backends of the page, and the one of Node, each held against WebAssembly, which is the reference in browsers. */
async function inPage(index, backend) {
  const { base64, ...rest } = await page.evaluate(([at, name]) => globalThis.answersTo(at, name), [index, backend]);
  return base64 === undefined
    ? rest
    : { ...rest, answers: decodePortable(new Uint8Array(Buffer.from(base64, 'base64'))) };
}

function compare(expected, actual, workload) {
  if (actual.error !== undefined) return { verdict: actual.error.slice(0, 120), error: NaN };
  const pairs = expected.map((each, i) => ({ expected: each, actual: actual.answers[i] }));
  const { verdict, metrics } = registry.validate(workload, pairs);
  const encoder = registry.validate('encoder', pairs);
  const error = encoder.metrics.find(({ name }) => name === 'relative_error')?.value;
  const failed = metrics
    .filter((each) => each.verdict === 'failed')
    .map(({ name, value }) => `${name} ${short(value)}`);
  return { verdict: failed.length > 0 ? `failed: ${failed.join(', ')}` : verdict, error };
}

const short = (value) => (value === 0 ? '0' : Math.abs(value) < 0.01 ? value.toExponential(1) : value.toPrecision(3));

const rows = [];
try {
  for (const [index, each] of CASES.entries()) {
    const { name, workload, samples } = each;
    const reference = await inPage(index, 'wasm');
    const others = {
      'CPU (Node)': await answersOf(load, each, root, { backend: 'cpu' }),
      WebGPU: await inPage(index, 'webgpu'),
    };
    if (reference.error !== undefined) {
      rows.push(`| ${name} | ${workload} | WebAssembly | | ${reference.error} | | |`);
      continue;
    }
    rows.push(`| ${name} | ${workload} | WebAssembly | | the reference | ${samples} | ${short(reference.runMs)} |`);
    for (const [backend, answers] of Object.entries(others)) {
      const { verdict, error } = compare(reference.answers, answers, workload);
      const ms = answers.runMs === undefined ? '' : short(answers.runMs);
      rows.push(`| | | ${backend} | ${short(error)} | ${verdict} | ${samples} | ${ms} |`);
    }
  }
} finally {
  await close();
}
console.log(
  `\n### Agreement of backends with WebAssembly\n\n${machine()}, Chromium ${browser.version()}, WebGPU by SwiftShader, ${new Date().toISOString().slice(0, 10)}\n`,
);
console.log(
  '| model | workload | backend | largest relative difference | verdict | samples | ms a run |\n|---|---|---|---|---|---|---|',
);
console.log(rows.join('\n'));
