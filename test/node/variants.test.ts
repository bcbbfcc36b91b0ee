/** The int8 twin of a real model, in its place where its answers are right for the workload; and whose answers are kept as whose. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  createEpochly,
  embeddingValidator,
  GoldenStore,
  ModelCompiler,
  SafetyOrchestrator,
  tensor,
  unwrap,
} from 'epochly';
import type { CallEvent, CompilableModel, Epochly, InferenceConfigInit, LoadedModel, LoadOptions } from 'epochly';
import { createRandom } from '../helpers/cache-traces.ts';
import { valuesMatch } from '../../src/adapters/compare.ts';
import { systemClock } from '../../src/clock.ts';
import { variantCandidates } from '../../src/compilation/candidates.ts';
import { OCR_CLASSIFIER, USE_LITE, USE_LITE_FOLDER } from '../helpers/models.ts';

const INT8 = join(USE_LITE_FOLDER, 'model_int8.onnx');
const TWIN: LoadOptions = { variants: [{ source: INT8, precision: 'int8' }], workload: 'embedding' };

const INT8_TWICE = ['int8', 'int8'].map((precision) => ({ source: INT8, precision }));

let folder: string;
const opened: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'epochly-variants-'));
  process.env['EPOCHLY_ENCRYPTION_KEY'] = Buffer.alloc(32, 7).toString('base64');
});
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
  delete process.env['EPOCHLY_ENCRYPTION_KEY'];
  await rm(folder, { recursive: true });
});

function open(config: InferenceConfigInit): Epochly {
  const epochly = createEpochly({ config: { batching: { enabled: false }, ...config } });
  opened.push(epochly);
  return epochly;
}

async function load(
  epochly: Epochly,
  options: Parameters<Epochly['load']>[1],
  source = USE_LITE,
): Promise<LoadedModel> {
  const model = await epochly.load(source, options);
  opened.push(model);
  return model;
}

const random = createRandom(5);
const ids = (): readonly number[] => Array.from({ length: 6 }, () => 1 + Math.floor(random() * 8000));
const feeds = (given: readonly number[]) => ({
  input_ids: tensor('int64', given, [1, given.length]),
  attention_mask: tensor(
    'int64',
    given.map(() => 1),
    [1, given.length],
  ),
});
const ask = async (model: LoadedModel, given: readonly number[]): Promise<Float32Array> =>
  (await model.run(feeds(given))).sentence_embedding.data;
const same = (a: Float32Array, b: Float32Array): boolean => valuesMatch(a, b, 1e-5);

/** A model and its twin, by a search in which the reference takes long: so that what is right is also faster, whatever the machine does. */
async function loadWithTwin(epochly: Epochly): Promise<LoadedModel> {
  const model = await load(epochly, { ...TWIN, config: { maxLevel: 2 } });
  const hosted = unwrap(model);
  const slow: CompilableModel = {
    identity: hosted.identity,
    async askReference(...args) {
      const answer = await hosted.askReference(...args);
      await new Promise<void>((resolve) => void systemClock.after(20, resolve, true));
      return answer;
    },
    observe: hosted.observe.bind(hosted),
    use: hosted.use.bind(hosted),
    report: hosted.report.bind(hosted),
    leave: hosted.leave.bind(hosted),
    onClosing: hosted.onClosing.bind(hosted),
  };
  const validator = embeddingValidator();
  const { variants = [] } = hosted.twins ?? {};
  const goldens = new GoldenStore();
  const compiler = new ModelCompiler({
    clock: systemClock,
    goldens,
    orchestrator: new SafetyOrchestrator({ goldens, sampleRate: 0 }),
    warmupRequests: 0,
  });
  void compiler.compileAsync({
    model: slow,
    modelBytes: 1,
    candidates: async () => [],
    reference: { name: 'cpu', backend: 'cpu' },
    open: (candidate, signal) => hosted.openWay(candidate, signal),
    differs: () => 'not this one',
    variants: {
      candidates: (bases) => variantCandidates(variants, bases),
      goldens: new GoldenStore({ maxPerShape: 64 }),
      differs({ output }, answer) {
        const report = validator.validate([{ expected: output, actual: answer }]);
        return report.verdict === 'failed' ? report.message : undefined;
      },
      proves: (pairs) => validator.validate(pairs),
      needed: () => 59,
      onAnswered: hosted.onAnswered,
    },
  });
  return model;
}

