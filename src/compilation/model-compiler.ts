/** @module Finds the fastest way of running a model that gives the reference's answers, in the background. */

import type { Clock, MaybePromise } from '../platform.ts';
import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { OpenedHost, SearchReport } from '../host/hosted-model.ts';
import type { FastPath } from '../host/fast-path.ts';
import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { Golden, GoldenStore } from '../safety/golden-store.ts';
import type { Candidate } from './candidates.ts';
import { useChosenWay } from './chosen-way.ts';
import type { DroppedWay } from './chosen-way.ts';
import { Contest, runnerOf, shareOf } from './contest.ts';
import type { OpenWay } from './contest.ts';
import { wayNamed } from './refinements.ts';
import type { Refinement } from './refinements.ts';
import { gatherInputs } from './variants.ts';
import type { VariantSearch } from './variants.ts';
import { CompileSafetyMonitor } from './compile-safety-monitor.ts';
import type { PreCompileResult } from './compile-safety-monitor.ts';
import { tryCandidate } from './trial.ts';
import type { Verdict } from './trial.ts';
import type { KeptVerdict, VerdictMemory } from './verdict-memory.ts';

/** What of a hosted model the compiler needs. */
export interface CompilableModel {
  readonly identity: string;
  /** Asks the reference, whatever faster way there is. */
  askReference(args: readonly Portable[], signal: AbortSignal): Promise<Portable>;
  observe(listener: ((args: readonly Portable[], answer: Portable) => void) | undefined): void;
  use(fast: FastPath | undefined): void;
  report(search: SearchReport): void;
  /** Called once, when it is being closed. */
  onClosing(listener: () => void): void;
}

/** A model that is to be compiled. */
export interface CompileRequest<Model extends CompilableModel> {
  readonly model: Model;
  readonly modelBytes: number;
  /** What there is to try: found out when the search begins. */
  readonly candidates: () => Promise<readonly Candidate[]>;
  /** The reference itself, as a way: it may be refined as well, and variants run as it does. Default: it is no way to try. */
  readonly reference?: Candidate | undefined;
  /** Options by which the best way is made better, one after another. Default none. */
  readonly refinements?: readonly Refinement[] | undefined;
  /** What may be right of a way that opened and was wrong. Default: nothing. */
  readonly mended?: ((way: Candidate) => Candidate | undefined) | undefined;
  /** Made-up inputs of the sizes that are called, with which the search need not wait for the first calls. Default none. */
  readonly generated?: readonly (readonly Portable[])[] | undefined;
  /** What says later whether a call of somebody was under way since: it would disturb what is timed. Default: nobody knows. */
  readonly watchCalls?: (() => () => boolean) | undefined;
  /** Variants of the model, which are tried once there are enough different inputs. Default none. */
  readonly variants?: VariantSearch | undefined;
  /** What a verdict holds for: the framework's version, the browser or driver, the device. Default ''. */
  readonly place?: string | undefined;
  /** Opens a candidate in a place of its own, which may be killed. */
  readonly open: OpenWay;
  /** Called where what was used gave another answer than the reference: those that were kept before may be wrong as well. */
  readonly onWrong?: (() => void) | undefined;
}

/** How a search is made. */
export interface ModelCompilerOptions {
  readonly clock: Clock;
  readonly goldens: GoldenStore;
  /** Why an answer is not the golden's, as far as it has to be; undefined where it is. */
  readonly differs: (golden: Pick<Golden, 'output'>, answer: Portable) => string | undefined;
  /** Real calls before the search begins, and runs of each golden before a candidate counts as ready. Default 3. */
  readonly warmupRequests?: number | undefined;
  /** Milliseconds that the run itself took which gave an answer, where that is known. Default: what there is from asking to answer. */
  readonly timeOf?: ((answer: Portable) => number | undefined) | undefined;
  /** Share of the answers of a faster way that the reference is asked as well, 0 to 1. Default 0.01. */
  readonly sampleRate?: number | undefined;
  readonly monitor?: CompileSafetyMonitor | undefined;
  /** What earlier searches came to. Default: nothing is kept. */
  readonly memory?: VerdictMemory | undefined;
}

