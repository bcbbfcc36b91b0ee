/** A model and ways of running it, on a fake clock: what a search makes of them, without a host. */

import { valuesMatch } from '../../src/adapters/compare.ts';
import type { Candidate } from '../../src/compilation/candidates.ts';
import { variantCandidates } from '../../src/compilation/candidates.ts';
import { ModelCompiler } from '../../src/compilation/model-compiler.ts';
import type { CompilableModel, CompileEvent, CompileRequest } from '../../src/compilation/compile-request.ts';
import type { KeptVerdict } from '../../src/compilation/verdict-memory.ts';
import { Emitter } from '../../src/events.ts';
import type { FastPath } from '../../src/host/fast-path.ts';
import type { AnsweredCall, OpenedHost, SearchReport } from '../../src/host/hosted-model.ts';
import type { Portable } from '../../src/portable.ts';
import { GoldenStore } from '../../src/safety/golden-store.ts';
import { SafetyOrchestrator } from '../../src/safety/safety-orchestrator.ts';
import type { OutputValidator } from '../../src/safety/output-validator.ts';
import type { ValidationReport } from '../../src/safety/validation-report.ts';
import { embeddingValidator } from '../../src/safety/validators/embedding.ts';
import { createRandom } from './cache-traces.ts';
import { createFakeClock } from './fake-clock.ts';

export type Numbers = Float32Array;
const SIZE = 16;
const REFERENCE_MS = 10;
/** An embedding of whatever is asked: a direction that is another one for each question. */
export const right = (question: Numbers): Numbers =>
  Float32Array.from({ length: SIZE }, (_, i) => Math.sin((question[0] as number) * 1.7 + i * (question[0] as number)));
/** Off by so much of the largest value, as rounding to few bits is. */
export const coarse = (question: Numbers, by: number): Numbers =>
  right(question).map((each, i) => each + (by * (((i * 37) % 11) - 5)) / 5);

export interface Way {
  readonly answer: (question: Numbers, run: number) => Numbers;
  readonly ms: number;
}

export interface SimulatedSearchOptions {
  readonly sampleRate?: number;
  readonly validator?: OutputValidator<ValidationReport>;
  /** Most bytes of the inputs and answers that variants are held against. */
  readonly maxBytes?: number;
  readonly memoryBudgetMb?: number;
  /** What an earlier search came to. */
  readonly kept?: Map<string, KeptVerdict>;
  /** Whatever else the search is asked for. */
  readonly request?: Partial<CompileRequest<CompilableModel>>;
}

/**
 * Ways by name, beside a reference, 'cpu'. 'fast' is a backend; one called 'int8 on fast' is a variant on it.
 */
export function simulateSearch(
  ways: Readonly<Record<string, Way>>,
  {
    sampleRate = 0,
    validator = embeddingValidator(),
    request = {},
    kept = new Map(),
    maxBytes,
    memoryBudgetMb,
  }: SimulatedSearchOptions = {},
) {
  const clock = createFakeClock();
  const answered = new Emitter<AnsweredCall>();
  const closed = new Emitter<void>();
  let observer: ((args: readonly Portable[], answer: Portable) => void) | undefined;
  let fast: FastPath | undefined;
  let search: SearchReport | undefined;
  let restAfterMs: number | undefined;
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));
  /** Those of the reference. */
  const answers = new WeakSet<object>();
  const model: CompilableModel = {
    identity: 'model',
    async askReference([question]) {
      await wait(REFERENCE_MS);
      const answer = right(question as Numbers);
      answers.add(answer);
      return answer as unknown as Portable;
    },
    observe: (listener) => (observer = listener),
    use(way) {
      const before = fast;
      fast = way;
      if (before !== way) before?.close();
    },
    restReference: (idleMs) => (restAfterMs = idleMs),
    leave: ({ client }) => client.retire(),
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
  const goldens = new GoldenStore();
  const twinGoldens = new GoldenStore({ maxPerShape: 256, maxBytes });
  // One call beside the reference, and it is on: what comes between is the gate's matter.
  const orchestrator = new SafetyOrchestrator({
    clock,
    goldens,
    sampleRate,
    stages: [],
    shadowCalls: 1,
    random: createRandom(7),
  });
  const compiler = new ModelCompiler({
    clock,
    goldens,
    orchestrator,
    memoryBudgetMb,
    memory: {
      get: (key) => kept.get(key),
      put: (key, verdict) => void kept.set(key, verdict),
      delete: (key) => void kept.delete(key),
    },
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
    differs: ({ output }, answer) => (valuesMatch(output, answer, 1e-5) ? undefined : 'the numbers differ'),
    variants: {
      candidates: (bases) =>
        variantCandidates(
          variants.map((precision) => ({ precision, source: precision })),
          bases,
        ).filter(({ name }) => name in ways),
      goldens: twinGoldens,
      differs({ output }, answer) {
        const report = validate([{ expected: output, actual: answer }]);
        return report.verdict === 'failed' ? report.message : undefined;
      },
      proves: validate,
      needed: (output) =>
        Math.max(...validate([{ expected: output, actual: output }]).metrics.map((each) => each.samplesNeeded)),
      onAnswered: answered.event,
    },
    ...request,
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
    if (way !== undefined) {
      const answer = await way.run(args, {});
      answered.emit({ args, answer: undefined });
      return { answer: answer as unknown as Numbers, by: answers.has(answer as object) ? 'reference' : way.name };
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
  return {
    clock,
    model,
    compiler,
    hosts,
    events,
    run,
    runs,
    idle,
    closed,
    goldens,
    twinGoldens,
    orchestrator,
    searching,
    settle,
    kept,
    search: () => search,
    restAfterMs: () => restAfterMs,
  };
}
