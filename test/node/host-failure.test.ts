import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { CallOptions } from '../../src/call.ts';
import { HangWatch } from '../../src/host/hang-watch.ts';
import { HostClient } from '../../src/host/host-client.ts';
import { HostedModel } from '../../src/host/hosted-model.ts';
import type { OpenedHost } from '../../src/host/hosted-model.ts';
import type { HostReply } from '../../src/host/protocol.ts';
import { serveHost } from '../../src/host/serve.ts';
import type { HostChannel } from '../../src/host/channel.ts';
import { loadModel } from '../../src/load.ts';
import type { Platform } from '../../src/platform.ts';
import type { Portable } from '../../src/portable.ts';
import { createEpochly, tensor } from 'epochly';
import { openHost } from '../../dist/platforms/node/host/open-host.js';
import { nodePlatform } from '../../platforms/node/platform.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import type { FakeClock } from '../helpers/fake-clock.ts';
import { identityModel } from '../helpers/onnx-builder.ts';

/** Children of this process, by id. */
async function children(): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)]);
  return stdout
    .split('\n')
    .filter((line) => line.includes('process-entry'))
    .map((line) => Number.parseInt(line, 10));
}

test('a killed child process rejects what was in flight, is replaced, and leaves nothing behind', async () => {
  const { load: open } = createEpochly({ config: { maxLevel: 0 } });
  const before = new Set(await children());
  const model = await open(identityModel('float32'), { host: 'process' });
  const [pid] = (await children()).filter((each) => !before.has(each));
  const replaced = new Promise((resolve) => model.onHostReplaced(resolve));
  const inFlight = model.run({ x: tensor('float32', new Float32Array(4_000_000)) });
  process.kill(pid as number, 'SIGKILL');
  await expect(inFlight).rejects.toMatchObject({ code: 'HOST_FAILED', message: expect.stringContaining('SIGKILL') });
  const { y } = await model.run({ x: tensor('float32', [1]) });
  expect(Array.from(y.data)).toEqual([1]);
  await expect(replaced).resolves.toMatchObject({ code: 'HOST_FAILED' });
  await model.close();
  expect((await children()).filter((each) => !before.has(each))).toEqual([]);
});

test('a child process that died while this thread was busy rejects the run that came too late, and is replaced', async () => {
  const { load: open } = createEpochly({ config: { maxLevel: 0 } });
  const before = new Set(await children());
  const model = await open(identityModel('float32'), { host: 'process' });
  const [pid] = (await children()).filter((each) => !before.has(each));
  process.kill(pid as number, 'SIGKILL');
  // Nothing of this thread's event loop has run between its death and the next call.
  const state = (): string => execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  while (!state().startsWith('Z'));
  const late = [1, 2].map((value) => model.run({ x: tensor('float32', [value]) }));
  for (const each of await Promise.allSettled(late)) {
    expect(each).toMatchObject({ status: 'rejected', reason: { code: 'HOST_FAILED' } });
  }
  const { y } = await model.run({ x: tensor('float32', [3]) });
  expect(Array.from(y.data)).toEqual([3]);
  await model.close();
  expect((await children()).filter((each) => !before.has(each))).toEqual([]);
});

test('a host is not replaced while the files of its model are gone, or are those of another', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'epochly-'));
  const path = join(folder, 'model.onnx');
  const x = tensor('float32', [1]);
  for (const [change, code] of [
    [() => rm(path), 'MODEL_LOAD'],
    [() => writeFile(path, identityModel('float32', ['another'])), 'IDENTITY_MISMATCH'],
  ] as const) {
    await writeFile(path, identityModel('float32'));
    const { load: open } = createEpochly({ config: { maxLevel: 0 } });
    const before = new Set(await children());
    const model = await open(path, { host: 'process' });
    await change();
    const [pid] = (await children()).filter((each) => !before.has(each));
    process.kill(pid as number, 'SIGKILL');
    await expect(model.run({ x })).rejects.toMatchObject({ code: 'HOST_FAILED' });
    await expect(model.run({ x })).rejects.toMatchObject({ code });
    await expect(model.run({ x })).rejects.toMatchObject({ code: 'HOST_FAILED', cause: { code } });
    await model.close();
    expect((await children()).filter((each) => !before.has(each))).toEqual([]);
  }
  await rm(folder, { recursive: true });
});

