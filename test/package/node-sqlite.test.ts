/** The store in a file where better-sqlite3 is not installed: by Node's own SQLite, and an error where it has none. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { consumer } from './support/consumer.ts';
import { nodeBinary } from './support/node-versions.ts';
import { root } from './support/static-server.ts';

const runFile = promisify(execFile);

const PROGRAM = `
  const { openSqliteStore } = await import('./node_modules/epochly/dist/platforms/node/store/open-sqlite-store.js');
  try {
    const store = await openSqliteStore({ path: 'cache/store.db' });
    await store.put('key', Uint8Array.of(1, 2));
    console.log(JSON.stringify({ value: [...store.get('key')], warnings: store.warnings }));
    await store.close();
  } catch ({ code, message }) {
    console.log(JSON.stringify({ code, message }));
  }`;

async function outcomeWith(node: string): Promise<unknown> {
  const { folder } = consumer({ 'main.mjs': PROGRAM });
  const { stdout } = await runFile(node, ['main.mjs'], { cwd: folder });
  return JSON.parse(stdout);
}

test('Node 20 has none: the error names what to install', async () => {
  expect(await outcomeWith(await nodeBinary('20.19.0'))).toEqual({
    code: 'MISSING_PEER',
    message: expect.stringMatching(
      /better-sqlite3 \(>=12 <14; Node has its own SQLite since 22\.13\).*npm install better-sqlite3/,
    ),
  });
});

describe.each(['22', '24', '26'])('Node %s', (version) => {
  test('has it', async () => {
    expect(await outcomeWith(await nodeBinary(version))).toEqual({ value: [1, 2], warnings: [] });
  });

  test('passes the tests of the store with it', async () => {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const files = ['', '-damage', '-processes'].map((name) => `test/node/sqlite-store${name}.test.ts`);
    const args = [vitest, 'run', '--project', 'node', '--reporter=json', ...files];
    const env = { ...process.env, EPOCHLY_SQLITE_DRIVER: 'node:sqlite', NO_COLOR: '1' };
    const { stdout } = await runFile(await nodeBinary(version), args, { cwd: root, env, maxBuffer: 1 << 26 });
    const report = JSON.parse(stdout.slice(stdout.indexOf('{"'))) as Readonly<Record<string, number>>;
    expect(report['numFailedTests']).toBe(0);
    expect(report['numPassedTests']).toBeGreaterThan(100);
  });
});
