/** @module One optimisation, from the first answers that it is held against to its use, and off again. */

import { callShape } from '../call-shape.ts';
import { ClosedError } from '../errors.ts';
import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { Clock } from '../platform.ts';
import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { DriftMonitor } from './drift-monitor.ts';
import type { FallbackCallOptions } from './fallback-chain.ts';
import { GateComparison } from './gate-comparison.ts';
import { GatheredComparisons } from './gathered-comparisons.ts';
import { CANARY_RUNS, GateJudgement } from './gate-judgement.ts';
import { GateProgress } from './gate-progress.ts';
import type { GateChange, GateDiagnostics, GateState } from './gate-report.ts';
import type { GateRequest, GateStage } from './gate-request.ts';
import { GateReturn } from './gate-return.ts';
import { faultOf, GateShapes, learn } from './gate-shapes.ts';
import type { ShapeTrial } from './gate-shapes.ts';
import { GateTraffic } from './gate-traffic.ts';
import { DoubtError, GateWays } from './gate-ways.ts';
import type { GatedCall } from './gate-ways.ts';
import type { GoldenStore } from './golden-store.ts';
import type { ValidatorRegistry } from './validator-registry.ts';

/** What the orchestrator lends to its gates. */
export interface GateTools {
  readonly clock: Clock;
  readonly random: () => number;
  readonly goldens: GoldenStore;
  readonly drift: DriftMonitor;
  readonly validators: ValidatorRegistry;
  readonly sampleRate: number;
  readonly shadowCalls: number;
  readonly stages: readonly GateStage[];
  /** Why it was turned off for good before, in this process; undefined where it was not. */
  readonly wrongBefore: string | undefined;
}

/** Calls of a further shape before anything is asked for it: many a shape comes once, and never again. */
const NEW_SHAPE_CALLS = 3;
/** So many attempts, one after another, to hold it against the reference that come to nothing leave a shape to the reference. */
const MAX_ATTEMPTS = 3;
/**
 * Lets an optimisation answer what it was proven on, and the reference all else. Inputs must be left as they are until they are
 * answered.
 *
 * What FAILED (an error, a lost host or device, a hang, an answer that cannot be right) cost nobody a right answer: it is built anew
 * after a while, proven again, and used again. What was WRONG stays off for good: it had passed all that it is held to here, so
 * that passing it again would prove nothing; another driver, browser or version comes with another process. What DRIFTED, within
 * its bound, was not wrong so far, so that nothing is taken back, but is not waited for either: it counts as failed.
 */
export class OptimizationGate implements Disposable {
  readonly optimizationName: string;
  /** Told of each decision. */
  readonly onChange: EventSource<GateChange>;
  /** Told of each shape of calls that it may answer from now on. */
  readonly onShapeProven: EventSource<string>;
  readonly #provenShapes = new Emitter<string>();
  readonly #request: GateRequest;
  readonly #tools: GateTools;
  readonly #comparison: GateComparison;
  readonly #progress: GateProgress;
  readonly #judgement: GateJudgement;
  readonly #return: GateReturn;
  readonly #traffic: GateTraffic;
  readonly #ways: GateWays;
  readonly #shapes = new GateShapes();
  readonly #gathered: GatheredComparisons;
  readonly #closing = new AbortController();
  /** Something is compared, or about to be: one at a time, for what is sampled must not be what the machine does. */
  #busy = false;
  #generation = 0;

