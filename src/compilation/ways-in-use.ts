/** @module The ways that were chosen, behind their gates: let in, followed, opened anew, dropped. */

import type { FastPath } from '../host/fast-path.ts';
import type { OpenedHost } from '../host/hosted-model.ts';
import type { GateChange } from '../safety/gate-report.ts';
import { useChosenWay } from './chosen-way.ts';
import type { ChosenWayParts } from './chosen-way.ts';
import type { Candidate } from './candidates.ts';
import { keyOf } from './compile-request.ts';
import type { AnyRequest, CompilableModel, CompileEvent, CompilerOptions } from './compile-request.ts';
import { proveAgain } from './re-proof.ts';
import type { SearchReports } from './search-reports.ts';
import type { Verdict } from './trial.ts';
import { bounded, remember } from './verdict-memory.ts';

/** A way that was chosen, open. */
export interface ChosenWay {
  readonly candidate: Candidate;
  readonly host: OpenedHost;
  readonly verdict: Verdict;
}

/** What else there is to know of one that is let in. */
export interface LetIn extends Partial<Pick<ChosenWayParts, 'knownShapes' | 'isTrusted' | 'differs'>> {
  /** All that was tried. */
  readonly verdicts: readonly Verdict[];
  /** The model is being closed. */
  readonly signal: AbortSignal;
  /** When it was chosen, in milliseconds since the Unix epoch. Default: now. */
  readonly searchedAt?: number | undefined;
  /** What to do where it turns out to be wrong. Default: the reference answers. */
  readonly bringBack?: (() => Promise<void>) | undefined;
}

/** For how long a reference that was closed and opened again stays, in milliseconds, after it was needed. */
const REST_AFTER_MS = 30_000;

interface WayInUse {
  readonly fast: FastPath;
  readonly chosen: ChosenWay;
  readonly searchedAt: number;
}

export class WaysInUse {
  readonly #options: CompilerOptions;
  readonly #reports: SearchReports;
  readonly #emit: (event: CompileEvent) => void;
  readonly #ways = new WeakMap<CompilableModel, WayInUse>();

  constructor(options: CompilerOptions, reports: SearchReports, emit: (event: CompileEvent) => void) {
    this.#options = options;
    this.#reports = reports;
    this.#emit = emit;
  }

  get(model: CompilableModel): FastPath | undefined {
    return this.#ways.get(model)?.fast;
  }

  forget(model: CompilableModel): void {
    this.#ways.delete(model);
  }

  /** Puts it behind a gate, in the place of what there was. Undefined where it was wrong before, in this process. */
  letIn(request: AnyRequest, chosen: ChosenWay, letIn: LetIn): FastPath | undefined {
    const { model, open } = request;
    const { identity } = model;
    const { candidate, host, verdict } = chosen;
    const { verdicts, knownShapes, isTrusted, signal, differs } = letIn;
    const { name } = candidate;
    if (signal.aborted) {
      void host.client.retire();
      return undefined;
    }
    const emit = (event: Omit<CompileEvent, 'identity'>): void => this.#emit({ identity, candidate: name, ...event });
    const fast = useChosenWay({
      ...this.#options,
      knownShapes,
      isTrusted,
      differs: differs ?? request.differs,
      // How far a variant may be off is its own matter.
      driftValidator: differs === undefined ? request.driftValidator : undefined,
      model,
      host,
      verdict,
      reopen: (until) => open(candidate, until),
      renew: () => this.#renew(request, { candidate, host: fast.host, verdict }, letIn),
      onShapeProven: (shape) => emit({ kind: 'shape_proven', reason: shape }),
      onChange: (change) => this.#follow(request, fast, letIn, change),
      onLeak: (reason) => emit({ kind: 'recycled', reason }),
    });
    if (fast.gate.state === 'off') {
      this.#refuse(request, fast, verdicts);
      return undefined;
    }
    emit({ kind: 'chosen', verdicts });
    this.#ways.set(model, { fast, chosen, searchedAt: letIn.searchedAt ?? this.#options.clock.epochNow() });
    model.use(fast);
    if (fast.gate.state === 'on') this.#letRest(request);
    else model.restReference?.(undefined);
    this.#reports.say(model, { state: 'done', missing: undefined, reason: undefined, verdicts, chosen: name });
    return fast;
  }

