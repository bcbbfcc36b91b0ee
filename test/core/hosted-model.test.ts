/** What a hosted model tells those who search for a faster way of running it. */

import { expect, test, vi } from 'vitest';
import { HostClient } from '../../src/host/host-client.ts';
import { HostedModel } from '../../src/host/hosted-model.ts';
import type { OpenedHost } from '../../src/host/hosted-model.ts';
import type { FastPath } from '../../src/host/fast-path.ts';
import type { HostRequest } from '../../src/host/protocol.ts';
import type { Portable } from '../../src/portable.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const MB = 1 << 20;

/** A host that answers what it is asked, when it is told to. */
function fakeHost() {
  const listeners: ((message: unknown) => void)[] = [];
  const waiting: { readonly id: number; readonly answer: unknown }[] = [];
  const client = new HostClient({
    kind: 'process',
    killable: true,
    post(message) {
      const { id, ...request } = message as HostRequest & { readonly body?: unknown };
      waiting.push({ id, answer: structuredClone(request.body) });
    },
    onMessage: (listener) => listeners.push(listener),
    onExit: () => undefined,
    terminate: () => undefined,
  });
  return {
    opened: { client, info: {}, report: {} } as unknown as OpenedHost,
    answer(memoryBytes?: number) {
      for (const each of waiting.splice(0))
        for (const listener of listeners) listener({ ...each, tookMs: 1, memoryBytes });
    },
  };
}

function setUp() {
  const host = fakeHost();
  const ways: ReturnType<typeof fakeHost>[] = [];
  const clock = createFakeClock();
  const model = new HostedModel({
    framework: 'onnxruntime',
    identity: 'model',
    variant: '',
    clock,
    first: host.opened,
    reopen: async () => host.opened,
    modelBytes: 1,
    async openWay() {
      const way = fakeHost();
      ways.push(way);
      return way.opened;
    },
  });
  return { model, host, ways, clock };
}

test('a call that began before anybody watched is told to nobody: its caller may have changed the inputs since', async () => {
  const { model, host } = setUp();
  const seen: (readonly [unknown, Portable])[] = [];
  const inputs = Float32Array.of(1);
  const first = model.run(inputs);
  model.observe(([given], answer) => seen.push([given, answer]));
  model.onAnswered(({ args: [given], answer }) => seen.push([given, answer as Portable]));
  inputs[0] = 2;
  host.answer();
  expect(await first).toEqual([Float32Array.of(1)]);
  expect(seen).toEqual([]);
  const second = model.run(inputs);
  inputs[0] = 3;
  host.answer();
  await second;
  expect(seen).toEqual(Array.from({ length: 2 }, () => [Float32Array.of(2), [Float32Array.of(2)]]));
});

test('who asks to be told of its closing when it is closed is told at once', async () => {
  const { model } = setUp();
  const listener = vi.fn();
  void model.close();
  model.onClosing(listener);
  expect(listener).toHaveBeenCalledOnce();
});

test('the memory of a way on trial says nothing of the one that is used', async () => {
  const { model, ways } = setUp();
  const { signal } = new AbortController();
  const open = async () => {
    const opened = await model.openWay({ backend: 'webgpu' }, signal);
    const run = async (memoryBytes: number): Promise<void> => {
      const answer = opened.client.request('run', [1]);
      ways.at(-1)?.answer(memoryBytes);
      await answer;
    };
    return { opened, run };
  };
  const onLeak = vi.fn();
  const { opened, run } = await open();
  // It leaks while it is tried, and goes on to where it is used.
  for (let i = 0; i < 200; i++) await run((300 + 8 * i) * MB);
  expect(onLeak).not.toHaveBeenCalled();
  model.use({ name: 'fast', host: opened, onLeak, close: () => undefined } as unknown as FastPath);
  for (let i = 200; i < 400; i++) await run((300 + 8 * i) * MB);
  expect(onLeak).toHaveBeenCalledOnce();
});
