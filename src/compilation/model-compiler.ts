/** @module Finds the fastest way of running a model that gives the reference's answers, in the background. */

import type { Clock, MaybePromise } from '../platform.ts';
import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { OpenedHost, SearchReport } from '../host/hosted-model.ts';
import type { FastPath } from '../host/fast-path.ts';
import type { Portable } from '../portable.ts';
import type { GateChange } from '../safety/gate-report.ts';
import type { Golden, GoldenStore } from '../safety/golden-store.ts';
import type { SafetyOrchestrator } from '../safety/safety-orchestrator.ts';
import type { Candidate } from './candidates.ts';
import { useChosenWay } from './chosen-way.ts';
import type { ChosenWayParts } from './chosen-way.ts';
import { CompileSafetyMonitor } from './compile-safety-monitor.ts';
import type { PreCompileResult } from './compile-safety-monitor.ts';
import { FirstCalls } from './first-calls.ts';
import { proveAgain } from './re-proof.ts';
import { tryCandidate } from './trial.ts';
import type { OpenCandidate, Verdict } from './trial.ts';
import { bounded, checked, chosenIn } from './verdict-memory.ts';
import type { KeptTrial, KeptVerdict, VerdictMemory } from './verdict-memory.ts';

/** What of a hosted model the compiler needs. */
export interface CompilableModel {
  readonly identity: string;
  /** Asks the reference, whatever faster way there is. */
  askReference(args: readonly Portable[], signal: AbortSignal): Promise<Portable>;
  observe(listener: ((args: readonly Portable[], answer: Portable) => void) | undefined): void;
  use(fast: FastPath | undefined): void;
  report(search: SearchReport): void;
  /**
   * Closes the reference while nobody needs it: at once, and after so many milliseconds in which nobody asked it. Undefined: it stays
   * open. Without it the reference always does.
   */
  restReference?(idleMs: number | undefined): void;
  /** Whether the reference is closed, so that to ask it opens it. */
  readonly referenceRests?: boolean;
  /** Ends a host of a faster way once it has answered what it was asked. */
  leave(host: OpenedHost): Promise<void>;
  /** Called once, when it is being closed. */
  onClosing(listener: () => void): void;
}

/** A model that is to be compiled. */
export interface CompileRequest<Model extends CompilableModel> {
  readonly model: Model;
  readonly modelBytes: number;
  /** What there is to try: found out when the search begins. */
  readonly candidates: () => Promise<readonly Candidate[]>;
  /**
   * All that there may be, whether it is here or not: to open what was chosen at an earlier start without finding out what else there
   * is, which takes longer than to open it. Default: `candidates`.
   */
  readonly possible?: (() => readonly Candidate[]) | undefined;
  /** What a verdict holds for: the framework's version, the browser or driver, the machine. Default ''. */
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
  /**
   * Megabytes that the copies of one model may take, by the monitor's estimate. Where two are more, the reference is closed while a
   * faster way is in use and nobody needs it. Default 0: no limit.
   */
  readonly memoryBudgetMb?: number | undefined;
  /** What earlier searches came to. Default: nothing is kept. */
  readonly memory?: VerdictMemory | undefined;
}

/** What was decided of a model, for logs. */
export interface CompileEvent {
  readonly identity: string;
  /** 'recycled': the memory of its host grew run by run, and another one is to take its place. */
  readonly kind: 'chosen' | 'kept_reference' | 'shape_proven' | 'recycled' | 'rolled_back';
  readonly candidate?: string | undefined;
  readonly reason?: string | undefined;
  readonly verdicts?: readonly Verdict[] | undefined;
  /** Of 'rolled_back': whether an answer of it was another one than the reference's. */
  readonly wasWrong?: boolean | undefined;
}

/** Less than this share of the reference's time is worth a second copy of the model. */
const WORTHWHILE = 0.9;

/** For how long a reference that was closed and opened again stays, in milliseconds, after it was needed. */
const REST_AFTER_MS = 30_000;

