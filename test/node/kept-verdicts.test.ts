/** What a search came to, kept for other processes. */

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEpochly, openStore, tensor } from 'epochly';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { USE_LITE } from '../helpers/models.ts';
import { runProgram, startProgram } from './support/store-program.ts';

const DIST = new URL('../../dist/', import.meta.url).href;

afterEach(() => vi.restoreAllMocks());

async function newPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'epochly-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, 'verdicts.sqlite');
}

/** A start that searches over two ways which are the model itself, by a reference that takes 30 ms longer. */
const START = `
  const [path, place] = args;
  const { ModelCompiler } = await import('${DIST}src/compilation/model-compiler.js');
  const { verdictsIn } = await import('${DIST}src/compilation/verdict-store.js');
  const { GoldenStore } = await import('${DIST}src/safety/golden-store.js');
  const { SafetyOrchestrator } = await import('${DIST}src/safety/safety-orchestrator.js');
  const { nodePlatform: platform } = await import('${DIST}platforms/node/platform.js');
  const { loadModel } = await import('${DIST}src/load.js');
  const { tensor } = await import('${DIST}src/tensor.js');
  const model = await loadModel(platform, ${JSON.stringify(USE_LITE)});
  const opened = [];
  const slow = {
    identity: model.identity,
    async askReference(...given) {
      const answer = await model.askReference(...given);
      await new Promise((resolve) => setTimeout(resolve, 30));
      return answer;
    },
    observe: (listener) => model.observe(listener),
    use: (fast) => model.use(fast),
    report: (search) => model.report(search),
    leave: (host) => model.leave(host),
    onClosing: (listener) => model.onClosing(listener),
  };
  const { clock, digest } = platform;
  const goldens = new GoldenStore();
  const compiler = new ModelCompiler({
    clock,
    goldens,
    orchestrator: new SafetyOrchestrator({ clock, goldens }),
    memory: verdictsIn({ clock, digest, open: () => openSqliteStore({ path }) }),
  });
  const searching = compiler.compileAsync({
    model: slow,
    modelBytes: 1,
    place,
    differs: ({ output }, answer) =>
      answer.sentence_embedding.data.every((each, i) => Math.abs(each - output.sentence_embedding.data[i]) < 1e-4)
        ? undefined
        : 'other numbers',
    candidates: async () => ['one', 'two'].map((name) => ({ name, backend: 'cpu' })),
    open: (candidate, signal) => {
      opened.push(candidate.name);
      return model.openWay(candidate, signal);
    },
  });
  let first = 0;
  let chosen;
  void searching.then((fast) => (chosen = fast?.name ?? 'none'));
  for (let calls = 0; chosen === undefined; calls++) {
    const ids = [5 + (first++ % 1000), 40, 300];
    await model.run({ input_ids: tensor('int64', ids, [1, 3]), attention_mask: tensor('int64', [1, 1, 1], [1, 3]) });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await model.close();
  process.stdout.write(JSON.stringify({ opened, isKnown: ['one', 'two'].includes(chosen) }));
`;

async function start(path: string, place: string): Promise<{ readonly opened: string[]; readonly isKnown: boolean }> {
  const { output, code } = await runProgram(START, { args: [path, place] });
  expect(code, output).toBe(0);
  return JSON.parse(output) as { readonly opened: string[]; readonly isKnown: boolean };
}

test('the second process opens what the first one chose, and searches nothing; another version searches anew', async () => {
  const path = await newPath();
  expect(await start(path, 'version 1')).toEqual({ opened: ['one', 'two'], isKnown: true });
  const second = await start(path, 'version 1');
  expect(second.opened).toHaveLength(1);
  expect(second.isKnown).toBe(true);
  expect(await start(path, 'version 2')).toEqual({ opened: ['one', 'two'], isKnown: true });
  // The one of before is still there.
  expect((await start(path, 'version 1')).opened).toHaveLength(1);
});

