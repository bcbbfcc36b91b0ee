/** Twins of a model: none answers before it was right on enough different inputs, and faster than what is right to the rounding. */

import { expect, test } from 'vitest';
import { valuesMatch } from '../../src/adapters/compare.ts';
import { callShape } from '../../src/call-shape.ts';
import type { Candidate } from '../../src/compilation/candidates.ts';
import { variantCandidates } from '../../src/compilation/candidates.ts';
import { ModelCompiler } from '../../src/compilation/model-compiler.ts';
import type { CompilableModel, CompileEvent } from '../../src/compilation/model-compiler.ts';
import { Emitter } from '../../src/events.ts';
import type { FastPath } from '../../src/host/fast-path.ts';
import type { AnsweredCall, OpenedHost, SearchReport } from '../../src/host/hosted-model.ts';
import type { Portable } from '../../src/portable.ts';
import { GoldenStore } from '../../src/safety/golden-store.ts';
import type { ValidationReport } from '../../src/safety/validation-report.ts';
import { createValidator } from '../../src/safety/output-validator.ts';
import { embeddingValidator } from '../../src/safety/validators/embedding.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

type Numbers = Float32Array;
const SIZE = 16;
const REFERENCE_MS = 10;
/** An embedding of whatever is asked: a direction that is another one for each question. */
const right = (question: Numbers): Numbers =>
  Float32Array.from({ length: SIZE }, (_, i) => Math.sin((question[0] as number) * 1.7 + i * (question[0] as number)));
/** Off by so much of the largest value, as rounding to few bits is. */
const coarse = (question: Numbers, by: number): Numbers =>
  right(question).map((each, i) => each + (by * (((i * 37) % 11) - 5)) / 5);

interface Way {
  readonly answer: (question: Numbers, run: number) => Numbers;
  readonly ms: number;
}

