/** The search beyond backends: options of the best one, one after another, and inputs that are made up before anybody called. */

import { describe, expect, test } from 'vitest';
import type { Candidate } from '../../src/compilation/candidates.ts';
import { mended, refinementsFor, wayNamed } from '../../src/compilation/refinements.ts';
import type { Refinement } from '../../src/compilation/refinements.ts';
import type { Portable } from '../../src/portable.ts';
import type { Golden } from '../../src/safety/golden-store.ts';
import { tryCandidate } from '../../src/compilation/trial.ts';
import { tensor } from '../../src/tensor.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { right, simulateSearch } from '../helpers/simulated-search.ts';
import type { Way } from '../helpers/simulated-search.ts';

const takes = (ms: number): Way => ({ answer: right, ms });
const wrong = (ms: number): Way => ({ answer: (question) => right(question).map((each) => -each), ms });
const option =
  (...values: readonly string[]): Refinement =>
  (base) =>
    values.map((value) => ({ ...base, name: `${base.name}, ${value}` }));
const refinements = [option('a1', 'a2'), option('b1')];
const exactOnly = { variants: undefined };
const question = (first: number): readonly Portable[] => [Float32Array.of(first, 0)];

async function search(ways: Readonly<Record<string, Way>>, request = {}) {
  const simulated = simulateSearch(ways, { request: { ...exactOnly, refinements, ...request } });
  await simulated.runs(1, 4);
  await simulated.settle(simulated.searching);
  const names = simulated.search()?.verdicts.map(({ candidate }) => candidate);
  return { ...simulated, names };
}

describe('options', () => {
  test('are tried on the best way only, each upon what was best so far', async () => {
    const {
      names,
      search: report,
      hosts,
    } = await search({
      fast: takes(5),
      'fast, a1': takes(6),
      'fast, a2': takes(4),
      'fast, a2, b1': takes(3),
    });
    expect(names).toEqual(['fast', 'fast, a1', 'fast, a2', 'fast, a2, b1']);
    expect(report()?.chosen).toBe('fast, a2, b1');
    expect([...hosts].filter(([, { retired }]) => !retired).map(([name]) => name)).toEqual(['fast, a2, b1']);
  });

  test('are tried on the reference where no other way is faster', async () => {
    const { names, search: report } = await search({ 'cpu, a1': takes(20), 'cpu, a2': takes(20), 'cpu, b1': takes(8) });
    expect(names).toEqual(['cpu, a1', 'cpu, a2', 'cpu, b1']);
    expect(report()?.chosen).toBe('cpu, b1');
  });

  test('that save next to nothing, or are wrong, are left out', async () => {
    const { search: report } = await search({
      fast: takes(5),
      'fast, a1': takes(4.9),
      'fast, a2': wrong(1),
      'fast, b1': takes(4.9),
    });
    expect(report()).toMatchObject({ chosen: 'fast' });
    expect(report()?.verdicts).toMatchObject([{ passed: true }, { passed: true }, { passed: false }, { passed: true }]);
  });

  test('may put right what is wrong as it is', async () => {
    const { search: report, names } = await search(
      { fast: wrong(1), 'fast, mended': takes(2), 'fast, mended, b1': takes(9) },
      { mended: (way: Candidate) => ({ ...way, name: `${way.name}, mended` }), refinements: [option('b1')] },
    );
    expect(names).toEqual(['fast', 'fast, mended', 'fast, mended, b1']);
    expect(report()?.chosen).toBe('fast, mended');
  });

  test('are not tried any more once the search took its time', async () => {
    // It answers at first, and then hangs for as long as it may.
    const hangs: Way = { answer: right, ms: 110_000 };
    const { search: report } = await search({ fast: hangs, 'cpu, a1': hangs, 'cpu, a2': hangs, 'cpu, b1': takes(1) });
    expect(report()?.chosen).toBeUndefined();
    expect(report()?.verdicts.at(-1)).toMatchObject({
      candidate: 'cpu, b1',
      reason: expect.stringContaining('was not tried'),
      goldens: 0,
    });
  });
});