/** What was decided of a model, for logs. */
export interface CompileEvent {
  readonly identity: string;
  readonly kind: 'chosen' | 'kept_reference' | 'shape_proven' | 'variants_refused' | 'rolled_back';
  readonly candidate?: string | undefined;
  readonly reason?: string | undefined;
  readonly verdicts?: readonly Verdict[] | undefined;
  /** Of 'rolled_back': whether an answer of it was another one than the reference's. */
  readonly wasWrong?: boolean | undefined;
}

/** Less than this share of the reference's time is worth a second copy of the model. */
const WORTHWHILE = 0.9;
/** An option must save as much of the best way's time: less is within what timing is off by. */
const REFINED = 0.95;
/** Milliseconds after which no other way is opened. */
const SEARCH_MS = 300_000;

const NO_MEMORY: VerdictMemory = { get: () => undefined, put: () => undefined, delete: () => undefined };

/** What a search for a way with the same answers came to. */
interface Found {
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
 * reference on goldens, again and again, and timed beside it; the fastest that gave the same answers is used for the shapes it was
 * proven on. It is held against the reference on a sample of what it answers, and dropped at the first difference.
 */
export class ModelCompiler {
  readonly onEvent: EventSource<CompileEvent>;
  readonly #events = new Emitter<CompileEvent>();
  readonly #options: { readonly [Name in keyof ModelCompilerOptions]-?: NonNullable<ModelCompilerOptions[Name]> };
  readonly #models = new WeakMap<CompilableModel, Compiling>();
  readonly #compiled = new WeakMap<CompilableModel, FastPath>();
  /** What brings back the way with the same answers in whose place a variant answers. */
  readonly #instead = new WeakMap<FastPath, () => Promise<FastPath | undefined>>();
  readonly #reports = new WeakMap<CompilableModel, SearchReport>();

  constructor({
    clock,
    goldens,
    differs,
    warmupRequests = 3,
    sampleRate = 0.01,
    monitor = new CompileSafetyMonitor(),
    memory = NO_MEMORY,
    timeOf = () => undefined,
  }: ModelCompilerOptions) {
    this.#options = { clock, goldens, differs, warmupRequests, sampleRate, monitor, memory, timeOf };
    this.onEvent = this.#events.event;
  }

  /** Whether a second copy of the model fits now. */
  preCompileCheck(
    { modelBytes }: Pick<CompileRequest<CompilableModel>, 'modelBytes'>,
    sampleInput: Portable,
  ): PreCompileResult {
    return this.#options.monitor.preCompileCheck({ modelBytes }, sampleInput);
  }

  /** Begins the search, once for each model. Resolves with the faster way when it is used; undefined where there is none. */
  compileAsync<Model extends CompilableModel>(request: CompileRequest<Model>): Promise<FastPath | undefined> {
    const known = this.#models.get(request.model);
    if (known !== undefined) return known.searching;
    const stop = new AbortController();
    request.model.onClosing(() => this.stop(request.model));
    const searching = this.#compile(request, stop.signal);
    this.#models.set(request.model, { stop, searching });
    return searching;
  }

  /** The faster way that answers now; undefined where the reference answers all. */
  getCompiled(model: CompilableModel): FastPath | undefined {
    return this.#compiled.get(model);
  }

  /** Ends the search of a model: it is being closed. */
  stop(model: CompilableModel): void {
    this.#models.get(model)?.stop.abort(new Error('The model is closed.'));
    this.#compiled.delete(model);
  }

  async #compile(request: CompileRequest<CompilableModel>, signal: AbortSignal): Promise<FastPath | undefined> {
    const { model } = request;
    try {
      const found = await this.#sameAnswers(request, signal);
      if (found !== undefined && request.variants !== undefined)
        void this.#searchVariants(request, request.variants, found, signal);
      return found?.fast;
    } catch (error) {
      if (signal.aborted) return undefined;
      model.observe(undefined);
      return this.#off(model, `The search failed: ${(error as Error).message}`);
    }
  }