test('where the file is damaged it is searched as if nothing was kept, and kept again', async () => {
  const path = await newPath();
  await start(path, '');
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0x5a, 0, 512));
  expect((await runProgram(START, { args: [path, ''] })).output).toContain('"opened":["one","two"]');
});

const WRITER = `
  const { verdictsIn } = await import('${DIST}src/compilation/verdict-store.js');
  const { nodePlatform: { clock, digest } } = await import('${DIST}platforms/node/platform.js');
  const [path, how] = args;
  const memory = verdictsIn({ clock, digest, open: () => openSqliteStore({ path }) });
  const timings = Array.from({ length: 100 }, (_, i) => ({ shape: 'float32[' + i + ']', runMs: i, referenceMs: 9 }));
  const trial = { passed: true, goldens: 3, timings };
  if (how === 'write') {
    for (let i = 0; ; i++) {
      const candidate = 'way ' + i;
      await memory.put('key', { candidate, tried: [{ ...trial, candidate }], searchedAt: clock.epochNow() });
      if (i === 3) process.send('writing');
    }
  }
  const kept = await memory.get('key');
  process.stdout.write(JSON.stringify([kept?.candidate, kept?.tried[0].timings.length]));
`;

test('of a process that is killed while it writes there is the verdict of before or that of after', async () => {
  const path = await newPath();
  for (let round = 0; round < 3; round++) {
    const child = startProgram(WRITER, { args: [path, 'write'] });
    await once(child, 'message');
    child.kill('SIGKILL');
    await once(child, 'close');
    const { output } = await runProgram(WRITER, { args: [path, 'read'] });
    expect(JSON.parse(output)).toEqual([expect.stringMatching(/^way \d+$/), 100]);
  }
});

const feeds = (...ids: readonly number[]) => ({
  input_ids: tensor('int64', ids, [1, ids.length]),
  attention_mask: tensor(
    'int64',
    ids.map(() => 1),
    [1, ids.length],
  ),
});

/** Loads it and calls it until the search has ended. */
async function searched(verdictsPath: string) {
  const config = {
    cache: { enabled: false },
    batching: { enabled: false },
    compilation: { keepVerdicts: true, verdictsPath },
  };
  const model = await createEpochly({ config }).load(USE_LITE, { backend: 'auto' });
  onTestFinished(() => model.close());
  let first = 10;
  await vi.waitFor(
    async () => {
      await model.run(feeds(first++, 40, 300));
      expect(['done', 'off']).toContain(model.backendReport.search?.state);
    },
    { timeout: 50_000 },
  );
  return model.backendReport.search;
}

test('load() keeps what it is told to keep, also where answers are not kept', async () => {
  const path = await newPath();
  const first = await searched(path);
  expect(first?.verdicts.map(({ candidate }) => candidate)).toContain('cpu, one thread');
  const store = await openStore(path);
  onTestFinished(() => store.close());
  await vi.waitFor(async () => expect(await store.keys('verdict/')).toHaveLength(1));
  const second = await searched(path);
  if (first?.chosen === undefined) expect(second?.reason).toContain('earlier start');
  else {
    expect(second?.chosen).toBe(first.chosen);
    // The others are told as they were.
    expect(second?.verdicts[0]).toMatchObject({ candidate: first.chosen, goldens: 1 });
    expect(second?.verdicts).toHaveLength(first.verdicts.length);
  }
});

test('a file that cannot be is said once, and harms nobody', async () => {
  const warn = vi.spyOn(console, 'warn').mockReturnValue(undefined);
  const path = join(USE_LITE, 'no-folder', 'verdicts.sqlite');
  const search = await searched(path);
  expect(search?.verdicts.map(({ candidate }) => candidate)).toContain('cpu, one thread');
  await vi.waitFor(() => expect(warn).toHaveBeenCalledOnce());
  expect(warn).toHaveBeenCalledWith(expect.stringContaining('epochly searches anew at each start'));
});
