/** `npm test`: installs what is missing, builds, and runs every test: types, Node, Chromium with and without WebGPU, the page. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureChromium, ensurePackages, ensureTestPrograms, root, run } from './lib/install.mjs';

ensurePackages();
await ensureChromium();
ensureTestPrograms();
run('node', ['scripts/build.mjs']);

const reports = join(root, 'test-results');
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });

/** Runs a suite and returns its counts; a suite that dies without a report has failed. */
function suite(command, args, report, count) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...report.env } });
  try {
    const counts = count(JSON.parse(readFileSync(report.file, 'utf8')));
    return status === 0 || counts.failed > 0 ? counts : { ...counts, failed: 1 };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

/** Those of types are one test: they compile, or tsc has said why not. `npm run types` is about everything else. */
function typeTests() {
  const compile = run('npx', ['tsc', '-p', 'test/types'], { allowFailure: true });
  console.log(`test/types: ${compile ? 'passed' : 'failed'}`);
  return compile ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

const vitestReport = join(reports, 'vitest.json');
const playwrightReport = join(reports, 'playwright.json');
const results = [
  typeTests(),
  suite(
    'npx',
    ['vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${vitestReport}`],
    { file: vitestReport },
    (json) => ({
      passed: json.numPassedTests,
      failed:
        json.numFailedTests +
        json.testResults.filter(
          (each) => each.status === 'failed' && each.assertionResults.every((test) => test.status !== 'failed'),
        ).length,
    }),
  ),
  suite(
    'npx',
    ['playwright', 'test', '--reporter=list,json'],
    { file: playwrightReport, env: { PLAYWRIGHT_JSON_OUTPUT_FILE: playwrightReport } },
    (json) => ({ passed: json.stats.expected, failed: json.stats.unexpected + json.stats.flaky + json.errors.length }),
  ),
];

const passed = results.reduce((sum, each) => sum + each.passed, 0);
const failed = results.reduce((sum, each) => sum + each.failed, 0);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
