/** The search for a faster way, on real models in real hosts. */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { createEpochly, tensor, unwrap } from 'epochly';
import type { LoadedModel } from 'epochly';
import { openHost } from '../../dist/platforms/node/host/open-host.js';
import { valuesMatch } from '../../src/adapters/compare.ts';
import { systemClock } from '../../src/clock.ts';
import type { Candidate } from '../../src/compilation/candidates.ts';
import { ModelCompiler } from '../../src/compilation/model-compiler.ts';
import type { CompilableModel, CompileEvent } from '../../src/compilation/compile-request.ts';
import { HostClient } from '../../src/host/host-client.ts';
import type { OpenedHost } from '../../src/host/hosted-model.ts';
import { GoldenStore } from '../../src/safety/golden-store.ts';
import { SafetyOrchestrator } from '../../src/safety/safety-orchestrator.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { USE_LITE } from '../helpers/models.ts';

const INT8 = fileURLToPath(new URL('../../demo/models/use-lite/model_int8.onnx', import.meta.url));
const epochly = createEpochly({ config: { cache: { enabled: false }, batching: { enabled: false } } });
const opened: LoadedModel[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

const feeds = (...ids: readonly number[]) => ({
  input_ids: tensor('int64', ids, [1, ids.length]),
  attention_mask: tensor(
    'int64',
    ids.map(() => 1),
    [1, ids.length],
  ),
});

async function load(options: Parameters<typeof epochly.load>[1] = {}): Promise<LoadedModel> {
  const model = await epochly.load(USE_LITE, options);
  opened.push(model);
  return model;
}

test("who asks for 'auto' has every way that there is held against the reference, which answers meanwhile", async () => {
  const model = await load({ backend: 'auto' });
  const { sentence_embedding: expected } = await model.run(feeds(5, 40, 300));
  let first = 10;
  await vi.waitFor(
    async () => {
      await model.run(feeds(first++, 40, 300));
      expect(model.backendReport.search?.state).toBe('done');
    },
    { timeout: 50_000 },
  );
  const { verdicts = [], chosen, reason } = model.backendReport.search ?? {};
  expect(verdicts.map(({ candidate }) => candidate)).toContain('cpu, one thread');
  const threads = verdicts.find(({ candidate }) => candidate === 'cpu, one thread');
  expect(threads).toMatchObject({ passed: true, timings: [{ runMs: expect.any(Number) }] });
  expect(threads?.goldens).toBeGreaterThanOrEqual(3);
  expect(chosen !== undefined || reason !== undefined).toBe(true);
  const { sentence_embedding: again } = await model.run(feeds(5, 40, 300));
  expect(valuesMatch(expected, again, 1e-5)).toBe(true);
  const log = await epochly.auditLog();
  expect(log?.getEntries().map(({ operation }) => operation)).toContain('compilation');
});

test('who does not ask for it has the reference, and no search', async () => {
  const model = await load();
  for (let i = 0; i < 5; i++) await model.run(feeds(5 + i));
  expect(model.backendReport.search).toBeUndefined();
});

/** Opens a file in a child process, as a way of running another one. */
async function openFile(path: string): Promise<OpenedHost> {
  const client = new HostClient(await openHost({ kind: 'process', framework: 'onnxruntime', backends: ['cpu'] }));
  const bytes = new Uint8Array(await readFile(path));
  const files = { format: 'onnx', files: [{ path: 'model.onnx', bytes }], identity: '', source: path } as const;
  const info = await client.request('open', { files, backend: 'cpu' });
  return { client, info } as unknown as OpenedHost;
}

/** A search over ways that are files, in which all but the answers is made to pass. */
async function search(ways: Readonly<Record<string, string>>, { memoryBudgetMb = 0 } = {}) {
  const model = await load({ frameworkOptions: { intraOpNumThreads: 1 } });
  const hosted = unwrap(model);
  const hosts: OpenedHost[] = [];
  // A clock by which the reference takes long, so that what is right is also faster.
  let asked = 0;
  const slow = Object.create(hosted, {
    askReference: {
      value: async (...args: Parameters<typeof hosted.askReference>) => {
        asked++;
        const answer = await hosted.askReference(...args);
        await new Promise<void>((resolve) => void systemClock.after(30, resolve, true));
        return answer;
      },
    },
    observe: { value: hosted.observe.bind(hosted) },
    use: { value: hosted.use.bind(hosted) },
    report: { value: hosted.report.bind(hosted) },
    onClosing: { value: hosted.onClosing.bind(hosted) },
    restReference: { value: hosted.restReference.bind(hosted) },
    referenceRests: { get: () => hosted.referenceRests },
  }) as unknown as CompilableModel;
  const goldens = new GoldenStore();
  // Its time is the test's: how long it waits before it opens again what failed.
  const clock = createFakeClock();
  const compiler = new ModelCompiler({
    clock: systemClock,
    goldens,
    orchestrator: new SafetyOrchestrator({ clock, goldens, sampleRate: 0 }),
    memoryBudgetMb,
  });
  const events: CompileEvent[] = [];
  compiler.onEvent((event) => events.push(event));
  const searching = compiler.compileAsync({
    model: slow,
    modelBytes: 1e6,
    candidates: async () => Object.keys(ways).map((name): Candidate => ({ name, backend: 'cpu' })),
    open: async ({ name }) => {
      const host = await openFile(ways[name] as string);
      hosts.push(host);
      return host;
    },
    differs: ({ output }, answer) => (valuesMatch(output, answer, 1e-5) ? undefined : 'other numbers'),
  });
  for (let i = 0; i < 3; i++) await model.run(feeds(5 + i, 40, 300));
  return { fast: await searching, model, hosts, events, clock, asked: () => asked };
}

test('a twin with other weights is found out, and its process is gone', async () => {
  const { fast, model, hosts } = await search({ 'the int8 twin': INT8 });
  expect(fast).toBeUndefined();
  expect(model.backendReport.search?.verdicts).toMatchObject([{ passed: false, reason: 'other numbers' }]);
  expect(hosts[0]?.client.isUsable).toBe(false);
});

test('where the process of the faster way is killed, each call is answered, and it is opened again', async () => {
  const { fast, model, hosts, events, clock } = await search({ 'the same file': USE_LITE });
  expect(fast?.name).toBe('the same file');
  const { sentence_embedding: expected } = await model.run(feeds(7, 40, 300));
  const gate = () => model.backendReport.search?.gate;
  const isOn = async (): Promise<void> => {
    const { sentence_embedding: answer } = await model.run(feeds(7, 40, 300));
    expect(answer.data).toEqual(expected.data);
    expect(gate()).toMatchObject({ state: 'on', share: 1 });
  };
  await vi.waitFor(isOn, { timeout: 20_000, interval: 1 });
  expect(gate()).toMatchObject({ fallbacks: 0, shapes: 1 });
  const leaving = new AbortController();
  const left = model.run(feeds(7, 40, 300), { signal: leaving.signal });
  leaving.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  await isOn();
  const calls = Array.from({ length: 20 }, () => model.run(feeds(7, 40, 300)));
  void hosts[0]?.client.channel.terminate();
  for (const { sentence_embedding: answer } of await Promise.all(calls)) expect(answer.data).toEqual(expected.data);
  expect(model.backendReport.search).toMatchObject({ chosen: undefined, reason: expect.stringContaining('dropped') });
  expect(gate()).toMatchObject({ state: 'recovering', share: 0, recoveries: 1 });
  expect(gate()?.fallbacks).toBeGreaterThan(0);
  expect(events.map(({ kind }) => kind)).toEqual(['chosen', 'shape_proven', 'rolled_back']);
  clock.advance(70_000);
  await vi.waitFor(() => expect(gate()?.state).toBe('shadow'), { timeout: 20_000 });
  await vi.waitFor(isOn, { timeout: 20_000, interval: 1 });
  expect(hosts).toHaveLength(2);
  expect(model.backendReport.search?.chosen).toBe('the same file');
});

test('where both do not fit the reference is closed, and answers all the same what only it can', async () => {
  const { fast, model, hosts } = await search({ 'the same file': USE_LITE }, { memoryBudgetMb: 5 });
  const hosted = unwrap(model);
  expect(fast?.name).toBe('the same file');
  const { sentence_embedding: expected } = await model.run(feeds(7, 40, 300));
  const isOn = async (): Promise<void> => {
    await model.run(feeds(7, 40, 300));
    expect(model.backendReport.search?.gate?.state).toBe('on');
  };
  await vi.waitFor(isOn, { timeout: 20_000, interval: 1 });
  await vi.waitFor(() => expect(hosted.referenceRests).toBe(true));
  expect((await model.run(feeds(7, 40, 300))).sentence_embedding.data).toEqual(expected.data);
  expect(hosted.referenceRests).toBe(true);
  // A shape that it was not proven on, by many at once: one host is opened for all.
  const others = await Promise.all(Array.from({ length: 10 }, (_, i) => model.run(feeds(7, 40 + i))));
  expect(others.every(({ sentence_embedding: each }) => each.data.length === expected.data.length)).toBe(true);
  expect(hosted.referenceRests).toBe(false);
  hosted.restReference(0);
  await vi.waitFor(() => expect(hosted.referenceRests).toBe(true));
  // The faster way is gone, in the middle of calls.
  const calls = Array.from({ length: 10 }, () => model.run(feeds(7, 40, 300)));
  void hosts[0]?.client.channel.terminate();
  for (const { sentence_embedding: answer } of await Promise.all(calls)) expect(answer.data).toEqual(expected.data);
  expect(hosted.referenceRests).toBe(false);
  expect(model.backendReport.search?.chosen).toBeUndefined();
});

test('a model that is closed during the search leaves no process behind', async () => {
  const model = await load();
  const hosted = unwrap(model);
  const goldens = new GoldenStore();
  const orchestrator = new SafetyOrchestrator({ goldens });
  const compiler = new ModelCompiler({ clock: systemClock, goldens, orchestrator });
  const hosts: OpenedHost[] = [];
  const searching = compiler.compileAsync({
    model: hosted as unknown as CompilableModel,
    modelBytes: 1,
    candidates: async () => [{ name: 'one', backend: 'cpu' }],
    open: async () => {
      const host = await openFile(USE_LITE);
      hosts.push(host);
      void model.close();
      return host;
    },
    differs: () => undefined,
  });
  for (let i = 0; i < 3; i++) await model.run(feeds(5 + i));
  expect(await searching).toBeUndefined();
  expect(hosts).toHaveLength(1);
  expect(hosts[0]?.client.isUsable).toBe(false);
});
