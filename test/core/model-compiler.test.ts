/** The search for a faster way, against ways that are wrong, slow, or fail, in every manner that was seen of GPU backends. */

import { describe, expect, test, vi } from 'vitest';
import { ModelCompiler } from '../../src/compilation/model-compiler.ts';
import type { CompilableModel, CompileEvent, CompileRequest } from '../../src/compilation/compile-request.ts';
import { HostError } from '../../src/model-errors.ts';
import { Emitter } from '../../src/events.ts';
import { valuesMatch } from '../../src/adapters/compare.ts';
import type { FastPath } from '../../src/host/fast-path.ts';
import type { OpenedHost, SearchReport } from '../../src/host/hosted-model.ts';
import type { Portable } from '../../src/portable.ts';
import type { KeptVerdict, VerdictMemory } from '../../src/compilation/verdict-memory.ts';
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
  referenceRests = false;
  restAfterMs: number | undefined;
  /** How often the reference was opened to be asked. */
  opened = 0;
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
    if (this.referenceRests) this.opened++;
    this.referenceRests = false;
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
  onClosing(_listener: () => void): void {}
  async leave({ client }: OpenedHost): Promise<void> {
    await client.retire();
  }
  restReference(idleMs: number | undefined): void {
    this.restAfterMs = idleMs;
    this.referenceRests = idleMs !== undefined;
  }

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

function inMap(kept: Map<string, KeptVerdict>): VerdictMemory {
  return {
    get: (key) => kept.get(key),
    put: (key, verdict) => void kept.set(key, verdict),
    delete: (key) => void kept.delete(key),
  };
}