/** Asks new questions until the twin answers them. */
async function untilTwinAnswers(model: LoadedModel, exact: LoadedModel): Promise<void> {
  await vi.waitFor(
    async () => {
      const given = ids();
      expect(same(await ask(model, given), await ask(exact, given))).toBe(false);
      expect(model.backendReport.search?.gate?.state).toBe('on');
    },
    { timeout: 50_000, interval: 5 },
  );
}

describe('answers of a twin', () => {
  test.each(['persisted_encrypted', 'ephemeral'] as const)(
    'are kept as its own (%s): who does not use it is never given them, nor is anybody once it is dropped',
    async (mode) => {
      const config: InferenceConfigInit = {
        cache: { l2Path: mode === 'ephemeral' ? '' : join(folder, 'answers.sqlite') },
        privacy: { mode, auditLogEnabled: false },
      };
      const epochly = open(config);
      const sources: CallEvent['source'][] = [];
      const reference = await load(open({ cache: { enabled: false } }), {});
      const model = await loadWithTwin(epochly);
      const [before, after] = [ids(), ids()];
      const exactBefore = await ask(reference, before);
      const exactAfter = await ask(reference, after);
      expect(same(await ask(model, before), exactBefore)).toBe(true);

      await untilTwinAnswers(model, reference);
      const { verdicts = [], chosen = '' } = model.backendReport.search ?? {};
      expect(chosen).toBe('int8 on cpu');
      expect(verdicts.find(({ candidate }) => candidate === chosen)).toMatchObject({ passed: true, goldens: 59 });
      epochly.onCall(({ source }) => sources.push(source));
      // What was kept before is the model's own answer, and no longer what would be answered.
      expect(same(await ask(model, before), exactBefore)).toBe(false);
      const lossy = await ask(model, after);
      expect(same(lossy, exactAfter)).toBe(false);
      expect(await ask(model, after)).toEqual(lossy);
      expect(sources).toEqual(['model', 'model', 'l1']);

      // Another of the same process, and what is opened later on what was kept, do not use it.
      await epochly.cache.flush();
      expect(same(await ask(await load(epochly, {}), after), exactAfter)).toBe(true);
      expect(same(await ask(await load(open(config), {}), after), exactAfter)).toBe(true);

      unwrap(model).use(undefined);
      sources.length = 0;
      expect(same(await ask(model, after), exactAfter)).toBe(true);
      expect(await ask(model, before)).toEqual(exactBefore);
      // That is the answer of before, which was right.
      expect(sources.at(-1)).toBe('l1');
    },
  );

  test('that is on its way while the twin takes over, or is dropped, is kept as nobody’s', async () => {
    const epochly = open({});
    const reference = await load(open({ cache: { enabled: false } }), {});
    const model = await loadWithTwin(epochly);
    await untilTwinAnswers(model, reference);
    const given = ids();
    const running = ask(model, given);
    unwrap(model).use(undefined);
    await running;
    expect(same(await ask(model, given), await ask(reference, given))).toBe(true);
    expect(epochly.cache.getStats().refused.invalidated).toBeGreaterThan(0);
  });
});

test('load() holds an int8 twin against the model on 59 real calls, and finds it right for the workload', async () => {
  const epochly = open({ cache: { enabled: false } });
  const model = await load(epochly, { ...TWIN, backend: 'auto' });
  const states = new Set<string>();
  await vi.waitFor(
    async () => {
      await ask(model, ids());
      const { state, verdicts = [] } = model.backendReport.search ?? {};
      states.add(state ?? '');
      expect(state).toBe('done');
      expect(verdicts.some(({ candidate }) => candidate.startsWith('int8'))).toBe(true);
    },
    { timeout: 55_000, interval: 20 },
  );
  expect([...states]).toEqual(expect.arrayContaining(['gathering', 'searching', 'done']));
  const { verdicts = [], goldens } = model.backendReport.search ?? {};
  const twins = verdicts.filter(({ candidate }) => candidate.startsWith('int8'));
  for (const each of twins) expect(each).toMatchObject({ passed: true, goldens: 59 });
  expect(verdicts.map(({ candidate }) => candidate)).toEqual(
    expect.arrayContaining(['cpu, one thread', 'int8 on cpu', 'int8 on cpu, one thread']),
  );
  expect(goldens).toEqual({ captured: 3, generated: 0 });
});

