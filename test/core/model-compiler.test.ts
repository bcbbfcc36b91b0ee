/** The search for a faster way, against ways that are wrong, slow, or fail, in every manner that was seen of GPU backends. */

import { describe, expect, test, vi } from 'vitest';
import { ModelCompiler } from '../../src/compilation/model-compiler.ts';
import type { CompilableModel, CompileEvent, CompileRequest } from '../../src/compilation/model-compiler.ts';
import { HostError } from '../../src/model-errors.ts';
import { Emitter } from '../../src/events.ts';
import { valuesMatch } from '../../src/adapters/compare.ts';
import type { FastPath } from '../../src/host/fast-path.ts';
import type { OpenedHost, SearchReport } from '../../src/host/hosted-model.ts';
import type { Portable } from '../../src/portable.ts';
import type { KeptVerdict } from '../../src/compilation/verdict-memory.ts';
import { GoldenStore } from '../../src/safety/golden-store.ts';
import { SafetyOrchestrator } from '../../src/safety/safety-orchestrator.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import type { FakeClock } from '../helpers/fake-clock.ts';

type Numbers = Float32Array;
const right = (input: Numbers): Numbers => input.map((each) => each * 2 + 1);
const input = (length: number, first: number): readonly Portable[] => [
  Float32Array.from({ length }, (_, i) => first + i),
];

/** What a way answers to its n-th run, from 1, in how many milliseconds; it may throw, or never answer. */
type Way = (input: Numbers, run: number) => { readonly answer?: Numbers; readonly ms: number; readonly hangs?: true };

const fast: Way = (each) => ({ answer: right(each), ms: 1 });
const slow: Way = (each) => ({ answer: right(each), ms: 30 });
const REFERENCE_MS = 10;

class SimulatedHost {
  readonly failures = new Emitter<HostError>();
  readonly onFailed = this.failures.event;
  retired = false;
  runs = 0;
  readonly #clock: FakeClock;
  readonly #way: Way;

  constructor(clock: FakeClock, way: Way) {
    this.#clock = clock;
    this.#way = way;
  }

  get isUsable(): boolean {
    return !this.retired;
  }

  request(_type: 'run', [given]: readonly Portable[], { signal }: { signal?: AbortSignal } = {}): Promise<Portable> {
    if (this.retired) return Promise.reject(new HostError('It is gone.'));
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
      const { answer, ms, hangs } = this.#way(given as Numbers, ++this.runs);
      if (hangs === true) return;
      this.#clock.after(ms, () => (answer === undefined ? this.crash() : resolve(answer as unknown as Portable)));
      this.onFailed((error) => reject(error));
    });
  }

  crash(): void {
    if (this.retired) return;
    this.retired = true;
    this.failures.emit(new HostError('The process crashed.'));
  }

  async retire(): Promise<void> {
    this.retired = true;
  }
}

