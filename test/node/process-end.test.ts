/** Programs that end while a model runs: with an exit code of their own, without noise, and leaving nothing behind. */

import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { USE_LITE } from '../helpers/models.ts';
import { chainModel } from '../helpers/onnx-builder.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'epochly-'));
  await writeFile(join(folder, 'chain.onnx'), chainModel(512, 400));
  await writeFile(join(folder, 'endless.onnx'), chainModel(512, 20_000));
});
afterAll(() => rm(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, and to that of whoever has inherited its output. In it, `run()` begins a run of seconds. */
function end(host: string, body: string): Promise<Ended> {
  const program = `
    import { execFileSync } from 'node:child_process';
    import { createEpochly, tensor } from 'epochly';
    const { load } = createEpochly({ config: { maxLevel: 0 } });
    const host = ${JSON.stringify(host)};
    const x = tensor('float32', new Float32Array(1500 * 512), [1500, 512]);
    const w = tensor('float32', new Float32Array(512 * 512), [512, 512]);
    const run = (model, options) =>
      model.run({ x, w }, options).then(() => console.log('answered'), (error) => console.log(error.name));
    const openChain = () => load(${JSON.stringify(join(folder, 'chain.onnx'))}, { host });
    ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: ROOT });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  return new Promise((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal, stdout: stdout.trim(), stderr: stderr.trim() })),
  );
}

test.each(['worker', 'process'])('process.exit() during a run in a host of kind %s keeps its code', async (host) => {
  const ended = await end(host, `run(await openChain()); setTimeout(() => process.exit(7), 300);`);
  expect(ended).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
});

test('process.exit() waits for the run that is under way, not for those that are queued', async () => {
  const ended = await end(
    'worker',
    `const model = await openChain();
     for (let i = 0; i < 50; i++) run(model);
     setTimeout(() => process.exit(7), 600);`,
  );
  expect(ended).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
}, 30_000);

test('process.exit() during a run that its caller has left, and in the handler of a signal', async () => {
  const ended = await end(
    'worker',
    `process.once('SIGTERM', () => process.exit(7));
     run(await openChain(), { signal: AbortSignal.timeout(100) });
     setTimeout(() => process.kill(process.pid, 'SIGTERM'), 300);`,
  );
  expect(ended).toEqual({ code: 7, signal: null, stdout: 'TimeoutError', stderr: '' });
});

test('process.exit() while models open, several at once', async () => {
  const path = JSON.stringify(USE_LITE);
  const ended = await end(
    'worker',
    `for (let i = 0; i < 3; i++) void load(${path}).then(() => console.log('open'));
     void load(${path}, { onProgress: ({ phase }) => phase === 'open' && setTimeout(() => process.exit(7), 60) });`,
  );
  expect(ended).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
});

test('an error that nobody caught ends the program with its own code and message', async () => {
  const ended = await end('worker', `run(await openChain()); setTimeout(() => { throw new Error('a bug'); }, 300);`);
  expect(ended).toMatchObject({ code: 1, signal: null, stdout: '' });
  expect(ended.stderr).toContain('Error: a bug');
  expect(ended.stderr).not.toContain('terminate called');
});

test.each(['SIGINT', 'SIGTERM', 'SIGKILL'])('%s ends the program as it ends any other', async (signal) => {
  const ended = await end(
    'worker',
    `run(await openChain()); setTimeout(() => process.kill(process.pid, '${signal}'), 300);`,
  );
  expect(ended).toEqual({ code: null, signal, stdout: '', stderr: '' });
});

test('a child process that loses its parent during a run ends without a word', async () => {
  const ended = await end(
    'process',
    `run(await openChain()); setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300);`,
  );
  // Its end closes the output, which is what was waited for.
  expect(ended).toEqual({ code: null, signal: 'SIGKILL', stdout: '', stderr: '' });
});

test('process.exit() takes child processes with it, also in the middle of a run', async () => {
  const ended = await end(
    'process',
    `run(await load(${JSON.stringify(join(folder, 'endless.onnx'))}, { host }));
     setTimeout(() => {
       console.log(String(execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)])));
       process.exit(7);
     }, 300);`,
  );
  const [child] = ended.stdout.split('\n').filter((line) => line.includes('process-entry'));
  expect(child).toBeDefined();
  const state = stateOf(Number.parseInt(child as string, 10));
  expect(state === undefined || state.startsWith('Z')).toBe(true);
}, 20_000);

/** The state of a process, 'Z' for one that has ended and was not asked how; undefined where there is none. */
function stateOf(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}
