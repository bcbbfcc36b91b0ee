/** @module Finds the fastest way of running a model that gives the reference's answers, in the background. */

import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { FastPath } from '../host/fast-path.ts';
import type { Portable } from '../portable.ts';
import type { Golden } from '../safety/golden-store.ts';
import type { Candidate } from './candidates.ts';
import { CompileSafetyMonitor } from './compile-safety-monitor.ts';
import type { PreCompileResult } from './compile-safety-monitor.ts';
import { keyOf } from './compile-request.ts';
import type {
  AnyRequest,
  CompilableModel,
  CompileEvent,
  CompileRequest,
  CompilerOptions,
  ModelCompilerOptions,
} from './compile-request.ts';
import { Contest, shareOf } from './contest.ts';
import { FirstCalls } from './first-calls.ts';
import { proveAgain } from './re-proof.ts';
import { wayNamed } from './refinements.ts';
import { SearchReports } from './search-reports.ts';
import type { Verdict } from './trial.ts';
import { searchVariants } from './variant-search.ts';
import { bounded, checked, chosenIn, remember } from './verdict-memory.ts';
import type { KeptTrial, KeptVerdict, VerdictMemory } from './verdict-memory.ts';
import { WaysInUse } from './ways-in-use.ts';

/** Less than this share of the reference's time is worth a second copy of the model. */
const WORTHWHILE = 0.9;
/** An option must save as much of the best way's time: less is within what timing is off by. */
const REFINED = 0.95;
/** Milliseconds after which no other way is opened. */
const SEARCH_MS = 300_000;
/** Longest that is waited for what was kept, in milliseconds. */
const RECALL_MS = 5000;

const NO_MEMORY: VerdictMemory = { get: () => undefined, put: () => undefined, delete: () => undefined };

/** What a search for a way with the same answers came to. */
export interface Found {
  readonly fast: FastPath | undefined;
  /** Ways that gave the same answers, the reference first. */
  readonly bases: readonly Candidate[];
  /** The time of what answers now, as a share of the reference's. */
  readonly share: number;
}

interface Compiling {
  readonly stop: AbortController;
  readonly searching: Promise<FastPath | undefined>;
}

/**
 * Per model one search: the reference answers meanwhile. Each candidate is opened in a place of its own, is held against the
 * reference on goldens, again and again, and timed beside it; the fastest that gave the same answers comes behind a gate, which lets it
 * answer by and by, holds it against the reference on a sample of what it answers, and drops it at the first difference.
 */
export class ModelCompiler {
  readonly onEvent: EventSource<CompileEvent>;
  readonly #events = new Emitter<CompileEvent>();
  readonly #options: CompilerOptions;
  readonly #reports: SearchReports;
  readonly #ways: WaysInUse;
  readonly #models = new WeakMap<CompilableModel, Compiling>();

  constructor({
    warmupRequests = 3,
    monitor = new CompileSafetyMonitor(),
    memoryBudgetMb = 0,
    memory = NO_MEMORY,
    timeOf = () => undefined,
    ...options
  }: ModelCompilerOptions) {
    this.#options = { ...options, warmupRequests, monitor, memoryBudgetMb, memory, timeOf };
    const emit = (event: CompileEvent): void => this.#events.emit(event);
    this.#reports = new SearchReports(options.goldens, emit);
    this.#ways = new WaysInUse(this.#options, this.#reports, emit);
    this.onEvent = this.#events.event;
  }

  /** Whether a second copy of the model fits now. */
  preCompileCheck({ modelBytes }: Pick<AnyRequest, 'modelBytes'>, sampleInput: Portable): PreCompileResult {
    return this.#options.monitor.preCompileCheck({ modelBytes }, sampleInput);
  }

  /** Begins the search, once for each model. Resolves with the faster way when it is behind its gate; undefined where there is none. */
  compileAsync<Model extends CompilableModel>(request: CompileRequest<Model>): Promise<FastPath | undefined> {
    const known = this.#models.get(request.model);
    if (known !== undefined) return known.searching;
    const stop = new AbortController();
    const searching = this.#compile(request, stop.signal);
    this.#models.set(request.model, { stop, searching });
    // It may be closed already.
    request.model.onClosing(() => this.stop(request.model));
    return searching;
  }

  /** The faster way that answers, as far as it is trusted; undefined where the reference answers all. */
  getCompiled(model: CompilableModel): FastPath | undefined {
    return this.#ways.get(model);
  }

  /** Ends the search of a model: it is being closed. */
  stop(model: CompilableModel): void {
    this.#models.get(model)?.stop.abort(new Error('The model is closed.'));
    this.#ways.forget(model);
  }