  /** Looks for a way that gives the same answers. Undefined where the model is left alone. */
  async #sameAnswers(request: CompileRequest<CompilableModel>, signal: AbortSignal): Promise<Found | undefined> {
    const { goldens, memory, warmupRequests } = this.#options;
    const { model, modelBytes } = request;
    this.#report(model, { state: 'waiting' });
    const kept = await memory.get(keyOf(request));
    const mayBegin = kept === undefined && (request.generated ?? []).length > 0;
    const madeUp = mayBegin ? await this.#generate(request, signal) : undefined;
    // What was chosen before has to be held against one answer, and what is not known yet against several.
    const calls = kept === undefined ? warmupRequests : 1;
    const sample = madeUp ?? (await this.#firstCalls(model, calls, signal));
    const { canCompile, reason } = this.preCompileCheck({ modelBytes }, sample as Portable);
    if (!canCompile) return this.#off(model, reason as string);
    const ask = (inputs: readonly Portable[]): Promise<Portable> => model.askReference(inputs, signal);
    if ((await goldens.checkDeterminism(model.identity, sample, ask)) !== 'deterministic')
      return this.#off(model, 'The model does not answer equal inputs alike, so that nothing can be held against it.');
    const candidates = await request.candidates();
    const bases = request.reference === undefined ? [] : [request.reference];
    if (candidates.length === 0 && (request.refinements ?? []).length === 0) {
      this.#off(model, 'There is nothing here that could be faster than the reference.');
      return { bases, fast: undefined, share: 1 };
    }
    if (kept !== undefined && kept.candidate === undefined) {
      this.#off(model, 'At an earlier start nothing was faster than the reference.');
      return { bases, fast: undefined, share: 1 };
    }
    const again = kept && (await this.#proveAgain(request, kept, candidates, signal));
    if (again === undefined) return this.#search(request, candidates, signal);
    const way = this.#wayOf(request, kept?.candidate as string, candidates);
    return { fast: again, bases: [...bases, ...(way === undefined ? [] : [way])], share: shareOf(kept as KeptVerdict) };
  }

  /** Asks the reference made-up inputs. The first of them, where they mean something to the model; undefined where not. */
  async #generate(
    { model, generated = [] }: CompileRequest<CompilableModel>,
    signal: AbortSignal,
  ): Promise<readonly Portable[] | undefined> {
    const { goldens } = this.#options;
    const ask = (inputs: readonly Portable[]): Promise<Portable> => model.askReference(inputs, signal);
    // What is really asked meanwhile counts more.
    this.#observe(model, signal, () => undefined);
    if ((await goldens.generate(model.identity, generated, ask)) === 0) return undefined;
    return generated[0];
  }