function setUp(ways: Readonly<Record<string, Way>>, { sampleRate = 0, validator = embeddingValidator() } = {}) {
  const clock = createFakeClock();
  const answered = new Emitter<AnsweredCall>();
  const closed = new Emitter<void>();
  let observer: ((args: readonly Portable[], answer: Portable) => void) | undefined;
  let fast: FastPath | undefined;
  let search: SearchReport | undefined;
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  const model: CompilableModel = {
    identity: 'model',
    async askReference([question]) {
      await wait(REFERENCE_MS);
      return right(question as Numbers) as unknown as Portable;
    },
    observe: (listener) => (observer = listener),
    use(way) {
      if (fast !== way) void fast?.host.client.retire();
      fast = way;
    },
    report: (report) => (search = report),
    onClosing: (listener) => void closed.event(listener),
  };
  const hosts = new Map<string, { retired: boolean; runs: number }>();
  const open = async ({ name, variant }: Candidate): Promise<OpenedHost> => {
    const state = { retired: false, runs: 0 };
    hosts.set(name, state);
    const client = {
      onFailed: () => undefined,
      get isUsable() {
        return !state.retired;
      },
      async request(_type: 'run', [question]: readonly Portable[], { signal }: { signal?: AbortSignal } = {}) {
        const { answer, ms } = ways[name] as Way;
        await new Promise<void>((resolve, reject) => {
          signal?.addEventListener('abort', () => reject(signal.reason as Error));
          clock.after(ms, resolve);
        });
        return answer(question as Numbers, ++state.runs) as unknown as Portable;
      },
      retire: async () => void (state.retired = true),
    };
    return { client, weights: variant && `hash of ${variant.precision}` } as unknown as OpenedHost;
  };
  const validate = validator.validate.bind(validator) as (
    pairs: Parameters<typeof validator.validate>[0],
  ) => ValidationReport;
  const compiler = new ModelCompiler({
    clock,
    goldens: new GoldenStore(),
    sampleRate,
    differs: ({ output }, answer) => (valuesMatch(output, answer, 1e-5) ? undefined : 'the numbers differ'),
  });
  const events: CompileEvent[] = [];
  compiler.onEvent((event) => events.push(event));
  const variants = [
    ...new Set(Object.keys(ways).flatMap((name) => (/ on /.exec(name) ? [name.split(' on ')[0] as string] : []))),
  ];
  const searching = compiler.compileAsync({
    model,
    modelBytes: 1,
    candidates: async () => ('fast' in ways ? [{ name: 'fast', backend: 'webgpu' }] : []),
    reference: { name: 'cpu', backend: 'cpu' },
    open,
    variants: {
      candidates: (bases) =>
        variantCandidates(
          variants.map((precision) => ({ precision, source: precision })),
          bases,
        ).filter(({ name }) => name in ways),
      goldens: new GoldenStore({ maxPerShape: 256 }),
      differs({ output }, answer) {
        const report = validate([{ expected: output, actual: answer }]);
        return report.verdict === 'failed' ? report.message : undefined;
      },
      proves: validate,
      needed: (output) =>
        Math.max(...validate([{ expected: output, actual: output }]).metrics.map((each) => each.samplesNeeded)),
      onAnswered: answered.event,
    },
  });
  const settle = async <T>(promise: Promise<T>): Promise<T> => {
    const state = { settled: false };
    void promise.finally(() => (state.settled = true)).catch(() => undefined);
    for (let i = 0; i < 5000 && !state.settled; i++) await clock.run(100);
    return promise;
  };
  const call = async (first: number): Promise<{ readonly answer: Numbers; readonly by: string }> => {
    const args: readonly Portable[] = [Float32Array.of(first, 0)];
    const way = fast;
    if (way?.host.client.isUsable === true && way.shapes.has(callShape(args))) {
      const answer = (await way.host.client.request('run', args)) as Portable;
      way.onAnswered(args, answer);
      answered.emit({ args, answer: undefined });
      return { answer: answer as unknown as Numbers, by: way.name };
    }
    const answer = await model.askReference(args, new AbortController().signal);
    observer?.(args, answer);
    answered.emit({ args, answer });
    return { answer: answer as unknown as Numbers, by: 'reference' };
  };
  const run = async (first: number) => {
    const told = await settle(call(first));
    // What goes on behind the call comes to its end, so that the next one is looked at again.
    await clock.run(100);
    return told;
  };
  const runs = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) await run(i);
  };
  const idle = (): Promise<void> => settle(clock.run(60_000));
  return { clock, model, compiler, hosts, events, run, runs, idle, closed, searching, settle, search: () => search };
}

const int8: Way = { answer: (question) => coarse(question, 0.01), ms: 1 };

test('a twin answers once 59 different inputs were answered alike for the workload, and the search says how many are missing', async () => {
  const { runs, run, idle, search, hosts } = setUp({ 'int8 on cpu': int8 });
  await runs(1, 4);
  expect(search()).toMatchObject({ state: 'gathering', chosen: undefined });
  await run(7);
  expect(search()?.missing).toBe(58);
  // The same again is no evidence.
  for (let i = 0; i < 5; i++) await run(7);
  expect(search()?.missing).toBe(58);
  await runs(8, 65);
  expect(search()).toMatchObject({ state: 'gathering', missing: 1 });
  expect(hosts.size).toBe(0);
  expect((await run(65)).by).toBe('reference');
  await idle();
  expect(search()).toMatchObject({ state: 'done', missing: undefined, chosen: 'int8 on cpu' });
  expect(search()?.verdicts).toMatchObject([{ candidate: 'int8 on cpu', passed: true, goldens: 59 }]);
  expect((await run(100)).by).toBe('int8 on cpu');
});

test('one that is wrong for the workload is refused, and named with what was measured', async () => {
  const { runs, run, idle, search, hosts, events } = setUp({
    'int4 on cpu': { answer: (question) => coarse(question, 1), ms: 1 },
    'other on cpu': { answer: (question) => right(Float32Array.of((question[0] as number) + 1)), ms: 1 },
  });
  await runs(1, 70);
  await idle();
  expect(search()).toMatchObject({
    state: 'done',
    chosen: undefined,
    reason: expect.stringContaining('None of the variants'),
  });
  for (const verdict of search()?.verdicts ?? []) expect(verdict.reason).toContain('cosine');
  expect(search()?.verdicts).toHaveLength(2);
  for (const each of hosts.values()) expect(each.retired).toBe(true);
  expect(events.map(({ kind }) => kind)).toEqual(['kept_reference', 'variants_refused']);
  expect((await run(99)).by).toBe('reference');
});