function setUp(
  ways: Readonly<Record<string, Way | 'refuses to open' | 'never opens'>>,
  {
    sampleRate = 0.1,
    kept = new Map<string, KeptVerdict>(),
    memory = inMap(kept),
    device = undefined as string | undefined,
    place = 'here',
    startMs = 1000,
    memoryBudgetMb = 0,
  } = {},
) {
  const clock = createFakeClock(startMs);
  const model = new SimulatedModel(clock);
  const goldens = new GoldenStore();
  let draws = 0;
  const compiler = new ModelCompiler({
    clock,
    goldens,
    // Chance is spread evenly, so that bounds on average hold in each run.
    orchestrator: new SafetyOrchestrator({ clock, goldens, sampleRate, random: () => (draws++ % 10) / 10 }),
    memoryBudgetMb,
    memory,
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
      return { client, info: { device } } as unknown as OpenedHost;
    },
    differs: ({ output }, answer) => (valuesMatch(output, answer, 1e-5) ? undefined : 'the numbers differ'),
    place,
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

describe('where the memory of its host grows run by run', () => {
  test('another host is opened and proven, and answers from then on', async () => {
    const { search, serve, run, settle, clock, hosts, events } = setUp({ fast });
    const used = await search();
    await serve(4);
    const old = hosts['fast'];
    used?.onLeak(300e6);
    expect((await run(4, 1)).by).toBe('fast');
    await settle(clock.run(1000));
    expect(hosts['fast']).not.toBe(old);
    expect(old?.retired).toBe(true);
    expect((await run(4, 2)).by).toBe('fast');
    expect(hosts['fast']?.runs).toBeGreaterThan(0);
    expect(used?.gate.state).toBe('on');
    expect(used?.host.client).toBe(hosts['fast']);
    expect(events.map(({ kind }) => kind)).toEqual(['chosen', 'shape_proven', 'recycled']);
    expect(events[2]?.reason).toContain('300 MB');
  });

  test('and the other host is wrong, it is dropped with it', async () => {
    let opened = 0;
    const way: Way = (each, n) => {
      if (n === 1) opened++;
      return { answer: opened > 1 ? each : right(each), ms: 1 };
    };
    const { search, serve, run, settle, clock, hosts, events } = setUp({ fast: way });
    const used = await search();
    await serve(4);
    used?.onLeak(300e6);
    await settle(clock.run(1000));
    expect(await run(4, 2)).toEqual({ answer: right(input(4, 2)[0] as Numbers), by: 'reference' });
    expect(hosts['fast']?.retired).toBe(true);
    expect(events.map(({ kind }) => kind)).toEqual(['chosen', 'shape_proven', 'recycled', 'rolled_back']);
    expect(used?.gate).toMatchObject({ state: 'recovering', reason: expect.stringContaining('grew run by run') });
  });

  test('and it is dropped or closed meanwhile, nothing is left open', async () => {
    for (const how of ['crash', 'close'] as const) {
      const { search, serve, settle, clock, hosts, compiler, model } = setUp({ fast });
      const used = await search();
      await serve(4);
      const old = hosts['fast'];
      used?.onLeak(300e6);
      if (how === 'crash') old?.crash();
      else compiler.stop(model);
      await settle(clock.run(1000));
      expect(hosts['fast'] === old || hosts['fast']?.retired).toBe(true);
    }
  });
});

describe('where two copies are more than the memory budget', () => {
  // A copy of 1000 bytes takes 0.003 MB.
  const memoryBudgetMb = 0.005;

  test('the reference is closed once a faster way is in use, and stays open where it is dropped', async () => {
    const { search, serve, model, run, hosts } = setUp({ fast }, { memoryBudgetMb });
    await search();
    expect(model.referenceRests).toBe(false);
    await serve(4);
    expect(model.referenceRests).toBe(true);
    expect(model.restAfterMs).toBe(30_000);
    for (let i = 0; i < 5; i++) expect((await run(4, i)).by).toBe('fast');
    expect(model.opened).toBe(0);
    expect((await run(7, 1)).by).toBe('reference');
    expect(model.opened).toBe(1);
    hosts['fast']?.crash();
    expect((await run(4, 1)).by).toBe('reference');
    expect(model.restAfterMs).toBeUndefined();
  });

  test.each([
    ['there is no budget', 0],
    ['both fit', 0.006],
  ])('and where %s it is not', async (_name, budget) => {
    const { search, serve, model } = setUp({ fast }, { memoryBudgetMb: budget });
    await search();
    expect((await serve(4)).at(-1)).toBe('fast');
    expect(model.restAfterMs).toBeUndefined();
  });

  /** All that was gathered on the way there is compared, and the reference is closed. */
  async function resting({ search, serve, clock, model }: ReturnType<typeof setUp>): Promise<void> {
    await search();
    await serve(4);
    await clock.run(61_000);
    model.restReference(30_000);
    model.opened = 0;
  }

  test('it is opened for eight comparisons, not for each', async () => {
    const all = setUp({ fast }, { memoryBudgetMb, sampleRate: 1 });
    const { model, run, settle, clock } = all;
    await resting(all);
    const before = model.asked;
    for (let i = 0; i < 7; i++) await run(4, i);
    expect(model.asked).toBe(before);
    await run(4, 7);
    await settle(clock.run(1000));
    expect(model.asked).toBe(before + 8);
    expect(model.opened).toBe(1);
    // While it is open nothing waits.
    await run(4, 8);
    await settle(clock.run(1000));
    expect(model.asked).toBe(before + 9);
  });

  test('a comparison waits for a minute at most: what is wrong is found where little is asked', async () => {
    let lies = false;
    const liar: Way = (each) => ({ answer: lies ? each : right(each), ms: 1 });
    const all = setUp({ fast: liar }, { memoryBudgetMb, sampleRate: 1 });
    const { run, clock, onWrong } = all;
    await resting(all);
    lies = true;
    await run(4, 5);
    await clock.run(59_000);
    expect(onWrong).not.toHaveBeenCalled();
    await clock.run(2000);
    expect(onWrong).toHaveBeenCalledOnce();
    expect((await run(4, 6)).by).toBe('reference');
  });

  test('of a model that is closed nothing waits', async () => {
    const all = setUp({ fast }, { memoryBudgetMb, sampleRate: 1 });
    const { run, clock, model } = all;
    await resting(all);
    await run(4, 1);
    // Of those that may hang none is left.
    await clock.run(10_000);
    expect(clock.pending).toBe(1);
    model.use(undefined);
    expect(clock.pending).toBe(0);
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
    // The table of before is still told.
    expect(second.model.search).toMatchObject({
      state: 'done',
      chosen: 'fast',
      verdicts: [
        { candidate: 'fast', goldens: 1 },
        { candidate: 'slow', goldens: 3 },
      ],
    });
  });

  test('it is open before the first call, and not used before it was proven on one', async () => {
    const kept = new Map<string, KeptVerdict>();
    const first = setUp({ fast }, { kept });
    await first.search();
    expect([...kept.values()][0]?.isTrusted).toBeUndefined();
    await first.serve(4);
    expect([...kept.values()][0]?.isTrusted).toBe(true);
    const { compiler, request, run, settle, clock, hosts } = setUp({ fast }, { kept });
    const searching = compiler.compileAsync(request);
    await settle(clock.run(1e6));
    expect(hosts['fast']).toMatchObject({ runs: 0, retired: false });
    expect((await run(4, 1)).by).toBe('reference');
    expect((await settle(searching))?.name).toBe('fast');
    expect((await run(4, 1)).by).toBe('fast');
  });

  test('of calls of which nothing may be kept it is not proven on any', async () => {
    const kept = new Map<string, KeptVerdict>();
    await setUp({ fast }, { kept }).search();
    const { compiler, request, run, settle, goldens, hosts } = setUp({ fast }, { kept });
    goldens.capture = async () => 'redacted';
    const searching = compiler.compileAsync(request);
    for (let i = 0; i < 3; i++) await run(4, i);
    expect(await settle(searching)).toBeUndefined();
    expect(hosts['fast']?.retired).toBe(true);
    // That is no verdict of the ways.
    expect(kept.size).toBe(0);
  });

  test('why a way was refused is not kept, which may quote what it was asked', async () => {
    const kept = new Map<string, KeptVerdict>();
    const quoting: Way = () => {
      throw new Error('I cannot read "my secret"');
    };
    expect(await setUp({ quoting }, { kept }).search()).toBeUndefined();
    expect(JSON.stringify([...kept.values()])).not.toContain('secret');
    const second = setUp({ quoting }, { kept });
    await second.search();
    expect(second.model.search?.verdicts).toMatchObject([
      { passed: false, reason: 'It was refused at an earlier start.' },
    ]);
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
    expect(second.model.search?.verdicts).toMatchObject([{ candidate: 'slow', passed: true }]);
    expect(second.model.search?.reason).toContain('earlier start');
  });

  test('what else there is now is tried, where nothing was faster before; and all, after a week', async () => {
    const kept = new Map<string, KeptVerdict>();
    await setUp({ slow }, { kept }).search();
    expect((await setUp({ slow, fast }, { kept }).search())?.name).toBe('fast');
    kept.clear();
    await setUp({ slow }, { kept }).search();
    const days = (count: number): number => 1000 + count * 86_400_000;
    expect(await setUp({ slow: fast }, { kept, startMs: days(6.9) }).search()).toBeUndefined();
    expect((await setUp({ slow: fast }, { kept, startMs: days(7.1) }).search())?.name).toBe('slow');
  });

  test.each<[string, { device?: string; place?: string; startMs?: number }]>([
    ['on another device', { device: 'another' }],
    ['of another version, or in another browser', { place: 'there' }],
    ['a month later', { startMs: 31 * 86_400_000 }],
  ])('%s all is searched anew', async (_name, now) => {
    const kept = new Map<string, KeptVerdict>();
    await setUp({ slow, fast }, { kept, device: 'one' }).search();
    const second = setUp({ slow, fast }, { kept, device: 'one', ...now });
    expect((await second.search())?.name).toBe('fast');
    expect(Object.keys(second.hosts).toSorted()).toEqual(['fast', 'slow']);
  });

  test('what was proven again since, and came through all stages, was chosen no later for that', async () => {
    const kept = new Map<string, KeptVerdict>();
    await setUp({ slow, fast }, { kept }).search();
    const second = setUp({ slow, fast }, { kept, startMs: 20 * 86_400_000 });
    await second.search();
    await second.serve(4);
    expect([...kept.values()][0]?.isTrusted).toBe(true);
    const third = setUp({ slow, fast }, { kept, startMs: 31 * 86_400_000 });
    await third.search();
    expect(Object.keys(third.hosts)).toEqual(['slow', 'fast']);
  });

  test('what is there is not found out first', async () => {
    const kept = new Map<string, KeptVerdict>();
    const first = setUp({ fast }, { kept });
    await first.search();
    const { compiler, request, run, settle } = setUp({ fast }, { kept });
    const candidates = vi.fn(request.candidates);
    const searching = compiler.compileAsync({
      ...request,
      candidates,
      possible: () => [{ name: 'fast', backend: 'cpu' }],
    });
    await run(4, 1);
    expect((await settle(searching))?.name).toBe('fast');
    expect(candidates).not.toHaveBeenCalled();
  });

  test('only shapes that were seen since are believed; one call is enough of those that were proven before', async () => {
    const kept = new Map<string, KeptVerdict>();
    const first = setUp({ fast }, { kept });
    const searching = first.compiler.compileAsync(first.request);
    for (const length of [4, 7, 4]) await first.run(length, 1);
    await first.settle(searching);
    const second = setUp({ fast }, { kept });
    const again = second.compiler.compileAsync(second.request);
    await second.run(4, 1);
    expect((await second.settle(again))?.gate.shapes).toBe(0);
    await second.serve(4);
    const until = async (length: number): Promise<number> => (await second.serve(length)).indexOf('fast');
    expect(await until(7)).toBe(4);
    expect(await until(9)).toBe(6);
  });

  test('one that is right once and then wrong is not used', async () => {
    const kept = new Map<string, KeptVerdict>();
    await setUp({ fast }, { kept }).search();
    const liar: Way = (each, n) => ({ answer: n > 1 ? each : right(each), ms: 1 });
    const second = setUp({ fast: liar }, { kept });
    expect(await second.search()).toBeUndefined();
    expect(second.hosts['fast']?.retired).toBe(true);
    expect([...kept.values()]).toMatchObject([{ candidate: undefined }]);
  });

  test('one that is ended while it is proven again leaves nothing open', async () => {
    const kept = new Map<string, KeptVerdict>();
    await setUp({ fast }, { kept }).search();
    const { compiler, request, run, settle, hosts, model } = setUp({ fast: () => ({ ms: 0, hangs: true }) }, { kept });
    const searching = compiler.compileAsync(request);
    await run(4, 1);
    await settle(Promise.resolve());
    expect(hosts['fast']?.retired).toBe(false);
    compiler.stop(model);
    expect(await settle(searching)).toBeUndefined();
    expect(hosts['fast']?.retired).toBe(true);
    // It says nothing of what was kept.
    expect(kept.size).toBe(1);
  });

  describe('it is as if nothing was kept where the memory', () => {
    const timing = { shape: 'Float32Array[4]', runMs: 1, referenceMs: 10 };
    const trial = { candidate: 'fast', passed: true, goldens: 3, openMs: 5, timings: [timing] };
    const good = { candidate: 'fast', tried: [trial], searchedAt: 1_700_000_000_000 };
    const returns = (value: unknown): Partial<VerdictMemory> => ({ get: () => value as KeptVerdict });
    const throwing = (): never => {
      throw new Error('the disk is gone');
    };
    test.each<[string, Partial<VerdictMemory>]>([
      ['throws', { get: throwing, put: throwing, delete: throwing }],
      ['rejects', { get: () => Promise.reject(new Error('busy')), put: () => Promise.reject(new Error('full')) }],
      ['never answers', { get: () => new Promise(() => undefined), put: () => new Promise(() => undefined) }],
      ['returns a text', returns('fast')],
      ['returns null', returns(null)],
      ['returns another kind of name', returns({ ...good, candidate: { name: 'fast' } })],
      [
        'names what is no candidate',
        returns({ ...good, tried: [{ ...trial, candidate: 'other' }], candidate: 'other' }),
      ],
      ['names what was not tried', returns({ ...good, tried: [] })],
      ['names what was refused', returns({ ...good, tried: [{ ...trial, passed: false }] })],
      ['returns a name without an end', returns({ ...good, candidate: 'f'.repeat(1e6) })],
      ['returns no trials', returns({ ...good, candidate: undefined, tried: 7 })],
      ['returns trials that are none', returns({ ...good, candidate: undefined, tried: [null] })],
      ['returns no shapes', returns({ ...good, tried: [{ ...trial, timings: undefined }] })],
      ['returns shapes that are none', returns({ ...good, tried: [{ ...trial, timings: [null] }] })],
      [
        'returns times that are none',
        returns({ ...good, tried: [{ ...trial, timings: [{ ...timing, runMs: NaN }] }] }),
      ],
      [
        'returns a million shapes',
        returns({ ...good, tried: [{ ...trial, timings: Array.from({ length: 1e6 }, () => timing) }] }),
      ],
      ['returns a million trials', returns({ ...good, tried: Array.from({ length: 1e6 }, () => trial) })],
      ['returns no time', returns({ ...good, searchedAt: '2023' })],
      ['is of the future', returns({ ...good, searchedAt: 1_800_000_000_000 })],
    ])('%s', async (_name, memory) => {
      const { search, hosts, serve } = setUp({ slow, fast }, { memory: { ...inMap(new Map()), ...memory } });
      expect((await search())?.name).toBe('fast');
      expect(Object.keys(hosts)).toEqual(['slow', 'fast']);
      expect((await serve(4)).at(-1)).toBe('fast');
    });

    test('and what is right is believed', async () => {
      const { search, hosts } = setUp({ slow, fast }, { memory: { ...inMap(new Map()), ...returns(good) } });
      expect((await search())?.name).toBe('fast');
      expect(Object.keys(hosts)).toEqual(['fast']);
    });
  });

  test('what was wrong while it served is not tried first; what only failed is', async () => {
    let lies = false;
    const liar: Way = (each) => ({ answer: lies ? each : right(each), ms: 1 });
    const kept = new Map<string, KeptVerdict>();
    const first = setUp({ fast: liar }, { kept, sampleRate: 1 });
    await first.search();
    await first.serve(4);
    first.hosts['fast']?.crash();
    expect(kept.size).toBe(1);
    await first.clock.run(200_000);
    await first.serve(4);
    lies = true;
    await first.run(4, 1);
    await first.settle(first.clock.run(1000));
    expect(kept.size).toBe(0);
  });

  test('what was wrong is not kept by a memory that takes longer to keep than to forget', async () => {
    let lies = false;
    const liar: Way = (each) => ({ answer: lies ? each : right(each), ms: 1 });
    const kept = new Map<string, KeptVerdict>();
    const wait = (ms: number): Promise<void> => new Promise((resolve) => void all.clock.after(ms, resolve));
    const memory: VerdictMemory = {
      ...inMap(kept),
      async put(key, verdict) {
        await wait(5000);
        kept.set(key, verdict);
      },
    };
    const all = setUp({ fast: liar }, { memory, sampleRate: 1 });
    await all.search();
    await all.serve(4);
    lies = true;
    await all.run(4, 1);
    await all.settle(all.clock.run(60_000));
    expect(all.onWrong).toHaveBeenCalledOnce();
    expect([...kept]).toEqual([]);
  });
});

test('a model that is closed before its search begins is not searched, and what was kept of it stays', async () => {
  const kept = new Map<string, KeptVerdict>();
  await setUp({ fast }, { kept }).search();
  const { compiler, request, settle, clock, hosts, model } = setUp({ fast }, { kept });
  model.onClosing = (listener) => listener();
  const searching = compiler.compileAsync(request);
  await settle(clock.run(100_000));
  expect(await settle(searching)).toBeUndefined();
  expect(Object.values(hosts).filter(({ retired }) => !retired)).toEqual([]);
  expect(kept.size).toBe(1);
});