describe('made-up inputs', () => {
  const generated = [question(101), question(102), question(103)];
  const begin = (ways: Readonly<Record<string, Way>>, inputs: readonly (readonly Portable[])[]) =>
    simulateSearch(ways, { request: { ...exactOnly, generated: inputs } });

  test('begin the search before any call, and answer for nothing until a real call was compared', async () => {
    const { settle, searching, search: report, run, runs, clock } = begin({ fast: takes(1) }, generated);
    expect((await settle(searching))?.name).toBe('fast');
    expect(report()).toMatchObject({ state: 'done', chosen: 'fast', goldens: { captured: 0, generated: 3 } });
    expect((await run(1)).by).toBe('reference');
    // One was asked of it as well, and another beside the reference.
    await runs(2, 4);
    await settle(clock.run(1000));
    expect((await run(5)).by).toBe('fast');
  });

  test('show nothing of a way that is wrong on real ones: it never answers', async () => {
    const onReal: Way = {
      answer: (asked) => ((asked[0] as number) > 100 ? right(asked) : right(asked).fill(7)),
      ms: 1,
    };
    const { settle, searching, search: report, run, clock } = begin({ fast: onReal }, generated);
    expect((await settle(searching))?.name).toBe('fast');
    for (let i = 0; i < 6; i++) {
      const { answer, by } = await run(i);
      expect([by, answer]).toEqual(['reference', right(Float32Array.of(i, 0))]);
      await settle(clock.run(1000));
    }
    expect(report()).toMatchObject({ chosen: undefined, reason: expect.stringContaining('is not the reference') });
  });

  test('that are all answered alike mean nothing: the first calls are waited for', async () => {
    const { settle, searching, search: report, runs, clock } = begin({ fast: takes(1) }, [question(7), question(7)]);
    await settle(clock.run(1000));
    expect(report()).toMatchObject({ state: 'waiting', goldens: { captured: 0, generated: 0 } });
    await runs(1, 4);
    expect((await settle(searching))?.name).toBe('fast');
    expect(report()?.goldens).toEqual({ captured: 3, generated: 0 });
  });

  test('of which nothing comes leave nobody listening to the calls', async () => {
    const { settle, searching, search: report, model, run, goldens } = begin({}, generated);
    expect(await settle(searching)).toBeUndefined();
    expect(report()).toMatchObject({ state: 'off' });
    await run(1);
    expect(goldens.summary(model.identity).captured).toBe(0);
  });

  test('give way to real ones that come meanwhile, of which the shape then counts as proven', async () => {
    const { settle, searching, search: report, runs, run } = begin({ fast: takes(1) }, generated);
    await runs(1, 2);
    expect((await settle(searching))?.name).toBe('fast');
    expect(report()?.goldens).toEqual({ captured: 1, generated: 3 });
    expect((await run(2)).by).toBe('reference');
    expect((await run(3)).by).toBe('fast');
  });
});