  async #compile(request: AnyRequest, signal: AbortSignal): Promise<FastPath | undefined> {
    const { model, variants } = request;
    try {
      const found = await this.#sameAnswers(request, signal).finally(() => model.observe(undefined));
      if (found !== undefined && variants !== undefined)
        void searchVariants({
          ...this.#options,
          request,
          search: variants,
          found,
          signal,
          reports: this.#reports,
          ways: this.#ways,
          worthwhile: WORTHWHILE,
          budgetMs: SEARCH_MS,
        });
      return found?.fast;
    } catch (error) {
      if (signal.aborted) return undefined;
      return this.#reports.keepReference(model, `The search failed: ${(error as Error).message}`);
    }
  }

  /** Looks for a way that gives the same answers. Undefined where the model is left alone. */
  async #sameAnswers(request: AnyRequest, signal: AbortSignal): Promise<Found | undefined> {
    const { goldens, warmupRequests } = this.#options;
    const { model, modelBytes, generated = [] } = request;
    const keepReference = (reason: string, verdicts?: readonly Verdict[]): undefined =>
      this.#reports.keepReference(model, reason, verdicts);
    const ask = (inputs: readonly Portable[]): Promise<Portable> => model.askReference(inputs, signal);
    this.#reports.say(model, { state: 'waiting' });
    const calls = new FirstCalls(model, (args, answer) => goldens.capture(model.identity, args, answer, ask), signal);
    const kept = await this.#recall(request);
    // What was chosen before has to be held against one answer, and what is not known yet against several.
    if (kept?.candidate !== undefined && this.preCompileCheck({ modelBytes }, null).canCompile) {
      const again = await this.#useKept(request, kept, calls, signal);
      if (again !== undefined) return again;
    }
    // Where made-up inputs mean something to the model; what is really asked meanwhile counts more.
    const isMadeUp = generated.length > 0 && (await goldens.generate(model.identity, generated, ask)) > 0;
    const sample = isMadeUp ? generated[0] : await calls.reached(Math.max(1, warmupRequests));
    if (!isMadeUp) calls.end();
    const { canCompile, reason } = this.preCompileCheck({ modelBytes }, sample as Portable);
    if (!canCompile) return keepReference(reason as string);
    const candidates = await request.candidates();
    const bases = request.reference === undefined ? [] : [request.reference];
    const nothing: Found = { bases, fast: undefined, share: 1 };
    if (candidates.length === 0 && (request.refinements ?? []).length === 0)
      return keepReference('There is nothing here that could be faster than the reference.') ?? nothing;
    if (kept !== undefined && kept.candidate === undefined && wereTried(candidates, kept)) {
      const before = kept.tried.map(ofBefore);
      return keepReference('At an earlier start nothing was faster than the reference.', before) ?? nothing;
    }
    if ((await goldens.checkDeterminism(model.identity, sample as readonly Portable[], ask)) !== 'deterministic')
      return keepReference('The model does not answer equal inputs alike, so that nothing can be held against it.');
    if (goldens.get(model.identity).length === 0)
      return keepReference('Of what was called nothing may be kept that a faster way could be held against.');
    return this.#search(request, candidates, signal);
  }

  /** What was kept of an earlier start; undefined where there is nothing, or it cannot be had, or it takes long. */
  async #recall(request: AnyRequest): Promise<KeptVerdict | undefined> {
    const { clock, memory } = this.#options;
    let timer: Disposable | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = clock.after(RECALL_MS, () => resolve(undefined));
    });
    const recall = async (): Promise<unknown> => memory.get(keyOf(request));
    try {
      return checked(await Promise.race([recall(), late]), clock.epochNow());
    } catch {
      return undefined;
    } finally {
      timer?.[Symbol.dispose]();
    }
  }

  /** Opens what was chosen before, and uses it where it still gives the reference's answer; undefined where it does not. */
  async #useKept(
    request: AnyRequest,
    kept: KeptVerdict,
    calls: FirstCalls,
    signal: AbortSignal,
  ): Promise<Found | undefined> {
    const { goldens, memory, warmupRequests } = this.#options;
    const { model, open, possible = request.candidates, reference, refinements = [] } = request;
    const before = chosenIn(kept);
    if (before === undefined) return undefined;
    // Of a call in which there was something to redact there may be nothing left to prove it on.
    const firstGolden = async (): Promise<Golden> => {
      for (let count = 1; count <= Math.max(1, warmupRequests); count++) {
        await calls.reached(count);
        const [golden] = goldens.get(model.identity);
        if (golden !== undefined) return golden;
      }
      throw new Error('Nothing was called that it can be proven on.');
    };
    const bases = reference === undefined ? [] : [reference];
    const ways = [...(await possible()), ...bases];
    const candidate = wayNamed(kept.candidate as string, ways, refinements, goldens.get(model.identity));
    const proof =
      candidate &&
      (await proveAgain({
        ...this.#options,
        differs: request.differs,
        candidate,
        open: (until) => open(candidate, until),
        reference: (inputs, until) => model.askReference(inputs, until),
        device: kept.device,
        timings: before.timings,
        golden: firstGolden,
        signal,
      }));
    if (proof?.host === undefined || candidate === undefined) {
      remember(memory, (each) => each.delete(keyOf(request)));
      return undefined;
    }
    const { host, verdict } = proof;
    calls.end();
    const knownShapes = new Set(before.timings.map(({ shape }) => shape));
    const others = kept.tried.filter((each) => each !== before).map(ofBefore);
    const { isTrusted, searchedAt } = kept;
    const letIn = { verdicts: [verdict, ...others], signal, knownShapes, isTrusted, searchedAt };
    const fast = this.#ways.letIn(request, { candidate, host, verdict }, letIn);
    return { fast, bases: [...bases, candidate], share: shareOf(before) };
  }

  /** Tries the ways, then the options of the best one: not each with each, which would take for ever. */
  async #search(request: AnyRequest, candidates: readonly Candidate[], signal: AbortSignal): Promise<Found> {
    const { clock, goldens, warmupRequests, memory, timeOf } = this.#options;
    const { differs } = request;
    const { model, open, reference, refinements = [], mended, watchCalls } = request;
    const contest = new Contest({ clock, signal, open, worthwhile: WORTHWHILE, budgetMs: SEARCH_MS });
    const bases = reference === undefined ? [] : [reference];
    let heldAgainst: readonly Golden[] = [];
    const enter = async (candidate: Candidate, margin?: number): Promise<void> => {
      this.#reports.say(model, { state: 'searching', verdicts: [...contest.verdicts] });
      const held = goldens.get(model.identity);
      const ask = (inputs: readonly Portable[], until: AbortSignal): Promise<Portable> =>
        model.askReference(inputs, until);
      const trial = { reference: ask, goldens: held, differs, warmupRequests, timeOf, watchCalls };
      const verdict = await contest.enter(candidate, trial, margin);
      if (contest.best?.candidate === candidate) heldAgainst = held;
      if (margin === undefined && verdict.passed) bases.push(candidate);
      // It opened, it ran, and it was wrong: what the optimiser made of the graph may be why.
      const wrong = margin === undefined && !verdict.passed && verdict.openMs !== undefined;
      const other = wrong ? mended?.(candidate) : undefined;
      if (other !== undefined) await enter(other, 1);
    };
    for (const candidate of candidates) await enter(candidate);
    for (const refinement of refinements) {
      const base = contest.best?.candidate ?? reference;
      if (base === undefined) break;
      for (const candidate of refinement(base, goldens.get(model.identity))) await enter(candidate, REFINED);
    }
    const { best, verdicts } = contest;
    const device = best?.host.info?.device;
    const kept = { candidate: best?.candidate.name, device, tried: verdicts, searchedAt: clock.epochNow() };
    remember(memory, (each) => each.put(keyOf(request), bounded(kept)));
    if (best === undefined) {
      this.#reports.keepReference(model, 'None of the ways that give the same answers is faster.', verdicts);
      return { bases, fast: undefined, share: 1 };
    }
    if (!bases.includes(best.candidate)) bases.push(best.candidate);
    // What was shown on made-up inputs alone is shown once more on the first real ones, before it answers any.
    const real = new Set(heldAgainst.filter(({ origin }) => origin === 'captured').map(({ shape }) => shape));
    const timings = best.verdict.timings.filter(({ shape }) => real.has(shape));
    const proven = { ...best, verdict: { ...best.verdict, timings } };
    return { bases, fast: this.#ways.letIn(request, proven, { verdicts, signal }), share: best.share };
  }
}

/** Whether there is nothing now that was not tried then. */
function wereTried(candidates: readonly Candidate[], { tried }: KeptVerdict): boolean {
  return candidates.every(({ name }) => tried.some(({ candidate }) => candidate === name));
}

/** As reports show it. */
function ofBefore(trial: KeptTrial): Verdict {
  return trial.passed ? trial : { ...trial, reason: 'It was refused at an earlier start.' };
}