  /** Waits for the first calls, which are kept as goldens. The last one's inputs. */
  #firstCalls(model: CompilableModel, calls: number, signal: AbortSignal): Promise<readonly Portable[]> {
    signal.throwIfAborted();
    let left = Math.max(1, calls);
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      this.#observe(model, signal, (args) => {
        if (--left > 0) return;
        model.observe(undefined);
        resolve(copyPortable(args));
      });
    });
  }

  #observe(model: CompilableModel, signal: AbortSignal, onCall: (args: readonly Portable[]) => void): void {
    const { goldens } = this.#options;
    model.observe((args, answer) => {
      const ask = (inputs: readonly Portable[]): Promise<Portable> => model.askReference(inputs, signal);
      goldens.capture(model.identity, args, answer, ask).catch(() => undefined);
      onCall(args);
    });
  }

  /** Opens what was chosen before, and uses it where it still gives the reference's answer; undefined where it does not. */
  async #proveAgain(
    request: CompileRequest<CompilableModel>,
    kept: KeptVerdict,
    candidates: readonly Candidate[],
    signal: AbortSignal,
  ): Promise<FastPath | undefined> {
    const { clock, goldens, differs, memory } = this.#options;
    const { model, open } = request;
    const candidate = this.#wayOf(request, kept.candidate as string, candidates);
    const opened: OpenedHost[] = [];
    const verdict =
      candidate &&
      (await tryCandidate({
        candidate,
        async open(until) {
          const startedAt = clock.now();
          const host = await open(candidate, until);
          opened.push(host);
          return runnerOf(host, clock.now() - startedAt);
        },
        goldens: goldens.get(model.identity).slice(0, 1),
        reference: (inputs, until) => model.askReference(inputs, until),
        differs,
        warmupRequests: 0,
        clock,
        signal,
      }));
    const [host] = opened;
    if (host !== undefined && verdict?.passed === true) {
      const timings = [...kept.timings.filter(({ shape }) => shape !== verdict.timings[0]?.shape), ...verdict.timings];
      const proven = { ...verdict, timings };
      return this.#adopt(request, host, proven, [proven], signal);
    }
    void host?.client.retire();
    remember(() => memory.delete(keyOf(request)));
    return undefined;
  }

  /** The way of that name. */
  #wayOf(
    { model, reference, refinements = [] }: CompileRequest<CompilableModel>,
    name: string,
    candidates: readonly Candidate[],
  ): Candidate | undefined {
    const ways = reference === undefined ? candidates : [...candidates, reference];
    return wayNamed(name, ways, refinements, this.#options.goldens.get(model.identity));
  }

  /** Tries the ways, then the options of the best one: not each with each, which would take for ever. */
  async #search(
    request: CompileRequest<CompilableModel>,
    candidates: readonly Candidate[],
    signal: AbortSignal,
  ): Promise<Found> {
    const { clock, goldens, differs, warmupRequests, memory, timeOf } = this.#options;
    const { model, open, reference, refinements = [], mended, watchCalls } = request;
    const contest = new Contest({ clock, signal, open, worthwhile: WORTHWHILE, budgetMs: SEARCH_MS });
    const bases = reference === undefined ? [] : [reference];
    let heldAgainst: readonly Golden[] = [];
    const enter = async (candidate: Candidate, margin?: number): Promise<void> => {
      this.#report(model, { state: 'searching', verdicts: [...contest.verdicts] });
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
    const { candidate, timings = [] } = best?.verdict ?? {};
    remember(() => memory.put(keyOf(request), { candidate, timings }));
    model.observe(undefined);
    if (best === undefined) {
      this.#off(model, 'None of the ways that give the same answers is faster.', verdicts);
      return { bases, fast: undefined, share: 1 };
    }
    if (!bases.includes(best.candidate)) bases.push(best.candidate);
    // What was shown on made-up inputs alone is shown once more on the first real ones, before it answers any.
    const real = new Set(heldAgainst.filter(({ origin }) => origin === 'captured').map(({ shape }) => shape));
    const proven = { ...best.verdict, timings: timings.filter(({ shape }) => real.has(shape)) };
    return { bases, fast: this.#adopt(request, best.host, proven, verdicts, signal), share: best.share };
  }

  /** Waits for as many inputs as it takes, and tries the variants. Never rejects: what there is answers on. */
  async #searchVariants(
    request: CompileRequest<CompilableModel>,
    search: VariantSearch,
    { bases, share }: Found,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, warmupRequests, timeOf } = this.#options;
    const { model, open, watchCalls } = request;
    const earlier = this.#reports.get(model)?.verdicts ?? [];
    const decided: Verdict[] = [];
    try {
      let candidates = search.candidates(bases);
      for (let factor = 1; factor <= 2 && candidates.length > 0; factor++) {
        const onProgress = (missing: number): void => this.#report(model, { state: 'gathering', missing });
        this.#report(model, { state: 'gathering' });
        await gatherInputs({ model, search, factor, signal, onProgress });
        // It has to be faster than what answers now, which is right to the rounding.
        const worthwhile = WORTHWHILE * (this.#compiled.has(model) ? Math.min(1, share) : 1);
        const contest = new Contest({ clock, signal, open, worthwhile, budgetMs: SEARCH_MS });
        const all = (): readonly Verdict[] => [...earlier, ...decided, ...contest.verdicts];
        const undecided: Candidate[] = [];
        for (const candidate of candidates) {
          this.#report(model, { state: 'searching', missing: undefined, verdicts: all() });
          const goldens = search.goldens.get(model.identity);
          const reference = (inputs: readonly Portable[], until: AbortSignal): Promise<Portable> =>
            model.askReference(inputs, until);
          const { differs, proves } = search;
          const trial = { reference, goldens, differs, proves, warmupRequests, timeOf, watchCalls };
          const verdict = await contest.enter(candidate, trial);
          if (verdict.undecided === true) undecided.push(candidate);
        }
        const { best } = contest;
        if (best !== undefined) {
          const before = this.#compiled.get(model);
          const fast = this.#adopt(request, best.host, best.verdict, all(), signal, search.differs);
          if (before !== undefined) {
            // Its copy of the model was closed; it is opened again where the variant turns out to be wrong.
            const timings = earlier.find(({ candidate }) => candidate === before.name)?.timings ?? [];
            const kept = { candidate: before.name, timings: timings.filter(({ shape }) => before.shapes.has(shape)) };
            this.#instead.set(fast, () => this.#proveAgain(request, kept, bases, signal));
          }
          return;
        }
        decided.push(...contest.verdicts.filter((each) => each.undecided !== true || factor === 2));
        candidates = undecided;
      }
      this.#refuseVariants(model, 'None of the variants is right for the workload, and faster.', [
        ...earlier,
        ...decided,
      ]);
    } catch (error) {
      if (!signal.aborted)
        this.#refuseVariants(model, `The variants were not tried: ${(error as Error).message}`, [
          ...earlier,
          ...decided,
        ]);
    }
  }

  #refuseVariants(model: CompilableModel, reason: string, verdicts: readonly Verdict[]): void {
    this.#report(model, { state: 'done', missing: undefined, reason, verdicts });
    this.#events.emit({ identity: model.identity, kind: 'variants_refused', reason, verdicts });
  }

  /** Says what is new of a search; the rest is as it was said before. */
  #report(model: CompilableModel, news: Partial<SearchReport> & Pick<SearchReport, 'state'>): void {
    const { captured, generated } = this.#options.goldens.summary(model.identity);
    const before = this.#reports.get(model) ?? { verdicts: [], chosen: undefined };
    const now: SearchReport = { ...before, ...news, goldens: { captured, generated } };
    this.#reports.set(model, now);
    model.report(now);
  }

  #off(model: CompilableModel, reason: string, verdicts: readonly Verdict[] = []): undefined {
    this.#report(model, { state: verdicts.length > 0 ? 'done' : 'off', reason, verdicts });
    this.#events.emit({ identity: model.identity, kind: 'kept_reference', reason, verdicts });
  }

  #adopt(
    request: CompileRequest<CompilableModel>,
    host: OpenedHost,
    verdict: Verdict,
    verdicts: readonly Verdict[],
    signal: AbortSignal,
    differs: ModelCompilerOptions['differs'] = this.#options.differs,
  ): FastPath {
    const { model } = request;
    const { identity } = model;
    const { candidate: name } = verdict;
    const fast = useChosenWay({
      ...this.#options,
      differs,
      model,
      host,
      verdict,
      signal,
      onShapeProven: (shape) => this.#events.emit({ identity, kind: 'shape_proven', candidate: name, reason: shape }),
      onDropped: (dropped) => this.#rollBack(request, fast, verdicts, dropped),
    });
    this.#compiled.set(model, fast);
    this.#report(model, { state: 'done', missing: undefined, reason: undefined, verdicts, chosen: name });
    this.#events.emit({ identity, kind: 'chosen', candidate: name, verdicts });
    return fast;
  }

  #rollBack(
    request: CompileRequest<CompilableModel>,
    fast: FastPath,
    verdicts: readonly Verdict[],
    { reason, wasWrong }: DroppedWay,
  ): void {
    const { model } = request;
    if (this.#compiled.get(model) !== fast) return;
    // What is kept is a way that gives the same answers: a variant says nothing of it.
    if (fast.host.weights === undefined) remember(() => this.#options.memory.delete(keyOf(request)));
    this.#compiled.delete(model);
    model.observe(undefined);
    model.use(undefined);
    this.#report(model, {
      state: 'done',
      missing: undefined,
      reason: `${fast.name} was used, and was dropped: ${reason}`,
      verdicts,
      chosen: undefined,
    });
    this.#events.emit({ identity: model.identity, kind: 'rolled_back', candidate: fast.name, reason, wasWrong });
    if (wasWrong) request.onWrong?.();
    // Where that fails too, the reference answers.
    void this.#instead
      .get(fast)?.()
      .catch(() => undefined);
  }
}

function keyOf({ model, place = '' }: CompileRequest<CompilableModel>): string {
  return JSON.stringify([model.identity, place]);
}

/** Behind everything: a verdict that is not kept costs a search. */
function remember(task: () => MaybePromise<void>): void {
  void (async () => task())().catch(() => undefined);
}