test.each<[string, LoadOptions, string]>([
  [
    'whose workload nothing says',
    { variants: [{ source: INT8, precision: 'int8' }] },
    'classifier, embedding, encoder',
  ],
  ['of no workload that there is', { workload: 'chess' as never }, 'no workload "chess"'],
  ['beside a backend that is named', { ...TWIN, backend: 'cpu' }, 'A backend that is named'],
  ['without a name', { ...TWIN, variants: [{ source: INT8 } as never] }, 'a source and a precision'],
  ['of the same name', { ...TWIN, variants: INT8_TWICE }, 'Two variants are called int8'],
  ['that are no list', { ...TWIN, variants: INT8 as never }, 'are a list'],
  ['with no hash', { ...TWIN, variants: [{ source: INT8, precision: 'int8', expectedHash: 'f' }] }, '64 hexadecimal'],
])('variants %s are refused before anything is read', async (_name, options, message) => {
  const loading = open({}).load('no such file', options);
  await expect(loading).rejects.toMatchObject({ code: 'CONFIG', message: expect.stringContaining(message) });
});

test('of a pipeline the task says what it is for, where that is sure', async () => {
  const variants = [{ source: INT8, precision: 'int8' }];
  const loading = (task: string) => open({}).load({ task, model: join(folder, 'none') }, { variants });
  await expect(loading('feature-extraction')).rejects.toMatchObject({ code: 'MODEL_LOAD' });
  for (const task of ['object-detection', 'constructor'])
    await expect(loading(task)).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining('give the workload'),
    });
});

test('a variant that is not there, is another file or another model is refused, and the model answers', async () => {
  const epochly = open({ cache: { enabled: false } });
  const model = await load(epochly, {
    workload: 'embedding',
    frameworkOptions: { intraOpNumThreads: 1, graphOptimizationLevel: 'all' },
    variants: [
      { precision: 'gone', source: join(folder, 'gone.onnx') },
      { precision: 'changed', source: INT8, expectedHash: '0'.repeat(64) },
      { precision: 'another', source: OCR_CLASSIFIER },
    ],
  });
  expect(epochly.optimizer.explain(model.modelId)).toMatchObject({ level: 4, steps: { lossy: { on: true } } });
  await vi.waitFor(
    async () => {
      await ask(model, ids());
      expect(model.backendReport.search?.verdicts.some(({ candidate }) => candidate.startsWith('another'))).toBe(true);
      expect(model.backendReport.search?.state).toBe('done');
    },
    { timeout: 50_000, interval: 0 },
  );
  const { verdicts = [] } = model.backendReport.search ?? {};
  const reasonOf = (precision: string): string | undefined =>
    verdicts.find(({ candidate }) => candidate.startsWith(precision))?.reason;
  expect(reasonOf('gone')).toContain('gone.onnx');
  expect(reasonOf('changed')).toContain('0000');
  expect(reasonOf('another')).toContain('no input');
});

test('a level that is given with the model stands', async () => {
  const epochly = open({ cache: { enabled: false } });
  const model = await load(epochly, { ...TWIN, config: { maxLevel: 3 } });
  expect(epochly.optimizer.explain(model.modelId)).toMatchObject({
    level: 3,
    steps: { compilation: { on: true }, lossy: { on: false, reason: 'max_level is 3; this is level 4' } },
  });
  expect(unwrap(model).twins?.variants).toHaveLength(1);
  const plain = await load(epochly, { backend: 'auto', config: { maxLevel: 2 } });
  await ask(plain, ids());
  expect(plain.backendReport.search).toBeUndefined();
});
