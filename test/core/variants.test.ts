/** Twins of a model: none answers before it was right on enough different inputs, and faster than what is right to the rounding. */

import { expect, test } from 'vitest';
import { createValidator } from '../../src/safety/output-validator.ts';
import { coarse, right, simulateSearch } from '../helpers/simulated-search.ts';
import type { Numbers, Way } from '../helpers/simulated-search.ts';

const int8: Way = { answer: (question) => coarse(question, 0.01), ms: 1 };

test('a twin answers once 59 different inputs were answered alike for the workload, and the search says how many are missing', async () => {
  const { runs, run, idle, search, hosts } = simulateSearch({ 'int8 on cpu': int8 });
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
  expect((await run(99)).by).toBe('reference');
  expect((await run(100)).by).toBe('int8 on cpu');
});

test('one that is wrong for the workload is refused, and named with what was measured', async () => {
  const { runs, run, idle, search, hosts, events } = simulateSearch({
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
  const { runs, idle, search, run } = simulateSearch({ 'int8 on cpu': { answer: odd, ms: 1 } }, { validator });
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
  const { runs, run, idle, search, hosts } = simulateSearch({
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
  const { runs, run, idle, hosts, search } = simulateSearch({ fast: { answer: right, ms: 5 }, 'int8 on fast': int8 });
  await runs(1, 70);
  await idle();
  expect(search()?.chosen).toBe('int8 on fast');
  expect((await run(99)).by).toBe('int8 on fast');
  expect(hosts.get('fast')?.retired).toBe(true);
});

test('while it serves it is held to the workload, and dropped for an answer that is no right one', async () => {
  const { runs, run, idle, search, events, clock, settle } = simulateSearch(
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

test('where it is dropped, what gave the same answers is opened again, and held against one of them', async () => {
  const lying: Way = { answer: (question, n) => (n > 2000 ? question : coarse(question, 0.01)), ms: 1 };
  const ways = { fast: { answer: right, ms: 5 }, 'int8 on fast': lying };
  const { runs, run, idle, search, events, hosts } = simulateSearch(ways, { sampleRate: 1 });
  await runs(1, 70);
  await idle();
  expect(search()?.chosen).toBe('int8 on fast');
  for (let i = 0; i < 2000 && search()?.chosen === 'int8 on fast'; i++) await run(i);
  await idle();
  const kinds = events.map(({ kind }) => kind).filter((kind) => kind !== 'shape_proven');
  expect(kinds).toEqual(['chosen', 'chosen', 'rolled_back', 'chosen']);
  expect(await run(99)).toEqual({ answer: right(Float32Array.of(99, 0)), by: 'fast' });
  expect(hosts.get('int8 on fast')?.retired).toBe(true);
});

test('a model that is closed while inputs are gathered, or variants tried, leaves nothing open', async () => {
  for (const calls of [10, 70]) {
    const { runs, run, idle, hosts, closed, events, compiler, model } = simulateSearch({
      'int8 on cpu': { ...int8, ms: 500 },
    });
    await runs(1, calls);
    closed.emit();
    await idle();
    for (const each of hosts.values()) expect(each.retired).toBe(true);
    await run(99);
    expect(events.map(({ kind }) => kind)).toEqual(['kept_reference']);
    expect(compiler.getCompiled(model)).toBeUndefined();
  }
});

test('a model that is closed at whichever moment of the end of a search leaves nothing open', async () => {
  const search = async (closesAfter: number): Promise<boolean | undefined> => {
    let last = Infinity;
    let hops = closesAfter;
    const begin = (runs: number) => {
      last = runs;
      const simulated = simulateSearch(
        { fast: { answer: (question, n) => (n === last && close(), right(question)), ms: 5 } },
        { request: { variants: undefined } },
      );
      return simulated;
    };
    const first = begin(Infinity);
    await first.runs(1, 4);
    await first.settle(first.searching);
    const second = begin(first.hosts.get('fast')?.runs as number);
    function close(): void {
      if (hops-- > 0) return queueMicrotask(close);
      second.closed.emit();
      second.model.use(undefined);
    }
    await second.runs(1, 4);
    await second.settle(second.searching);
    await second.idle();
    return second.hosts.get('fast')?.retired;
  };
  for (let hops = 0; hops < 40; hops++) expect([hops, await search(hops)]).toEqual([hops, true]);
});

test.each([
  ['together', 3000],
  ['even alone', 50],
])('inputs that are too large to keep, %s, end the search for variants, which says so', async (_name, maxBytes) => {
  const { runs, run, search, hosts, events } = simulateSearch({ 'int8 on cpu': int8 }, { maxBytes });
  await runs(1, 70);
  expect(search()).toMatchObject({
    state: 'done',
    missing: undefined,
    reason: expect.stringContaining('too much to keep'),
  });
  expect(hosts.size).toBe(0);
  expect(events.at(-1)?.kind).toBe('variants_refused');
  expect((await run(99)).by).toBe('reference');
});

test('one that was wrong before, in this process, takes the place of nobody', async () => {
  const ways = { fast: { answer: right, ms: 5 }, 'int8 on fast': int8 };
  const { runs, run, idle, search, hosts, events, orchestrator, clock, settle } = simulateSearch(ways);
  const other = orchestrator.gateOptimization({
    model: 'model',
    optimizationName: 'int8 on fast',
    reference: ([question]) => right(question as Numbers),
    optimized: ([question]) => question as Numbers,
  });
  for (let i = 1; i < 5; i++) await other.run([Float32Array.of(i, 0)]);
  await settle(clock.run(1000));
  expect(other.state).toBe('off');
  await runs(1, 70);
  await idle();
  expect(hosts.get('int8 on fast')?.retired).toBe(true);
  expect(search()).toMatchObject({ state: 'done', chosen: 'fast' });
  expect(hosts.get('fast')?.retired).toBe(false);
  expect((await run(99)).by).toBe('fast');
  expect(events.map(({ candidate }) => candidate)).not.toContain('int8 on fast');
});

test('once they are decided, what they were held against is let go', async () => {
  const { runs, idle, search, twinGoldens } = simulateSearch({ 'int8 on cpu': int8 });
  await runs(1, 60);
  expect(twinGoldens.summary('model').bytes).toBeGreaterThan(0);
  await runs(60, 70);
  await idle();
  expect(search()?.chosen).toBe('int8 on cpu');
  expect(twinGoldens.summary('model').bytes).toBe(0);
});

test('where memory is short the reference is open from when one is let in until it answers', async () => {
  const ways = { fast: { answer: right, ms: 5 }, 'int8 on fast': int8 };
  const { runs, run, idle, search, restAfterMs } = simulateSearch(ways, { memoryBudgetMb: 1e-9 });
  await runs(1, 50);
  expect([search()?.chosen, restAfterMs()]).toEqual(['fast', 30_000]);
  for (let i = 50; i < 70 && search()?.chosen === 'fast'; i++) {
    await run(i);
    await idle();
  }
  expect([search()?.chosen, restAfterMs()]).toEqual(['int8 on fast', undefined]);
  await run(99);
  await idle();
  expect((await run(100)).by).toBe('int8 on fast');
  expect(restAfterMs()).toBe(30_000);
});