/** Longest that is waited for what was kept, in milliseconds. */
const RECALL_MS = 5000;

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
    warmupRequests = 3,
    orchestrator,
    monitor = new CompileSafetyMonitor(),
    memoryBudgetMb = 0,
    memory = NO_MEMORY,
  }: ModelCompilerOptions) {
    this.#options = { clock, goldens, differs, orchestrator, warmupRequests, monitor, memoryBudgetMb, memory };
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
    const ask = (inputs: readonly Portable[]): Promise<Portable> => model.askReference(inputs, signal);
    const { goldens, warmupRequests } = this.#options;
    try {
      report({ state: 'waiting' });
      const calls = new FirstCalls(model, (args, answer) => goldens.capture(model.identity, args, answer, ask), signal);
      const kept = await this.#recall(request);
      // What was chosen before has to be held against one answer, and what is not known yet against several.
      if (kept?.candidate !== undefined && this.preCompileCheck({ modelBytes }, null).canCompile) {
        const again = await this.#useKept(request, kept, calls, signal);
        if (again !== undefined) return again;
      }
      const sample = await calls.reached(Math.max(1, warmupRequests));
      calls.end();
      const { canCompile, reason } = this.preCompileCheck({ modelBytes }, sample as Portable);
      if (!canCompile) return off(reason as string);
      const candidates = await request.candidates();
      if (candidates.length === 0) return off('There is nothing here that could be faster than the reference.');
      if (kept !== undefined && kept.candidate === undefined && wereTried(candidates, kept))
        return off('At an earlier start nothing was faster than the reference.', kept.tried.map(ofBefore));
      if ((await goldens.checkDeterminism(model.identity, sample, ask)) !== 'deterministic')
        return off('The model does not answer equal inputs alike, so that nothing can be held against it.');
      if (goldens.get(model.identity).length === 0)
        return off('Of what was called nothing may be kept that a faster way could be held against.');
      return await this.#search(request, candidates, signal, report, off);
    } catch (error) {
      if (!signal.aborted) return off(`The search failed: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** What was kept of an earlier start; undefined where there is nothing, or it cannot be had, or it takes long. */
  async #recall(request: CompileRequest<CompilableModel>): Promise<KeptVerdict | undefined> {
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
    request: CompileRequest<CompilableModel>,
    kept: KeptVerdict,
    calls: FirstCalls,
    signal: AbortSignal,
  ): Promise<FastPath | undefined> {
    const { goldens, memory, warmupRequests } = this.#options;
    const { model, open, possible = request.candidates } = request;
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
    const candidate = (await possible()).find(({ name }) => name === kept.candidate);
    const proof =
      candidate &&
      (await proveAgain({
        ...this.#options,
        candidate,
        open: (until) => open(candidate, until),
        reference: (inputs, until) => model.askReference(inputs, until),
        device: kept.device,
        timings: before.timings,
        golden: firstGolden,
        signal,
      }));
    if (proof?.host === undefined || candidate === undefined) {
      remember(() => memory.delete(keyOf(request)));
      return undefined;
    }
    const { host, verdict } = proof;
    calls.end();
    const known = new Set(before.timings.map(({ shape }) => shape));
    const others = kept.tried.filter((each) => each !== before).map(ofBefore);
    const way = { candidate, host, verdict };
    return this.#adopt(request, way, [verdict, ...others], signal, { knownShapes: known, isTrusted: kept.isTrusted });
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
    let best: (AdoptedWay & { readonly share: number }) | undefined;
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
          best = { share, candidate, host, verdict };
        // There are no more copies of the model than there have to be.
        for (const each of opened) if (each !== best?.host && opened.delete(each)) void each.client.retire();
      }
    } catch (error) {
      for (const each of opened) void each.client.retire();
      throw error;
    }
    const device = best?.host.info?.device;
    const kept = { candidate: best?.candidate.name, device, tried: verdicts, searchedAt: clock.epochNow() };
    remember(() => memory.put(keyOf(request), bounded(kept)));
    if (best === undefined) return off('None of the ways that give the same answers is faster.', verdicts);
    return this.#adopt(request, best, verdicts, signal);
  }

  #adopt(
    request: CompileRequest<CompilableModel>,
    { candidate, host, verdict }: AdoptedWay,
    verdicts: readonly Verdict[],
    signal: AbortSignal,
    before: Pick<ChosenWayParts, 'knownShapes' | 'isTrusted'> = {},
  ): FastPath | undefined {
    const { model, open } = request;
    const { identity } = model;
    const { name } = candidate;
    const emit = (event: Omit<CompileEvent, 'identity'>): void =>
      this.#events.emit({ identity, candidate: name, ...event });
    const fast = useChosenWay({
      ...this.#options,
      ...before,
      model,
      host,
      verdict,
      reopen: (until) => open(candidate, until),
      renew: () => this.#renew(request, { candidate, host: fast.host, verdict }, signal),
      onShapeProven: (shape) => emit({ kind: 'shape_proven', reason: shape }),
      onChange: (change) => this.#follow(request, fast, verdicts, change),
      onLeak: (reason) => emit({ kind: 'recycled', reason }),
    });
    emit({ kind: 'chosen', verdicts });
    if (fast.gate.state === 'off') {
      this.#drop(request, fast, verdicts, true);
      return undefined;
    }
    this.#compiled.set(model, fast);
    model.use(fast);
    if (fast.gate.state === 'on') this.#letRest(request);
    model.report({ state: 'done', verdicts, chosen: name });
    return fast;
  }

  /** Another host of the same way, proven again. @throws Error saying why there is none */
  async #renew(
    { model, open }: CompileRequest<CompilableModel>,
    { candidate, host, verdict: { timings } }: AdoptedWay,
    signal: AbortSignal,
  ): Promise<OpenedHost> {
    const golden = this.#options.goldens
      .get(model.identity)
      .find(({ shape }) => timings.some((each) => each.shape === shape));
    if (golden === undefined) throw new Error('There is nothing that another one could be proven on.');
    const proof = await proveAgain({
      ...this.#options,
      candidate,
      open: (until) => open(candidate, until),
      reference: (inputs, until) => model.askReference(inputs, until),
      device: host.info?.device,
      timings,
      golden: async () => golden,
      signal,
    });
    if (proof.host === undefined) throw new Error(proof.reason);
    return proof.host;
  }

  /** While the faster way answers all that it can, nobody may need the reference. */
  #letRest(request: CompileRequest<CompilableModel>): void {
    const { monitor, memoryBudgetMb } = this.#options;
    if (memoryBudgetMb > 0 && 2 * monitor.copyMb(request) > memoryBudgetMb)
      request.model.restReference?.(REST_AFTER_MS);
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
    if (to === 'on') {
      this.#letRest(request);
      this.#keepTrusted(request, fast, verdicts);
    } else {
      model.restReference?.(undefined);
    }
    if (to === 'recovering' || to === 'off') {
      this.#drop(request, fast, verdicts, to === 'off');
      this.#events.emit({ identity: model.identity, kind: 'rolled_back', candidate: name, reason, wasWrong });
      if (wasWrong) request.onWrong?.();
    } else if (from === 'recovering') {
      model.report({ state: 'done', verdicts, chosen: name });
      this.#events.emit({ identity: model.identity, kind: 'chosen', candidate: name, reason, verdicts });
    }
  }

  /** It came through all stages: the next start need not go through them again. */
  #keepTrusted(request: CompileRequest<CompilableModel>, { name, host }: FastPath, tried: readonly Verdict[]): void {
    const { clock, memory } = this.#options;
    const kept = {
      candidate: name,
      device: host.info?.device,
      tried,
      searchedAt: clock.epochNow(),
      isTrusted: true,
    };
    remember(() => memory.put(keyOf(request), bounded(kept)));
  }

  #drop(
    request: CompileRequest<CompilableModel>,
    fast: FastPath,
    verdicts: readonly Verdict[],
    forGood: boolean,
  ): void {
    const { model } = request;
    const { name, gate } = fast;
    const until = forGood ? '' : ' until it is built anew';
    const reason = `${name} was used, and was dropped${until}: ${gate.reason}`;
    model.report({ state: 'done', reason, verdicts, chosen: undefined, gate });
    if (!forGood) return;
    remember(() => this.#options.memory.delete(keyOf(request)));
    this.#compiled.delete(model);
    model.use(undefined);
    model.restReference?.(undefined);
    fast.close();
  }
}

/** A way that was chosen, open. */
interface AdoptedWay {
  readonly candidate: Candidate;
  readonly host: OpenedHost;
  readonly verdict: Verdict;
}

/** Its time as a share of the reference's, over the shapes that are called. */
function shareOf({ timings }: Verdict): number {
  const ours = timings.reduce((sum, { runMs }) => sum + runMs, 0);
  const theirs = timings.reduce((sum, { referenceMs }) => sum + referenceMs, 0);
  return theirs === 0 ? Infinity : ours / theirs;
}

/** Whether there is nothing now that was not tried then. */
function wereTried(candidates: readonly Candidate[], { tried }: KeptVerdict): boolean {
  return candidates.every(({ name }) => tried.some(({ candidate }) => candidate === name));
}

/** As reports show it. */
function ofBefore(trial: KeptTrial): Verdict {
  return trial.passed ? trial : { ...trial, reason: 'It was refused at an earlier start.' };
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