test('one answer in 59 that is off is neither right nor wrong: it takes more inputs to say', async () => {
  const validator = createValidator('own', [
    {
      name: 'difference',
      bound: 0.1,
      direction: 'at_most',
      measure: ({ expected, actual }) =>
        Math.abs(Number((expected as unknown as Numbers)[0]) - Number((actual as unknown as Numbers)[0])),
    },
  ]);
  const odd = (question: Numbers): Numbers =>
    question[0] === 20 ? right(question).map((each) => each + 1) : right(question);
  const { runs, idle, search, run } = setUp({ 'int8 on cpu': { answer: odd, ms: 1 } }, { validator });
  await runs(1, 64);
  await idle();
  expect(search()).toMatchObject({ state: 'gathering', chosen: undefined });
  await run(64);
  expect(search()?.missing).toBeGreaterThan(50);
  await runs(65, 140);
  await idle();
  // Of 118 one may be off: at least 95 % are right, at a confidence of 95 %.
  expect(search()).toMatchObject({ state: 'done', chosen: 'int8 on cpu', verdicts: [{ passed: true, goldens: 118 }] });
});

test('one that is no faster than what is right to the rounding does not take its place', async () => {
  const { runs, run, idle, search, hosts } = setUp({
    fast: { answer: right, ms: 5 },
    'int8 on cpu': { ...int8, ms: 4.8 },
    'int8 on fast': { ...int8, ms: 9 },
  });
  await runs(1, 4);
  await idle();
  expect(search()).toMatchObject({ state: 'gathering', chosen: 'fast' });
  await runs(4, 70);
  await idle();
  expect(search()).toMatchObject({ state: 'done', chosen: 'fast' });
  expect(search()?.verdicts.map(({ candidate }) => candidate)).toEqual(['fast', 'int8 on cpu', 'int8 on fast']);
  expect((await run(99)).by).toBe('fast');
  expect(hosts.get('fast')?.retired).toBe(false);
});

test('one that is faster does, and what was opened for the other is closed', async () => {
  const { runs, run, idle, hosts, search } = setUp({ fast: { answer: right, ms: 5 }, 'int8 on fast': int8 });
  await runs(1, 70);
  await idle();
  expect(search()?.chosen).toBe('int8 on fast');
  expect((await run(99)).by).toBe('int8 on fast');
  expect(hosts.get('fast')?.retired).toBe(true);
});

test('while it serves it is held to the workload, and dropped for an answer that is no right one', async () => {
  const { runs, run, idle, search, events, clock, settle } = setUp(
    { 'int8 on cpu': { ...int8, answer: (question, n) => (n > 2000 ? question : coarse(question, 0.01)) } },
    { sampleRate: 1 },
  );
  await runs(1, 70);
  await idle();
  expect((await run(99)).by).toBe('int8 on cpu');
  await settle(clock.run(1000));
  // What its answers are off by is no difference.
  expect((await run(98)).by).toBe('int8 on cpu');
  for (let i = 0; i < 2000 && search()?.chosen !== undefined; i++) await run(i);
  expect(search()).toMatchObject({ chosen: undefined, reason: expect.stringContaining('dropped') });
  expect(events.at(-1)).toMatchObject({ kind: 'rolled_back', wasWrong: true });
});

test('a model that is closed while inputs are gathered, or variants tried, leaves nothing open', async () => {
  for (const calls of [10, 70]) {
    const { runs, run, idle, hosts, closed, events, compiler, model } = setUp({ 'int8 on cpu': { ...int8, ms: 500 } });
    await runs(1, calls);
    closed.emit();
    await idle();
    for (const each of hosts.values()) expect(each.retired).toBe(true);
    await run(99);
    expect(events.map(({ kind }) => kind)).toEqual(['kept_reference']);
    expect(compiler.getCompiled(model)).toBeUndefined();
  }
});