/** As HostedModel routes calls, without a host of its own. */
class SimulatedModel implements CompilableModel {
  readonly identity = 'model';
  search: SearchReport | undefined;
  asked = 0;
  readonly #clock: FakeClock;
  /** Those of the reference. */
  readonly #answers = new WeakSet<object>();
  #fast: FastPath | undefined;
  #observe: ((args: readonly Portable[], answer: Portable) => void) | undefined;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async askReference([given]: readonly Portable[]): Promise<Portable> {
    this.asked++;
    await new Promise<void>((resolve) => void this.#clock.after(REFERENCE_MS, resolve));
    const answer = right(given as Numbers);
    this.#answers.add(answer);
    return answer as unknown as Portable;
  }
  observe(listener: ((args: readonly Portable[], answer: Portable) => void) | undefined): void {
    this.#observe = listener;
  }
  use(way: FastPath | undefined): void {
    if (this.#fast !== way) this.#fast?.close();
    this.#fast = way;
  }
  report(search: SearchReport): void {
    this.search = search;
  }
  onClosing(): void {}

  async run(args: readonly Portable[]): Promise<{ readonly answer: Portable; readonly by: string }> {
    if (this.#fast !== undefined) {
      const way = this.#fast;
      const answer = await way.run(args, {});
      return { answer, by: this.#answers.has(answer as object) ? 'reference' : way.name };
    }
    const answer = await this.askReference(args);
    this.#observe?.(args, answer);
    return { answer, by: 'reference' };
  }
}

function setUp(
  ways: Readonly<Record<string, Way | 'refuses to open' | 'never opens'>>,
  { sampleRate = 0.1, kept = new Map<string, KeptVerdict>() } = {},
) {
  const clock = createFakeClock();
  const model = new SimulatedModel(clock);
  const goldens = new GoldenStore();
  let draws = 0;
  const compiler = new ModelCompiler({
    clock,
    goldens,
    // Chance is spread evenly, so that bounds on average hold in each run.
    orchestrator: new SafetyOrchestrator({ clock, goldens, sampleRate, random: () => (draws++ % 10) / 10 }),
    memory: {
      get: (key) => kept.get(key),
      put: (key, verdict) => void kept.set(key, verdict),
      delete: (key) => void kept.delete(key),
    },
    differs: ({ output }, answer) => (valuesMatch(output, answer, 1e-5) ? undefined : 'the numbers differ'),
  });
  const events: CompileEvent[] = [];
  compiler.onEvent((event) => events.push(event));
  const hosts: Record<string, SimulatedHost> = {};
  const onWrong = vi.fn();
  const request: CompileRequest<SimulatedModel> = {
    model,
    onWrong,
    modelBytes: 1000,
    candidates: async () => Object.keys(ways).map((name) => ({ name, backend: 'cpu' as const })),
    async open({ name }, signal) {
      const way = ways[name] as Way | 'refuses to open' | 'never opens';
      if (way === 'refuses to open') throw new Error('No such provider.');
      if (way === 'never opens') {
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        );
      }
      const client = (hosts[name] = new SimulatedHost(clock, way));
      return { client } as unknown as OpenedHost;
    },
  };
  /** Lets all that is under way come to its end, but for what never does. */
  const settle = async <T>(promise: Promise<T>): Promise<T> => {
    const state = { settled: false };
    void promise.finally(() => (state.settled = true)).catch(() => undefined);
    for (let i = 0; i < 5000 && !state.settled; i++) await clock.run(100);
    return promise;
  };
  const run = (length: number, first: number) => settle(model.run(input(length, first)));
  const search = async (): Promise<FastPath | undefined> => {
    const searching = compiler.compileAsync(request);
    for (let i = 0; i < 3; i++) await run(4, i);
    return settle(searching);
  };
  /** Calls of one length until the way that was chosen answers them; who answered each. */
  const serve = async (length: number, calls = 60): Promise<readonly string[]> => {
    const by: string[] = [];
    for (let i = 0; i < calls && by.slice(-3).join() !== 'fast,fast,fast'; i++) {
      by.push((await run(length, i)).by);
      await clock.run(50);
    }
    return by;
  };
  return { clock, model, goldens, compiler, events, hosts, onWrong, request, run, search, serve, settle };
}

test('the fastest of those that give the same answers is used, and the others are gone', async () => {
  const { search, hosts, run, serve, model, events } = setUp({
    slow,
    fast,
    faster: (each) => ({ answer: right(each), ms: 0.5 }),
  });
  expect((await search())?.name).toBe('faster');
  expect(hosts['slow']?.retired).toBe(true);
  expect(hosts['fast']?.retired).toBe(true);
  expect(hosts['faster']?.retired).toBe(false);
  await serve(4);
  expect(await run(4, 9)).toEqual({ answer: right(input(4, 9)[0] as Numbers), by: 'faster' });
  expect(model.search).toMatchObject({ state: 'done', chosen: 'faster', verdicts: [{}, {}, { passed: true }] });
  expect(events.map(({ kind }) => kind)).toEqual(['chosen', 'shape_proven']);
});

describe('never used is one that', () => {
  const nan = (each: Numbers): Numbers => each.map(() => NaN);
  test.each<[string, Way | 'refuses to open' | 'never opens', string]>([
    ['is wrong', (each) => ({ answer: each, ms: 1 }), 'the numbers differ'],
    ['is twice the right value', (each) => ({ answer: right(each).map((x) => x * 2), ms: 1 }), 'the numbers differ'],
    [
      'is wrong from its second run on',
      (each, n) => ({ answer: n > 1 ? each : right(each), ms: 1 }),
      'the numbers differ',
    ],
    ['is wrong from its tenth run on', (each, n) => ({ answer: n > 9 ? each : right(each), ms: 1 }), 'Right at first'],
    ['answers NaN', (each) => ({ answer: nan(each), ms: 1 }), 'the numbers differ'],
    ['is slower', slow, 'None of the ways'],
    ['is hardly faster', (each) => ({ answer: right(each), ms: 9.5 }), 'None of the ways'],
    ['crashes', () => ({ ms: 1 }), 'crashed'],
    ['hangs', (each, n) => (n > 2 ? { ms: 0, hangs: true } : { answer: right(each), ms: 1 }), 'longer than'],
    ['never opens', 'never opens', 'longer than 120 s to open'],
    ['cannot be opened', 'refuses to open', 'No such provider'],
  ])('%s', async (_name, way, reason) => {
    const { search, run, model, hosts, events } = setUp({ candidate: way });
    expect(await search()).toBeUndefined();
    const text = [model.search?.reason, ...(model.search?.verdicts.map((each) => each.reason) ?? [])].join(' ');
    expect(text).toContain(reason);
    expect(hosts['candidate']?.retired ?? true).toBe(true);
    expect((await run(4, 5)).by).toBe('reference');
    expect(events.map(({ kind }) => kind)).toEqual(['kept_reference']);
  });
});

test('it comes to answer by and by, and a shape that it was not proven on is answered by the reference, until it was', async () => {
  const { search, serve } = setUp({ fast });
  await search();
  const first = await serve(4);
  const [R, F] = ['reference', 'fast'];
  const fourth = [R, R, R, F];
  const second = [R, F];
  // Three are asked beside the reference; then it answers each fourth call, each second one, and all.
  expect(first).toEqual([
    R,
    R,
    R,
    ...fourth,
    ...fourth,
    ...fourth,
    ...second,
    ...second,
    ...second,
    ...second,
    ...second,
    F,
    F,
  ]);
  // The third call is a golden, and three are asked beside.
  expect(await serve(7)).toEqual([R, R, R, R, R, R, F, F, F]);
});

test('one that is wrong for one shape is never used for it, and no longer for others', async () => {
  const { search, run, settle, clock, model } = setUp({
    liar: (each) => ({ answer: each.length === 7 ? each : right(each), ms: 1 }),
  });
  await search();
  for (let i = 0; i < 4; i++) expect((await run(7, i)).answer).toEqual(right(input(7, i)[0] as Numbers));
  await settle(clock.run(1000));
  expect((await run(4, 9)).by).toBe('reference');
  expect(model.search).toMatchObject({
    chosen: undefined,
    reason: expect.stringContaining('answer to Float32Array[7]'),
  });
});

test('one that goes wrong later is found by the sample, and dropped at the first difference', async () => {
  const { search, run, settle, clock, events, onWrong } = setUp(
    { liar: (each, n) => ({ answer: n > 100 ? each : right(each), ms: 1 }) },
    { sampleRate: 0.1 },
  );
  await search();
  let wrong = 0;
  for (let i = 0; i < 200; i++) {
    const { answer } = await run(4, i);
    if (!valuesMatch(right(input(4, i)[0] as Numbers), answer, 1e-5)) wrong++;
    await settle(clock.run(50));
  }
  // One in ten is looked at.
  expect(wrong).toBeGreaterThan(0);
  expect(wrong).toBeLessThanOrEqual(10);
  // What was kept of its answers is not believed any more.
  expect(onWrong).toHaveBeenCalledOnce();
  expect(events.map(({ kind }) => kind)).toEqual(['chosen', 'shape_proven', 'rolled_back']);
});

describe('within a call the reference answers, and the other is built anew and proven again, where it', () => {
  test.each<[string, Way]>([
    ['answers NaN', (each, n) => ({ answer: n > 50 ? each.map(() => NaN) : right(each), ms: 1 })],
    ['crashes', (each, n) => (n > 50 ? { ms: 1 } : { answer: right(each), ms: 1 })],
  ])('%s', async (_name, way) => {
    const { clock, compiler, search, run, serve, events, hosts, model, onWrong } = setUp(
      { fast: way },
      { sampleRate: 0 },
    );
    await search();
    const first = hosts['fast'];
    for (let i = 0; i < 60; i++) expect((await run(4, i)).answer).toEqual(right(input(4, i)[0] as Numbers));
    expect(events.map(({ kind }) => kind)).toEqual(['chosen', 'shape_proven', 'rolled_back']);
    expect(first?.retired).toBe(true);
    expect(model.search).toMatchObject({ chosen: undefined, gate: { state: 'recovering', recoveries: 1 } });
    expect(onWrong).not.toHaveBeenCalled();
    // The dwell time and the back-off.
    await clock.run(62_000);
    expect(hosts['fast']).not.toBe(first);
    expect(compiler.getCompiled(model)?.host.client).toBe(hosts['fast']);
    expect(model.search?.chosen).toBe('fast');
    expect(compiler.getCompiled(model)?.gate.state).toBe('shadow');
    expect((await serve(4)).at(-1)).toBe('fast');
    expect(events.slice(3).map(({ kind }) => kind)).toEqual(['chosen', 'shape_proven']);
  });
});

test('a model that does not answer alike is left alone', async () => {
  const { search, model, compiler } = setUp({ fast });
  let draw = 0;
  model.askReference = async () => draw++;
  expect(await search()).toBeUndefined();
  expect(model.search).toMatchObject({ state: 'off', reason: expect.stringContaining('alike') });
  expect(compiler.getCompiled(model)).toBeUndefined();
});

test('a search that is ended leaves nothing open', async () => {
  const { compiler, request, run, settle, hosts, model } = setUp({ fast, hanging: () => ({ ms: 0, hangs: true }) });
  const searching = compiler.compileAsync(request);
  for (let i = 0; i < 3; i++) await run(4, i);
  compiler.stop(model);
  expect(await settle(searching)).toBeUndefined();
  expect(Object.values(hosts).every(({ retired }) => retired)).toBe(true);
  expect(compiler.compileAsync(request)).toBe(searching);
});

describe('at the next start', () => {
  test('what was chosen is opened at once, held against one answer, and used; nothing else is tried', async () => {
    const kept = new Map<string, KeptVerdict>();
    const first = setUp({ slow, fast }, { kept });
    await first.search();
    for (let i = 0; i < 3; i++) await first.run(7, i);
    const second = setUp({ slow, fast }, { kept });
    const searching = second.compiler.compileAsync(second.request);
    expect((await second.run(4, 1)).by).toBe('reference');
    expect((await second.settle(searching))?.name).toBe('fast');
    expect(Object.keys(second.hosts)).toEqual(['fast']);
    expect(second.hosts['fast']?.runs).toBeLessThan(20);
    expect(await second.serve(4)).toContain('fast');
  });

  test('what is wrong by now is not used: all is searched anew', async () => {
    const kept = new Map<string, KeptVerdict>();
    await setUp({ fast }, { kept }).search();
    const second = setUp({ fast: (each) => ({ answer: each, ms: 1 }), other: fast }, { kept });
    expect((await second.search())?.name).toBe('other');
    expect([...kept.values()]).toMatchObject([{ candidate: 'other' }]);
  });

  test('a model for which nothing was faster is left alone', async () => {
    const kept = new Map<string, KeptVerdict>();
    await setUp({ slow }, { kept }).search();
    const second = setUp({ slow }, { kept });
    expect(await second.search()).toBeUndefined();
    expect(second.hosts).toEqual({});
    expect(second.model.search?.reason).toContain('earlier start');
  });

  test('what was dropped while it served is not tried first', async () => {
    const kept = new Map<string, KeptVerdict>();
    const first = setUp({ fast }, { kept });
    await first.search();
    expect(kept.size).toBe(1);
    first.hosts['fast']?.crash();
    expect(kept.size).toBe(0);
  });
});
