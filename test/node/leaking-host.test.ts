/** A child process that really leaks. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { GateDiagnostics } from '../../src/safety/gate-report.ts';
import { HostClient } from '../../src/host/host-client.ts';
import { HostedModel } from '../../src/host/hosted-model.ts';
import type { OpenedHost } from '../../src/host/hosted-model.ts';
import { openHost } from '../../dist/platforms/node/host/open-host.js';
import { identityModel } from '../helpers/onnx-builder.ts';
import { tensor } from '../../src/tensor.ts';

const ENTRY = fileURLToPath(new URL('support/leaking-entry.mjs', import.meta.url));

async function openLeaking(): Promise<OpenedHost> {
  const child = fork(ENTRY, { serialization: 'advanced', execArgv: [] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  const exited = once(child, 'exit');
  const client = new HostClient({
    kind: 'process',
    killable: true,
    post: (message) => void (child.connected && child.send(message as object)),
    onMessage: (listener) => void child.on('message', listener),
    onExit: (listener) => void exited.then(() => listener('its process ended.')),
    async terminate() {
      child.kill('SIGKILL');
      await exited;
    },
  });
  const files = { format: 'onnx' as const, files: [], identity: '', source: '' };
  const info = await client.request('open', { files, backend: 'cpu' });
  return { client, info, report: {} } as unknown as OpenedHost;
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

async function openModel(): Promise<HostedModel> {
  const model = new HostedModel({
    framework: 'onnxruntime',
    identity: 'sha',
    variant: '',
    clock: systemClock,
    first: await openLeaking(),
    reopen: openLeaking,
    modelBytes: 0,
    openWay: openLeaking,
  });
  onTestFinished(() => model.close());
  return model;
}

/** The processes that answered, in order. */
async function callUntilReplaced(model: HostedModel): Promise<ReadonlySet<number>> {
  const pids = new Set<number>();
  for (let n = 0; n < 2000 && pids.size < 2; n += 10) {
    const calls = Array.from({ length: 10 }, async (_, i) => {
      const [answer, pid] = (await model.run(n + i)) as [number, number];
      expect(answer).toBe(2 * (n + i));
      pids.add(pid);
    });
    await Promise.all(calls);
  }
  return pids;
}

async function expectReplaced(pids: ReadonlySet<number>): Promise<void> {
  const [old, fresh] = [...pids] as [number, number];
  await vi.waitFor(() => expect(isAlive(old)).toBe(false));
  expect(isAlive(fresh)).toBe(true);
}

test('it is replaced while it serves; every call is answered, and it is gone', async () => {
  const model = await openModel();
  const replaced: string[] = [];
  model.onHostReplaced(({ message }) => replaced.push(message));
  const pids = await callUntilReplaced(model);
  expect(replaced).toEqual([expect.stringMatching(/grew run by run, by \d+ MB/)]);
  await expectReplaced(pids);
});

test("a faster way's is replaced as well, and every call is answered by one or the other", async () => {
  const model = await openModel();
  const leaks: number[] = [];
  const { signal } = new AbortController();
  const open = (): Promise<OpenedHost> => model.openWay({ backend: 'cpu' }, signal);
  let host = await open();
  model.use({
    name: 'fast',
    get host() {
      return host;
    },
    gate: {} as GateDiagnostics,
    run: (args) => host.client.request('run', args),
    close: () => undefined,
    onLeak(grownBytes) {
      leaks.push(grownBytes);
      const leaking = host;
      void open().then((fresh) => {
        host = fresh;
        return model.leave(leaking);
      });
    },
  });
  onTestFinished(() => host.client.retire());
  const pids = await callUntilReplaced(model);
  expect(leaks).toHaveLength(1);
  expect(leaks[0]).toBeGreaterThan(256e6);
  await expectReplaced(pids);
});

test.each(['process', 'worker'] as const)(
  'a host of kind %s says in some of its answers how much memory it has',
  async (kind) => {
    const client = new HostClient(await openHost({ kind, framework: 'onnxruntime', backends: ['cpu'] }));
    onTestFinished(() => client.retire());
    const bytes = identityModel('float32');
    const files = { format: 'onnx', files: [{ path: 'model.onnx', bytes }], identity: '', source: '' } as const;
    await client.request('open', { files, backend: 'cpu' });
    const readings: number[] = [];
    client.onTurn(({ memoryBytes }) => memoryBytes !== undefined && readings.push(memoryBytes));
    for (let i = 0; i < 32; i++) await client.request('run', [{ x: tensor('float32', [i]) }]);
    expect(readings).toHaveLength(4);
    for (const each of readings) expect(each / 1e6).toBeGreaterThan(kind === 'process' ? 30 : 3);
  },
);