test.each(['worker', 'process', 'inline'])(
  'a program that leaves a model open in a host of kind %s ends by itself',
  async (host) => {
    const program = `
    const { load, tensor } = await import('epochly');
    const model = await load(${JSON.stringify(fileURLToPath(new URL('../../demo/models/use-lite/model_int8.onnx', import.meta.url)))}, { host: '${host}' });
    const ids = tensor('int64', [5], [1, 1]);
    await model.run({ input_ids: ids, attention_mask: tensor('int64', [1], [1, 1]) });
    process.stdout.write('answered');
  `;
    const root = fileURLToPath(new URL('../../', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
      timeout: 30_000,
    });
    expect(stdout).toBe('answered');
  },
);

/** A host whose runs the test answers, or does not. */
function fakeHost({
  killable = false,
  open = async () => undefined as void,
  dispose = async () => undefined as void,
} = {}) {
  const toHost: ((message: unknown) => void)[] = [];
  const fromHost: ((message: unknown) => void)[] = [];
  const exits: ((reason: string) => void)[] = [];
  const runs: { args: readonly Portable[]; answer: (value: Portable) => void; fail: (error: Error) => void }[] = [];
  let terminated = 0;
  const later = (listeners: ((message: unknown) => void)[], message: unknown): void =>
    queueMicrotask(() => listeners.forEach((listener) => listener(structuredClone(message))));
  serveHost(
    { post: (message) => later(fromHost, message), onMessage: (listener) => toHost.push(listener) },
    async () => ({
      listBackends: async () => [],
      open: async () => {
        await open();
        return {
          info: { backend: 'cpu', inputs: [], outputs: [], answers: {}, runtime: 'fake' },
          dispose,
          run: (args) => new Promise((answer, fail) => runs.push({ args, answer, fail })),
        };
      },
    }),
  );
  const channel: HostChannel = {
    kind: 'worker',
    killable,
    post: (message) => later(toHost, message),
    onMessage: (listener) => fromHost.push(listener),
    onExit: (listener) => exits.push(listener),
    terminate: () => void terminated++,
  };
  return {
    channel,
    runs,
    exit: (reason: string) => exits.forEach((each) => each(reason)),
    terminated: () => terminated,
  };
}

async function openFake(host: ReturnType<typeof fakeHost>): Promise<OpenedHost> {
  const client = new HostClient(host.channel);
  const files = { format: 'onnx' as const, files: [], identity: '', source: '' };
  const info = await client.request('open', { files, backend: 'cpu' });
  const report = {
    attempts: [],
    backend: 'cpu',
    device: undefined,
    isFallbackAdapter: false,
    host: 'worker' as const,
    runtime: 'fake',
    warnings: [],
  };
  return { client, info, report };
}

async function hostedModel(
  reopen?: () => Promise<OpenedHost>,
  options: { killable?: boolean; dispose?: () => Promise<void> } = {},
) {
  const clock = createFakeClock();
  const first = fakeHost(options);
  const second = fakeHost(options);
  const model = new HostedModel({
    framework: 'onnxruntime',
    identity: 'sha',
    variant: '',
    clock,
    first: await openFake(first),
    reopen: reopen ?? (() => openFake(second)),
    modelBytes: 0,
    openWay: () => openFake(second),
  });
  return { clock, first, second, model };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await Promise.resolve();
  expect(condition()).toBe(true);
}

const LEAVES: [how: string, leave: (clock: FakeClock) => CallOptions, code: object][] = [
  ['deadline', () => ({ deadlineMs: 100 }), { code: 'DEADLINE_EXCEEDED' }],
  [
    'signal',
    (clock) => {
      const controller = new AbortController();
      clock.after(100, () => controller.abort(new Error('left')));
      return { signal: controller.signal };
    },
    { message: 'left' },
  ],
];

