/** @module Finds the fastest way of running a model that gives the reference's answers, in the background. */

import type { Clock, MaybePromise } from '../platform.ts';
import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { OpenedHost, SearchReport } from '../host/hosted-model.ts';
import type { FastPath } from '../host/fast-path.ts';
import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { GateChange } from '../safety/gate-report.ts';
import type { Golden, GoldenStore } from '../safety/golden-store.ts';
import type { SafetyOrchestrator } from '../safety/safety-orchestrator.ts';
import type { Candidate } from './candidates.ts';
import { useChosenWay } from './chosen-way.ts';
import { CompileSafetyMonitor } from './compile-safety-monitor.ts';
import type { PreCompileResult } from './compile-safety-monitor.ts';
import { tryCandidate } from './trial.ts';
import type { OpenCandidate, Verdict } from './trial.ts';
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
  /** What a verdict holds for: the framework's version, the browser or driver, the device. Default ''. */
  readonly place?: string | undefined;
  /** Opens a candidate in a place of its own, which may be killed. */
  readonly open: (candidate: Candidate, signal: AbortSignal) => Promise<OpenedHost>;
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
  /** Lets in what was chosen, and watches it. */
  readonly orchestrator: Pick<SafetyOrchestrator, 'gateOptimization'>;
  readonly monitor?: CompileSafetyMonitor | undefined;
  /** What earlier searches came to. Default: nothing is kept. */
  readonly memory?: VerdictMemory | undefined;
}

/** What was decided of a model, for logs. */
export interface CompileEvent {
  readonly identity: string;
  readonly kind: 'chosen' | 'kept_reference' | 'shape_proven' | 'rolled_back';
  readonly candidate?: string | undefined;
  readonly reason?: string | undefined;
  readonly verdicts?: readonly Verdict[] | undefined;
  /** Of 'rolled_back': whether an answer of it was another one than the reference's. */
  readonly wasWrong?: boolean | undefined;
}

/** Less than this share of the reference's time is worth a second copy of the model. */
const WORTHWHILE = 0.9;