describe('of onnxruntime', () => {
  const inputs = [
    { name: 'x', type: 'float32', dims: ['batch', 3, 'side', 'side'] },
    { name: 'y', type: 'int64', dims: ['batch', -1] },
  ] as const;
  const golden = (shape: string, side = 8): Golden => ({
    inputs: [
      {
        x: tensor('float32', new Float32Array(3 * side * side), [1, 3, side, side]),
        y: tensor('int64', [1, 2], [1, 2]),
      },
    ],
    output: 0,
    origin: 'captured',
    shape,
  });
  const facts = { framework: 'onnxruntime', reference: 'wasm', inputs } as const;
  const namesOf = (
    base: Candidate,
    goldens: readonly Golden[],
    given: Partial<Parameters<typeof refinementsFor>[0]> = {},
  ) => refinementsFor({ ...facts, ...given }).flatMap((each) => each(base, goldens).map(({ name }) => name));
  const wasm: Candidate = { name: 'wasm', backend: 'wasm' };

  test('open dimensions are fixed where all calls had the same', () => {
    const fixed = 'wasm, fixed at batch=1 side=8';
    expect(namesOf(wasm, [golden('a'), golden('a')])).toEqual(['wasm, graph extended', 'wasm, graph basic', fixed]);
    expect(namesOf(wasm, [golden('a'), golden('b')])).not.toContain(fixed);
    // Node's takes the option, and does nothing.
    expect(namesOf(wasm, [golden('a')], { reference: 'cpu' })).not.toContain(fixed);
    expect(namesOf(wasm, [])).toEqual(['wasm, graph extended', 'wasm, graph basic']);
    const [way] = refinementsFor(facts).at(-1)?.(wasm, [golden('a')]) ?? [];
    expect(way?.frameworkOptions).toEqual({ freeDimensionOverrides: { batch: 1, side: 8 } });
  });

  test('each backend has options of its own, and what the caller decided is not tried', () => {
    const webgpu: Candidate = { name: 'webgpu', backend: 'webgpu' };
    expect(namesOf(webgpu, [])).toEqual(
      ['layout NHWC', 'layout NCHW', 'graph extended', 'graph basic'].map((each) => `webgpu, ${each}`),
    );
    expect(namesOf({ name: 'webnn', backend: 'webnn' }, []).slice(0, 3)).toEqual(
      ['gpu', 'npu', 'cpu'].map((each) => `webnn, on its ${each}`),
    );
    const frameworkOptions = { graphOptimizationLevel: 'all', freeDimensionOverrides: { batch: 1 } };
    expect(namesOf(wasm, [golden('a')], { frameworkOptions })).toEqual([]);
    expect(namesOf(wasm, [golden('a')], { framework: 'tfjs' })).toEqual([]);
    expect(mended(facts, webgpu)).toMatchObject({ name: 'webgpu, graph basic', backend: 'webgpu' });
    expect(mended({ ...facts, frameworkOptions }, webgpu)).toBeUndefined();
    // What was mended is not undone.
    expect(namesOf(mended(facts, webgpu) as Candidate, [])).toHaveLength(2);
  });

  test('a way is found again by its name, and another is not', () => {
    const goldens = [golden('a')];
    const steps = refinementsFor(facts);
    const ways: readonly Candidate[] = [
      { name: 'webgpu', backend: 'webgpu' },
      wasm,
      { ...wasm, name: 'wasm, one thread' },
    ];
    let made: readonly Candidate[] = ways;
    for (const step of steps) made = [...made, ...made.flatMap((each) => step(each, goldens))];
    for (const each of made) expect(wayNamed(each.name, ways, steps, goldens)).toEqual(each);
    expect(made.length).toBeGreaterThan(20);
    for (const name of ['', 'cuda', 'wasm, ', 'wasm, graph', 'wasm, fixed at batch=2 side=8', 'wasm, two threads'])
      expect(wayNamed(name, ways, steps, goldens)).toBeUndefined();
  });
});

test('what callers do meanwhile is no time of a way, nor of the reference', async () => {
  const clock = createFakeClock();
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  const tookMs = new WeakMap<object, number>();
  let runs = 0;
  let asked = 0;
  const trial = tryCandidate({
    candidate: { name: 'fast', backend: 'webgpu' },
    // Somebody's call is under way in two of three runs, and takes the machine.
    open: async () => ({
      openMs: 1,
      async run() {
        await wait(++runs % 3 === 0 ? 4 : 40);
        return [0];
      },
    }),
    watchCalls: () => () => runs % 3 !== 0,
    // It waits for its turn behind somebody's call, every other time.
    async reference() {
      await wait(++asked % 2 === 0 ? 10 : 70);
      const answer = [0];
      tookMs.set(answer, 9);
      return answer;
    },
    timeOf: (answer) => tookMs.get(answer as object),
    goldens: [{ inputs: [1], output: [0], origin: 'captured', shape: 'number' }],
    differs: () => undefined,
    warmupRequests: 0,
    clock,
    signal: new AbortController().signal,
  });
  void clock.run(60_000);
  expect((await trial).timings).toEqual([{ shape: 'number', runMs: 4, referenceMs: 10 }]);
});

test('at the next start the options that were best are opened at once', async () => {
  const ways = { fast: takes(5), 'fast, a1': takes(3), 'fast, a2': takes(7), 'fast, a1, b1': takes(2) };
  const first = simulateSearch(ways, { request: { ...exactOnly, refinements } });
  await first.runs(1, 4);
  expect((await first.settle(first.searching))?.name).toBe('fast, a1, b1');
  const second = simulateSearch(ways, { request: { ...exactOnly, refinements }, kept: first.kept });
  await second.runs(1, 2);
  expect((await second.settle(second.searching))?.name).toBe('fast, a1, b1');
  expect([...second.hosts.keys()]).toEqual(['fast, a1, b1']);
});