describe.each(LEAVES)('a run that its caller has left by a %s, and that does not end,', (_how, leave, reason) => {
  test('ends a host that may be killed; who waits behind it is told, and the next is served by another', async () => {
    const { clock, first, second, model } = await hostedModel(undefined, { killable: true });
    const left = model.run(1, leave(clock));
    const other = model.run(2);
    await until(() => first.runs.length === 1);
    clock.advance(100);
    await expect(left).rejects.toMatchObject(reason);
    clock.advance(9999);
    expect(first.terminated()).toBe(0);
    const replaced = new Promise((resolve) => model.onHostReplaced(resolve));
    clock.advance(1);
    await expect(other).rejects.toMatchObject({ code: 'HOST_FAILED', message: expect.stringContaining('hangs') });
    expect(first.terminated()).toBe(1);
    await replaced;
    const next = model.run(3);
    await until(() => second.runs.length === 1);
    second.runs[0]?.answer('fine');
    await expect(next).resolves.toBe('fine');
  });

  test('has a host that must not be killed ended once it has answered', async () => {
    const { clock, first, second, model } = await hostedModel();
    const left = model.run(1, leave(clock));
    const other = model.run(2);
    await until(() => first.runs.length === 1);
    clock.advance(100);
    await expect(left).rejects.toMatchObject(reason);
    clock.advance(59_999);
    const replaced = new Promise((resolve) => model.onHostReplaced(resolve));
    clock.advance(1);
    await expect(other).rejects.toMatchObject({ code: 'HOST_FAILED' });
    await replaced;
    const next = model.run(3);
    await until(() => second.runs.length === 1);
    second.runs[0]?.answer('fine');
    await expect(next).resolves.toBe('fine');
    expect(first.terminated()).toBe(0);
    first.runs[0]?.answer('too late');
    await until(() => first.runs.length === 2);
    first.runs[1]?.answer('too late');
    await until(() => first.terminated() === 1);
  });

  test('does not keep close() from ending a host that may be killed', async () => {
    const { clock, first, model } = await hostedModel(undefined, { killable: true });
    const left = model.run(1, leave(clock));
    await until(() => first.runs.length === 1);
    clock.advance(100);
    await expect(left).rejects.toMatchObject(reason);
    await model.close();
    expect(first.terminated()).toBe(1);
  });

  test('keeps close() waiting no longer than it takes to tell', async () => {
    const { clock, first, model } = await hostedModel();
    const left = model.run(1, leave(clock));
    await until(() => first.runs.length === 1);
    clock.advance(100);
    await expect(left).rejects.toMatchObject(reason);
    const closed = model.close();
    await clock.run(60_000);
    await closed;
    expect(first.terminated()).toBe(0);
    first.runs[0]?.answer('too late');
    await until(() => first.terminated() === 1);
  });
});

test('a run that somebody waits for may take as long as it takes, whoever behind it loses patience', async () => {
  const { clock, first, model } = await hostedModel(undefined, { killable: true });
  const patient = model.run(1);
  await until(() => first.runs.length === 1);
  const hasty = model.run(2, { deadlineMs: 100 });
  clock.advance(100);
  await expect(hasty).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await clock.run(3_600_000);
  expect(first.terminated()).toBe(0);
  first.runs[0]?.answer('at last');
  await expect(patient).resolves.toBe('at last');
});

test('a run that ends after all, however late, is no reason to end those behind it', async () => {
  const { clock, first, model } = await hostedModel(undefined, { killable: true });
  const left = model.run(1, { deadlineMs: 100 });
  const other = model.run(2);
  await until(() => first.runs.length === 1);
  clock.advance(100);
  await expect(left).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  clock.advance(9999);
  first.runs[0]?.answer('late');
  await until(() => first.runs.length === 2);
  clock.advance(3_600_000);
  first.runs[1]?.answer('in order');
  await expect(other).resolves.toBe('in order');
});

test('a run is taken for hung only once it has gone on far longer than those before it', async () => {
  const clock = createFakeClock();
  const replies: ((reply: HostReply) => void)[] = [];
  let terminated = 0;
  const client = new HostClient({
    kind: 'process',
    killable: true,
    post: () => undefined,
    onMessage: (listener) => replies.push(listener),
    onExit: () => undefined,
    terminate: () => void terminated++,
  });
  const reply = (message: HostReply): void => replies.forEach((each) => each(message));
  new HangWatch(clock).watch(client);
  const run = client.request('run', []);
  reply({ id: 1, answer: 'slow', tookMs: 30_000 });
  await run;
  const controller = new AbortController();
  const left = client.request('run', [], { signal: controller.signal });
  controller.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  clock.advance(119_999);
  expect(terminated).toBe(0);
  clock.advance(1);
  expect(terminated).toBe(1);
});

test('a host that does not close is left behind, and ended should it ever answer', async () => {
  let disposed: () => void = () => undefined;
  const { clock, first, model } = await hostedModel(undefined, { dispose: () => new Promise((r) => (disposed = r)) });
  const closed = model.close();
  await clock.run(60_000);
  await closed;
  expect(first.terminated()).toBe(0);
  disposed();
  await until(() => first.terminated() === 1);
});