  /**
   * Brings back, where it is called, what answers now: in its place another way is let in, whose answers are not the same, and its copy
   * of the model is closed. Undefined where nothing does.
   */
  toBringBack(request: AnyRequest, letIn: LetIn): (() => Promise<void>) | undefined {
    const before = this.#ways.get(request.model);
    if (before === undefined) return undefined;
    const { fast, chosen, searchedAt } = before;
    const isTrusted = fast.gate.state === 'on';
    return async () => {
      const host = await this.#renew(request, { ...chosen, host: fast.host }, letIn);
      this.letIn(request, { ...chosen, host }, { ...letIn, isTrusted, searchedAt });
    };
  }

  /** Another host of the same way, proven again. @throws Error saying why there is none */
  async #renew(
    { model, open, differs: own }: AnyRequest,
    { candidate, host, verdict: { timings } }: ChosenWay,
    { signal, differs = own }: LetIn,
  ): Promise<OpenedHost> {
    const golden = this.#options.goldens
      .get(model.identity)
      .find(({ shape }) => timings.some((each) => each.shape === shape));
    if (golden === undefined) throw new Error('There is nothing that another one could be proven on.');
    const proof = await proveAgain({
      ...this.#options,
      differs,
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
  #letRest(request: AnyRequest): void {
    const { monitor, memoryBudgetMb } = this.#options;
    if (memoryBudgetMb > 0 && 2 * monitor.copyMb(request) > memoryBudgetMb)
      request.model.restReference?.(REST_AFTER_MS);
  }

  /** What the gate decided of a way that is in use. */
  #follow(request: AnyRequest, fast: FastPath, { bringBack }: LetIn, { from, to, reason, wasWrong }: GateChange): void {
    const { model } = request;
    const { name } = fast;
    if (this.get(model) !== fast || to === 'closed') return;
    if (to === 'on') {
      this.#letRest(request);
      this.#keepTrusted(request, fast);
    } else {
      model.restReference?.(undefined);
    }
    if (to === 'recovering' || to === 'off') {
      this.#drop(request, fast, to === 'off');
      this.#emit({ identity: model.identity, kind: 'rolled_back', candidate: name, reason, wasWrong });
      if (wasWrong) request.onWrong?.();
      // Where that fails too, the reference answers.
      if (to === 'off') void bringBack?.().catch(() => undefined);
    } else if (from === 'recovering') {
      this.#reports.say(model, { state: 'done', reason: undefined, chosen: name });
      const verdicts = this.#reports.verdicts(model);
      this.#emit({ identity: model.identity, kind: 'chosen', candidate: name, reason, verdicts });
    }
  }

  /** It came through all stages: the next start need not go through them again. A variant has to pass on that one's calls. */
  #keepTrusted(request: AnyRequest, { name, host }: FastPath): void {
    if (host.weights !== undefined) return;
    const { memory } = this.#options;
    // That it is right is shown again and again; that it is the fastest was shown then.
    const searchedAt = this.#ways.get(request.model)?.searchedAt ?? 0;
    const device = host.info?.device;
    const tried = this.#reports.verdicts(request.model);
    const kept = { candidate: name, device, tried, searchedAt, isTrusted: true };
    remember(memory, (each) => each.put(keyOf(request), bounded(kept)));
  }

  /** It was wrong before: what answers now, which may be another way, goes on. */
  #refuse(request: AnyRequest, { name, gate, host, close }: FastPath, verdicts: readonly Verdict[]): void {
    const { model } = request;
    const reason = `${name} is not used: ${gate.reason}`;
    close();
    if (host.weights !== undefined) return this.#reports.refuseVariants(model, reason, verdicts);
    remember(this.#options.memory, (memory) => memory.delete(keyOf(request)));
    this.#reports.keepReference(model, reason, verdicts);
  }

  #drop(request: AnyRequest, fast: FastPath, forGood: boolean): void {
    const { model } = request;
    const { name, gate, host } = fast;
    const until = forGood ? '' : ' until it is built anew';
    const reason = `${name} was used, and was dropped${until}: ${gate.reason}`;
    this.#reports.say(model, { state: 'done', missing: undefined, reason, chosen: undefined, gate });
    if (!forGood) return;
    // What is kept is a way that gives the same answers: a variant says nothing of it.
    if (host.weights === undefined) remember(this.#options.memory, (memory) => memory.delete(keyOf(request)));
    this.#ways.delete(model);
    model.use(undefined);
    model.restReference?.(undefined);
    fast.close();
  }
}