  /** @internal Gates are made by `SafetyOrchestrator.gateOptimization()`. */
  constructor(request: GateRequest, tools: GateTools) {
    const { clock, random } = tools;
    this.optimizationName = request.optimizationName;
    this.onShapeProven = this.#provenShapes.event;
    this.#request = request;
    this.#tools = tools;
    this.#comparison = new GateComparison(request, tools.validators, tools.drift);
    this.#traffic = new GateTraffic(tools);
    this.#progress = new GateProgress({
      optimizationName: this.optimizationName,
      share: () => this.#traffic.share,
      shapes: () => this.#shapes.proven,
    });
    this.onChange = this.#progress.onChange;
    const onFailed = (reason: string): void => this.#recoverLater(reason);
    this.#return = new GateReturn({ name: request.optimizationName, clock, random, onFailed });
    this.#ways = new GateWays({
      request,
      clock,
      breaker: this.#return.breaker,
      doubtOf: (answer, call) => this.#doubtOf(answer, call),
      signal: this.#closing.signal,
    });
    this.#judgement = new GateJudgement({
      request,
      goldens: tools.goldens,
      comparison: this.#comparison,
      ways: this.#ways,
      progress: this.#progress,
      isCurrent: ({ generation }) => generation === this.#generation,
      onWrong: (reason) => this.#end('off', reason, true),
      onFailed: (reason) => this.#return.fail(reason),
    });
    this.#gathered = new GatheredComparisons({
      clock,
      isFree: () => !this.#busy,
      compareAll: (all) =>
        this.#begin(async () => {
          for (const compare of all) await compare().catch(() => undefined);
        }),
    });
    if (tools.wrongBefore !== undefined) {
      this.#progress.begin('off', `It was wrong before, in this process: ${tools.wrongBefore}`);
    } else if (request.proven !== undefined && request.proven.length > 0) {
      this.#beginShadow(request.proven);
      this.#progress.begin('shadow', 'It was right on goldens, again and again.');
      // Where nothing of the reference's is known, nobody could see that an answer cannot be right.
      const known = request.proven.filter((shape) => tools.goldens.get(request.model, shape).length > 0);
      if (request.isTrusted === true && known.length > 0 && this.#return.enable()) {
        for (const shape of known) this.#shapes.of(shape).stage = 'proven';
        this.#traffic.fill();
        this.#progress.begin(
          'on',
          'It came through all stages in an earlier process, and was right again in this one.',
        );
      }
    }
  }

  get state(): GateState {
    return this.#progress.state;
  }

  /**
   * The answer of whom the gate lets answer, within the call and its deadline.
   *
   * @throws what the reference throws; the signal's reason; DeadlineExceededError; ClosedError
   */
  run(inputs: readonly Portable[], options: FallbackCallOptions = {}): Promise<Portable> {
    if (this.#progress.state === 'closed') return Promise.reject(new ClosedError());
    const trial = this.#shapes.of(callShape(inputs));
    const call: GatedCall = { inputs, trial, generation: this.#generation };
    return this.#takes(trial) ? this.#askBoth(call, options) : this.#askReference(call, options);
  }

  /** It failed outside of a call, such as a process that crashed between two. */
  fail(reason: string): void {
    if (this.#progress.isTried) this.#return.fail(reason);
  }

  /** @internal Another gate of the same found it to be wrong. */
  turnOff(reason: string): void {
    if (!this.#progress.hasEnded) this.#end('off', reason, true);
  }

  getDiagnostics(): GateDiagnostics {
    return this.#progress.getDiagnostics();
  }

  /** Calls under way are answered; later ones throw ClosedError. */
  [Symbol.dispose](): void {
    if (this.#progress.state !== 'closed') this.#end('closed', 'It is no longer used.', false);
    this.#closing.abort(new ClosedError());
  }

  #takes({ stage }: ShapeTrial): boolean {
    if (stage !== 'proven') return false;
    if (this.#progress.state === 'on') return true;
    if (this.#progress.state !== 'staged' || !this.#traffic.takes(!this.#busy)) return false;
    // Nothing else is answered by it until this answer is known to be right.
    this.#busy = true;
    return true;
  }

  async #askReference(call: GatedCall, options: FallbackCallOptions): Promise<Portable> {
    const answer = await this.#ways.askReference(call, options);
    this.#learnFrom(call, answer);
    return answer;
  }

  async #askBoth(call: GatedCall, options: FallbackCallOptions): Promise<Portable> {
    const { trial, generation } = call;
    // Then the call came with the right to be compared.
    let isHeld = this.#progress.state === 'staged';
    try {
      const { answer, fellBack, error } = await this.#ways.askBoth(call, options);
      if (fellBack) {
        this.#progress.counts.fallbacks++;
        if (error instanceof DoubtError && error.fault !== undefined && generation === this.#generation)
          this.#judgeFault(error.fault, trial, answer);
        return answer;
      }
      this.#progress.counts.answered++;
      trial.answers++;
      if (isHeld || this.#traffic.chooses(trial.answers, !this.#busy)) {
        isHeld = false;
        const actual = copyPortable(answer);
        const own = { ...call, inputs: copyPortable(call.inputs) };
        const compare = (): Promise<void> => this.#sample(own, actual);
        if (this.#progress.state === 'on' && this.#request.referenceRests?.() === true) this.#gathered.add(compare);
        else this.#begin(compare);
      }
      return answer;
    } finally {
      if (isHeld) this.#busy = false;
    }
  }

  #doubtOf(answer: Portable, { trial, generation }: GatedCall): DoubtError | undefined {
    if (generation !== this.#generation) return new DoubtError('It is not used any more.');
    const fault = faultOf(answer, trial);
    return fault === undefined ? undefined : new DoubtError(fault, fault);
  }

  /** What cannot be right is no fault where the reference answers so as well. */
  #judgeFault(fault: string, trial: ShapeTrial, answer: Portable): void {
    if (faultOf(answer, trial) === undefined) this.#return.fail(`Its answer cannot be right: ${fault}`);
    else learn(trial, [answer]);
  }

  /** The reference answered a call: what it says of the optimisation is found out behind the caller. */
  #learnFrom(call: GatedCall, answer: Portable): void {
    const { trial, generation } = call;
    if (this.#busy || !this.#progress.isTried || generation !== this.#generation || trial.stage === 'proven') return;
    if (trial.attempts >= MAX_ATTEMPTS) return;
    const enough = this.#request.knownShapes?.has(trial.shape) === true ? 1 : NEW_SHAPE_CALLS;
    if (trial.stage === 'new' && this.#progress.state !== 'capturing' && ++trial.calls < enough) return;
    const output = copyPortable(answer);
    const own = { ...call, inputs: copyPortable(call.inputs) };
    this.#begin(async () => {
      trial.attempts++;
      await (trial.stage === 'new' ? this.#prove(own, output) : this.#shadow(own, output));
      trial.attempts = 0;
    });
  }

  #begin(task: () => Promise<void>): void {
    this.#busy = true;
    void task()
      // Nothing was found out; where the optimisation is to blame, its breaker knows.
      .catch(() => undefined)
      .finally(() => (this.#busy = false));
  }

  /** A shape that is new: its first golden, and all the others that there are of it. */
  async #prove(call: GatedCall, output: Portable): Promise<void> {
    const { trial, inputs, generation } = call;
    const { goldens } = this.#tools;
    const { model } = this.#request;
    const ask = (each: readonly Portable[]): Promise<Portable> =>
      this.#ways.askApart('reference', { ...call, inputs: each });
    if (goldens.summary(model).determinism === 'unknown') await goldens.checkDeterminism(model, inputs, ask);
    if (goldens.summary(model).determinism === 'nondeterministic') {
      if (this.#progress.isTried)
        this.#end('off', 'The reference does not answer equal inputs alike: nothing can be held against it.', false);
      return;
    }
    await goldens.capture(model, inputs, output, ask);
    if (generation !== this.#generation) return;
    this.#progress.ascend('canary', `There are goldens of ${trial.shape}.`);
    const mine = goldens.get(model, trial.shape);
    if (mine.length === 0) throw new Error('Nothing of the call could be kept.');
    const isRight = await this.#return.breaker.execute(() => this.#judgement.canary(call, mine));
    if (!isRight || generation !== this.#generation) return;
    this.#beginShadow([trial.shape]);
    this.#progress.ascend(
      'shadow',
      `It was right on ${mine.length} goldens of ${trial.shape}, ${CANARY_RUNS} times each.`,
    );
  }

  #beginShadow(shapes: readonly string[]): void {
    for (const shape of shapes) {
      const trial = this.#shapes.of(shape);
      const outputs = this.#tools.goldens.get(this.#request.model, shape).map(({ output }) => output);
      if (outputs.length > 0) learn(trial, outputs);
      trial.stage = 'shadow';
    }
  }

  async #shadow(call: GatedCall, output: Portable): Promise<void> {
    const { trial, generation } = call;
    learn(trial, [output]);
    const answer = await this.#return.breaker.execute(() => this.#ways.askApart('optimized', call, true));
    if (!(await this.#judgement.isRight(call, output, answer))) return;
    if (generation !== this.#generation) return;
    if (++trial.shadowed < this.#tools.shadowCalls) return;
    const isFirst = this.#progress.state === 'shadow';
    if (isFirst && !this.#return.enable()) return;
    trial.stage = 'proven';
    this.#provenShapes.emit(trial.shape);
    if (isFirst) this.#climb(`It was right on ${trial.shadowed} calls beside the reference.`);
  }

  /** Of what it answered. */
  async #sample(call: GatedCall, actual: Portable): Promise<void> {
    const expected = await this.#ways.askApart('reference', call);
    if (!(await this.#judgement.isRight(call, expected, actual))) return;
    if (call.generation !== this.#generation || this.#progress.state !== 'staged') return;
    const passed = this.#traffic.pass();
    if (passed !== undefined) this.#climb(`${passed} of its answers to callers were compared, and right.`);
  }

  #climb(reason: string): void {
    this.#progress.become(this.#traffic.isFull ? 'on' : 'staged', reason);
  }

  #recoverLater(reason: string): void {
    if (!this.#progress.isTried) return;
    this.#progress.counts.recoveries++;
    this.#return.disable();
    this.#forget();
    this.#progress.become('recovering', reason);
    this.#schedule();
  }

  /** What it was is no more: answers that are still to come of it are not given to anybody. */
  #forget(): void {
    this.#generation++;
    this.#gathered.forget();
    this.#traffic.reset();
    this.#shapes.reset();
    this.#comparison.reset();
  }

  #schedule(): void {
    this.#return.schedule(
      () => this.#busy,
      () => this.#recover(),
    );
  }

  #recover(): void {
    const all = this.#tools.goldens.get(this.#request.model);
    // Of those that it may have failed of, the calls decide.
    const shapes = [...new Set(all.map(({ shape }) => shape))].filter((each) => this.#shapes.of(each).attempts === 0);
    this.#begin(async () => {
      try {
        const isRight = await this.#return.breaker.execute(async () => {
          await this.#ways.rebuild();
          return this.#canaryOf(shapes);
        });
        if (!isRight || this.#progress.state !== 'recovering') return;
      } catch (error) {
        if (this.#progress.state !== 'recovering') return;
        this.#return.failAgain((error as Error).message);
        return this.#schedule();
      }
      this.#beginShadow(shapes);
      this.#progress.become(shapes.length > 0 ? 'shadow' : 'capturing', 'It was built anew, and right on all goldens.');
    });
  }

  async #canaryOf(shapes: readonly string[]): Promise<boolean> {
    for (const shape of shapes) {
      const call: GatedCall = { inputs: [], trial: this.#shapes.of(shape), generation: this.#generation };
      if (!(await this.#judgement.canary(call, this.#tools.goldens.get(this.#request.model, shape)))) return false;
    }
    return true;
  }

  #end(state: 'off' | 'closed', reason: string, wasWrong: boolean): void {
    this.#return.stop();
    this.#forget();
    this.#progress.become(state, reason, wasWrong);
  }
}