test('a child process that answers nothing at all is closed all the same', async () => {
  const { load: open } = createEpochly({ config: { maxLevel: 0 } });
  const before = new Set(await children());
  const model = await open(identityModel('float32'), { host: 'process' });
  const [pid] = (await children()).filter((each) => !before.has(each));
  process.kill(pid as number, 'SIGSTOP');
  await model.close();
  expect((await children()).filter((each) => !before.has(each))).toEqual([]);
});

test('a queued call whose caller left never runs', async () => {
  const { first, model } = await hostedModel();
  const running = model.run(1);
  const controller = new AbortController();
  const queued = model.run(2, { signal: controller.signal });
  await until(() => first.runs.length === 1);
  controller.abort(new Error('left'));
  await expect(queued).rejects.toThrow('left');
  const last = model.run(3);
  first.runs[0]?.answer('one');
  await expect(running).resolves.toBe('one');
  await until(() => first.runs.length === 2);
  expect(first.runs[1]?.args).toEqual([3]);
  first.runs[1]?.answer('three');
  await expect(last).resolves.toBe('three');
});

test('an abort rejects a call that runs at once, whatever its run does', async () => {
  const { first, model } = await hostedModel();
  const controller = new AbortController();
  const running = model.run(1, { signal: controller.signal });
  await until(() => first.runs.length === 1);
  controller.abort(new Error('left'));
  await expect(running).rejects.toThrow('left');
});

test('an abort of load() rejects at once, whatever the host does; it is ended when that is safe', async () => {
  let opened: () => void = () => undefined;
  const host = fakeHost({ open: () => new Promise((resolve) => (opened = resolve)) });
  const controller = new AbortController();
  const platform: Platform = { ...nodePlatform, openHost: async () => host.channel };
  const loading = loadModel(platform, identityModel('float32'), {
    signal: controller.signal,
    onProgress: ({ phase }) => phase === 'open' && setImmediate(() => controller.abort(new Error('left'))),
  });
  await expect(loading).rejects.toThrow('left');
  expect(host.terminated()).toBe(0);
  opened();
  await until(() => host.terminated() === 1);
});

test.each(['worker', 'process'] as const)('an abort while a host of kind %s opens leaves none behind', async (kind) => {
  const before = new Set(await children());
  const controller = new AbortController();
  const opening = openHost({ kind, framework: 'onnxruntime', backends: ['cpu'], signal: controller.signal });
  controller.abort(new Error('left'));
  await expect(opening).rejects.toThrow('left');
  while ((await children()).some((each) => !before.has(each)));
});

test('a host that keeps dying is opened again ever more slowly, and an answer resets that', async () => {
  let opened = 0;
  const hosts: ReturnType<typeof fakeHost>[] = [];
  const { clock, first, model } = await hostedModel(async () => {
    opened++;
    const host = fakeHost();
    hosts.push(host);
    return openFake(host);
  });
  first.exit('crashed');
  await until(() => opened === 1);
  const waits = model.run(1);
  await until(() => hosts[0]?.runs.length === 1);
  hosts[0]?.exit('crashed again');
  await expect(waits).rejects.toMatchObject({ code: 'HOST_FAILED' });
  await expect(model.run(1)).rejects.toMatchObject({
    code: 'HOST_FAILED',
    message: expect.stringContaining('1000 ms'),
  });
  expect(opened).toBe(1);
  clock.advance(1000);
  const answer = model.run(1);
  await until(() => hosts[1]?.runs.length === 1);
  hosts[1]?.runs[0]?.answer('alive');
  await expect(answer).resolves.toBe('alive');
  hosts[1]?.exit('much later');
  await until(() => opened === 3);
});

test('inputs given while the host is being replaced are those of the call, whatever their owner does then', async () => {
  let release: (host: OpenedHost) => void = () => undefined;
  const next = fakeHost();
  const { first, model } = await hostedModel(() => new Promise((resolve) => (release = resolve)));
  first.exit('crashed');
  const input = new Float32Array([1]);
  const answer = model.run(input);
  input[0] = 9;
  release(await openFake(next));
  await until(() => next.runs.length === 1);
  expect(next.runs[0]?.args).toEqual([new Float32Array([1])]);
  next.runs[0]?.answer('done');
  await answer;
});

test('closing waits for what runs, refuses what comes, and ends the host', async () => {
  const { first, model } = await hostedModel();
  const running = model.run(1);
  await until(() => first.runs.length === 1);
  const closed = model.close();
  await expect(model.run(2)).rejects.toMatchObject({ code: 'CLOSED' });
  first.runs[0]?.answer('last');
  await expect(running).resolves.toBe('last');
  await closed;
  expect(first.terminated()).toBe(1);
});