const NO_MEMORY: VerdictMemory = { get: () => undefined, put: () => undefined, delete: () => undefined };

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
  readonly #options: { readonly [Name in keyof ModelCompilerOptions]-?: NonNullable<ModelCompilerOptions[Name]> };
  readonly #models = new WeakMap<CompilableModel, Compiling>();
  readonly #compiled = new WeakMap<CompilableModel, FastPath>();

  constructor({
    clock,
    goldens,
    differs,
    orchestrator,
    warmupRequests = 3,
    monitor = new CompileSafetyMonitor(),
    memory = NO_MEMORY,
  }: ModelCompilerOptions) {
    this.#options = { clock, goldens, differs, orchestrator, warmupRequests, monitor, memory };
    this.onEvent = this.#events.event;
  }

  /** Whether a second copy of the model fits now. */
  preCompileCheck(
    { modelBytes }: Pick<CompileRequest<CompilableModel>, 'modelBytes'>,
    sampleInput: Portable,
  ): PreCompileResult {
    return this.#options.monitor.preCompileCheck({ modelBytes }, sampleInput);
  }

  /** Begins the search, once for each model. Resolves with the faster way when it is behind its gate; undefined where there is none. */
  compileAsync<Model extends CompilableModel>(request: CompileRequest<Model>): Promise<FastPath | undefined> {
    const known = this.#models.get(request.model);
    if (known !== undefined) return known.searching;
    const stop = new AbortController();
    request.model.onClosing(() => this.stop(request.model));
    const searching = this.#compile(request, stop.signal);
    this.#models.set(request.model, { stop, searching });
    return searching;
  }

  /** The faster way that answers, as far as it is trusted; undefined where the reference answers all. */
  getCompiled(model: CompilableModel): FastPath | undefined {
    return this.#compiled.get(model);
  }

  /** Ends the search of a model: it is being closed. */
  stop(model: CompilableModel): void {
    this.#models.get(model)?.stop.abort(new Error('The model is closed.'));
    this.#compiled.delete(model);
  }

  async #compile(request: CompileRequest<CompilableModel>, signal: AbortSignal): Promise<FastPath | undefined> {
    const { model, modelBytes } = request;
    const report = (rest: Omit<SearchReport, 'chosen' | 'verdicts'> & Partial<SearchReport>): void =>
      model.report({ verdicts: [], chosen: undefined, ...rest });
    const off = (reason: string, verdicts: readonly Verdict[] = []): undefined => {
      report({ state: verdicts.length > 0 ? 'done' : 'off', reason, verdicts });
      this.#events.emit({ identity: model.identity, kind: 'kept_reference', reason, verdicts });
      return undefined;
    };
    try {
      report({ state: 'waiting' });
      const kept = await this.#options.memory.get(keyOf(request));
      // What was chosen before has to be held against one answer, and what is not known yet against several.
      const calls = kept === undefined ? this.#options.warmupRequests : 1;
      const sample = await this.#firstCalls(model, calls, signal);
      const { canCompile, reason } = this.preCompileCheck({ modelBytes }, sample as Portable);
      if (!canCompile) return off(reason as string);
      const ask = (inputs: readonly Portable[]): Promise<Portable> => model.askReference(inputs, signal);
      if ((await this.#options.goldens.checkDeterminism(model.identity, sample, ask)) !== 'deterministic')
        return off('The model does not answer equal inputs alike, so that nothing can be held against it.');
      const candidates = await request.candidates();
      if (candidates.length === 0) return off('There is nothing here that could be faster than the reference.');
      if (kept !== undefined && kept.candidate === undefined)
        return off('At an earlier start nothing was faster than the reference.');
      const again = kept && (await this.#proveAgain(request, kept, candidates, signal));
      if (again !== undefined) return again;
      return await this.#search(request, candidates, signal, report, off);
    } catch (error) {
      if (!signal.aborted) return off(`The search failed: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Waits for the first calls, which are kept as goldens. The last one's inputs. */
  #firstCalls(model: CompilableModel, calls: number, signal: AbortSignal): Promise<readonly Portable[]> {
    const { goldens } = this.#options;
    signal.throwIfAborted();
    let left = Math.max(1, calls);
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      model.observe((args, answer) => {
        void goldens.capture(model.identity, args, answer, (inputs) => model.askReference(inputs, signal));
        if (--left > 0) return;
        model.observe(undefined);
        resolve(copyPortable(args));
      });
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
    const candidate = candidates.find(({ name }) => name === kept.candidate);
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
      return this.#adopt(request, candidate as Candidate, host, proven, [proven]);
    }
    void host?.client.retire();
    remember(() => memory.delete(keyOf(request)));
    return undefined;
  }

  async #search(
    request: CompileRequest<CompilableModel>,
    candidates: readonly Candidate[],
    signal: AbortSignal,
    report: (rest: Pick<SearchReport, 'state'> & Partial<SearchReport>) => void,
    off: (reason: string, verdicts: readonly Verdict[]) => undefined,
  ): Promise<FastPath | undefined> {
    const { clock, goldens, differs, warmupRequests, memory } = this.#options;
    const { model, open } = request;
    const verdicts: Verdict[] = [];
    const opened = new Set<OpenedHost>();
    let best: { readonly share: number; readonly host: OpenedHost; readonly verdict: Verdict } | undefined;
    const askReference = (inputs: readonly Portable[], until: AbortSignal): Promise<Portable> =>
      model.askReference(inputs, until);
    try {
      for (const candidate of candidates) {
        report({ state: 'searching', verdicts });
        let host: OpenedHost | undefined;
        const verdict = await tryCandidate({
          candidate,
          async open(until) {
            const startedAt = clock.now();
            host = await open(candidate, until);
            opened.add(host);
            return runnerOf(host, clock.now() - startedAt);
          },
          reference: askReference,
          goldens: goldens.get(model.identity),
          differs,
          warmupRequests,
          clock,
          signal,
        });
        signal.throwIfAborted();
        verdicts.push(verdict);
        const share = shareOf(verdict);
        if (host !== undefined && verdict.passed && share < (best?.share ?? WORTHWHILE))
          best = { share, host, verdict };
        // There are no more copies of the model than there have to be.
        for (const each of opened) if (each !== best?.host && opened.delete(each)) void each.client.retire();
      }
    } catch (error) {
      for (const each of opened) void each.client.retire();
      throw error;
    }
    const { candidate, timings = [] } = best?.verdict ?? {};
    remember(() => memory.put(keyOf(request), { candidate, timings }));
    if (best === undefined) return off('None of the ways that give the same answers is faster.', verdicts);
    const chosen = candidates.find(({ name }) => name === candidate) as Candidate;
    return this.#adopt(request, chosen, best.host, best.verdict, verdicts);
  }

  #adopt(
    request: CompileRequest<CompilableModel>,
    candidate: Candidate,
    host: OpenedHost,
    verdict: Verdict,
    verdicts: readonly Verdict[],
  ): FastPath | undefined {
    const { model, open } = request;
    const { identity } = model;
    const { name } = candidate;
    const emit = (event: Omit<CompileEvent, 'identity'>): void =>
      this.#events.emit({ identity, candidate: name, ...event });
    const fast = useChosenWay({
      ...this.#options,
      model,
      host,
      verdict,
      reopen: (signal) => open(candidate, signal),
      onShapeProven: (shape) => emit({ kind: 'shape_proven', reason: shape }),
      onChange: (change) => this.#follow(request, fast, verdicts, change),
    });
    emit({ kind: 'chosen', verdicts });
    if (fast.gate.state === 'off') {
      this.#drop(request, fast, verdicts, true);
      return undefined;
    }
    this.#compiled.set(model, fast);
    model.use(fast);
    model.report({ state: 'done', verdicts, chosen: name });
    return fast;
  }

  /** What the gate decided of a way that is in use. */
  #follow(
    request: CompileRequest<CompilableModel>,
    fast: FastPath,
    verdicts: readonly Verdict[],
    { from, to, reason, wasWrong }: GateChange,
  ): void {
    const { model } = request;
    const { name } = fast;
    if (this.#compiled.get(model) !== fast || to === 'closed') return;
    if (to === 'recovering' || to === 'off') {
      this.#drop(request, fast, verdicts, to === 'off');
      this.#events.emit({ identity: model.identity, kind: 'rolled_back', candidate: name, reason, wasWrong });
      if (wasWrong) request.onWrong?.();
    } else if (from === 'recovering') {
      model.report({ state: 'done', verdicts, chosen: name });
      this.#events.emit({ identity: model.identity, kind: 'chosen', candidate: name, reason, verdicts });
    }
  }

  #drop(
    request: CompileRequest<CompilableModel>,
    fast: FastPath,
    verdicts: readonly Verdict[],
    forGood: boolean,
  ): void {
    const { model } = request;
    const { name, gate } = fast;
    remember(() => this.#options.memory.delete(keyOf(request)));
    const until = forGood ? '' : ' until it is built anew';
    const reason = `${name} was used, and was dropped${until}: ${gate.reason}`;
    model.report({ state: 'done', reason, verdicts, chosen: undefined, gate });
    if (!forGood) return;
    this.#compiled.delete(model);
    model.use(undefined);
    fast.close();
  }
}

/** Its time as a share of the reference's, over the shapes that are called. */
function shareOf({ timings }: Verdict): number {
  const ours = timings.reduce((sum, { runMs }) => sum + runMs, 0);
  const theirs = timings.reduce((sum, { referenceMs }) => sum + referenceMs, 0);
  return theirs === 0 ? Infinity : ours / theirs;
}

function keyOf({ model, place = '' }: CompileRequest<CompilableModel>): string {
  return JSON.stringify([model.identity, place]);
}

function runnerOf({ client }: OpenedHost, openMs: number): OpenCandidate {
  return { openMs, run: (inputs, signal) => client.request('run', inputs, { signal }) };
}

/** Behind everything: a verdict that is not kept costs a search. */
function remember(task: () => MaybePromise<void>): void {
  void (async () => task())().catch(() => undefined);
}
