/** @module One optimisation, from the first answers that it is held against to its use, and off again. */

import { callShape } from '../call-shape.ts';
import { ClosedError, EpochlyError } from '../errors.ts';
import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { DriftMonitor } from './drift-monitor.ts';
import type { FallbackCallOptions } from './fallback-chain.ts';
import { GateComparison } from './gate-comparison.ts';
import { GatheredComparisons } from './gathered-comparisons.ts';
import type { GateChange, GateDiagnostics, GateEvidence, GateState } from './gate-report.ts';
import type { GateRequest, GateStage } from './gate-request.ts';
import { GateReturn } from './gate-return.ts';
import { faultOf, GateShapes, learn } from './gate-shapes.ts';
import type { ShapeTrial } from './gate-shapes.ts';
import { GateTraffic } from './gate-traffic.ts';
import { DoubtError, GateWays } from './gate-ways.ts';
import type { GatedCall } from './gate-ways.ts';
import type { Golden, GoldenStore } from './golden-store.ts';
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

/** Runs of each golden in a canary: backends are known that are right once, and wrong from the second run on. */
const CANARY_RUNS = 3;
/** Calls of a further shape before anything is asked for it: many a shape comes once, and never again. */
const NEW_SHAPE_CALLS = 3;
/** So many attempts, one after another, to hold it against the reference that come to nothing leave a shape to the reference. */
const MAX_ATTEMPTS = 3;
/** In their order: what was reached is not gone back to, but through 'recovering'. */
const ASCENT: readonly GateState[] = ['capturing', 'canary', 'shadow', 'staged', 'on'];

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
  readonly #changes = new Emitter<GateChange>();
  readonly #provenShapes = new Emitter<string>();
  readonly #request: GateRequest;
  readonly #tools: GateTools;
  readonly #comparison: GateComparison;
  readonly #return: GateReturn;
  readonly #traffic: GateTraffic;
  readonly #ways: GateWays;
  readonly #shapes = new GateShapes();
  readonly #gathered: GatheredComparisons;
  readonly #closing = new AbortController();
  #state: GateState = 'capturing';
  #reason = 'No call was answered yet.';
  /** Something is compared, or about to be: one at a time, for what is sampled must not be what the machine does. */
  #busy = false;
  #generation = 0;
  readonly #counts = { answered: 0, compared: 0, fallbacks: 0, recoveries: 0 };

  /** @internal Gates are made by `SafetyOrchestrator.gateOptimization()`. */
  constructor(request: GateRequest, tools: GateTools) {
    const { clock, random } = tools;
    this.optimizationName = request.optimizationName;
    this.onChange = this.#changes.event;
    this.onShapeProven = this.#provenShapes.event;
    this.#request = request;
    this.#tools = tools;
    this.#comparison = new GateComparison(request, tools.validators, tools.drift);
    this.#traffic = new GateTraffic(tools);
    const onFailed = (reason: string): void => this.#recoverLater(reason);
    this.#return = new GateReturn({ name: request.optimizationName, clock, random, onFailed });
    this.#ways = new GateWays({
      request,
      clock,
      breaker: this.#return.breaker,
      doubtOf: (answer, call) => this.#doubtOf(answer, call),
      signal: this.#closing.signal,
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
      this.#state = 'off';
      this.#reason = `It was wrong before, in this process: ${tools.wrongBefore}`;
    } else if (request.proven !== undefined && request.proven.length > 0) {
      this.#beginShadow(request.proven);
      this.#state = 'shadow';
      this.#reason = 'It was right on goldens, again and again.';
      // Where nothing of the reference's is known, nobody could see that an answer cannot be right.
      const known = request.proven.filter((shape) => tools.goldens.get(request.model, shape).length > 0);
      if (request.isTrusted === true && known.length > 0 && this.#return.enable()) {
        for (const shape of known) this.#shapes.of(shape).stage = 'proven';
        this.#traffic.fill();
        this.#state = 'on';
        this.#reason = 'It came through all stages in an earlier process, and was right again in this one.';
      }
    }
  }

  get state(): GateState {
    return this.#state;
  }

  /**
   * The answer of whom the gate lets answer, within the call and its deadline.
   *
   * @throws what the reference throws; the signal's reason; DeadlineExceededError; ClosedError
   */
  run(inputs: readonly Portable[], options: FallbackCallOptions = {}): Promise<Portable> {
    if (this.#state === 'closed') return Promise.reject(new ClosedError());
    const trial = this.#shapes.of(callShape(inputs));
    const call: GatedCall = { inputs, trial, generation: this.#generation };
    return this.#takes(trial) ? this.#askBoth(call, options) : this.#askReference(call, options);
  }

  /** It failed outside of a call, such as a process that crashed between two. */
  fail(reason: string): void {
    if (this.#isTried) this.#return.fail(reason);
  }

  /** @internal Another gate of the same found it to be wrong. */
  turnOff(reason: string): void {
    if (this.#state !== 'closed' && this.#state !== 'off') this.#end('off', reason, true);
  }

  getDiagnostics(): GateDiagnostics {
    const { optimizationName } = this;
    const { recoveries } = this.#counts;
    return { optimizationName, state: this.#state, reason: this.#reason, ...this.#evidence(), recoveries };
  }

  /** Calls under way are answered; later ones throw ClosedError. */
  [Symbol.dispose](): void {
    if (this.#state !== 'closed') this.#end('closed', 'It is no longer used.', false);
    this.#closing.abort(new ClosedError());
  }

  /** Whether it is, or may come to be, used as it is now. */
  get #isTried(): boolean {
    return ASCENT.includes(this.#state);
  }

  #takes({ stage }: ShapeTrial): boolean {
    if (stage !== 'proven') return false;
    if (this.#state === 'on') return true;
    if (this.#state !== 'staged' || !this.#traffic.takes(!this.#busy)) return false;
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
    let isHeld = this.#state === 'staged';
    try {
      const { answer, fellBack, error } = await this.#ways.askBoth(call, options);
      if (fellBack) {
        this.#counts.fallbacks++;
        if (error instanceof DoubtError && error.fault !== undefined && generation === this.#generation)
          this.#judgeFault(error.fault, trial, answer);
        return answer;
      }
      this.#counts.answered++;
      trial.answers++;
      if (isHeld || this.#traffic.chooses(trial.answers, !this.#busy)) {
        isHeld = false;
        const actual = copyPortable(answer);
        const own = { ...call, inputs: copyPortable(call.inputs) };
        const compare = (): Promise<void> => this.#sample(own, actual);
        if (this.#state === 'on' && this.#request.referenceRests?.() === true) this.#gathered.add(compare);
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
    if (this.#busy || !this.#isTried || generation !== this.#generation || trial.stage === 'proven') return;
    if (trial.attempts >= MAX_ATTEMPTS) return;
    const enough = this.#request.knownShapes?.has(trial.shape) === true ? 1 : NEW_SHAPE_CALLS;
    if (trial.stage === 'new' && this.#state !== 'capturing' && ++trial.calls < enough) return;
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
      if (this.#isTried)
        this.#end('off', 'The reference does not answer equal inputs alike: nothing can be held against it.', false);
      return;
    }
    await goldens.capture(model, inputs, output, ask);
    if (generation !== this.#generation) return;
    this.#ascend('canary', `There are goldens of ${trial.shape}.`);
    const mine = goldens.get(model, trial.shape);
    if (mine.length === 0) throw new Error('Nothing of the call could be kept.');
    const isRight = await this.#return.breaker.execute(() => this.#canary(call, mine));
    if (!isRight || generation !== this.#generation) return;
    this.#beginShadow([trial.shape]);
    this.#ascend('shadow', `It was right on ${mine.length} goldens of ${trial.shape}, ${CANARY_RUNS} times each.`);
  }

  /** Whether it was right on all of them; where it was not, it is turned off. */
  async #canary(call: GatedCall, goldens: readonly Golden[]): Promise<boolean> {
    for (let run = 0; run < CANARY_RUNS; run++) {
      for (const { inputs, output } of goldens) {
        const own = { ...call, inputs };
        const answer = await this.#ways.askApart('optimized', own, run > 0);
        if (!(await this.#isRight(own, output, answer, true))) return false;
      }
    }
    return true;
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
    if (!(await this.#isRight(call, output, answer))) return;
    if (generation !== this.#generation) return;
    if (++trial.shadowed < this.#tools.shadowCalls) return;
    const isFirst = this.#state === 'shadow';
    if (isFirst && !this.#return.enable()) return;
    trial.stage = 'proven';
    this.#provenShapes.emit(trial.shape);
    if (isFirst) this.#climb(`It was right on ${trial.shadowed} calls beside the reference.`);
  }

  /** Of what it answered. */
  async #sample(call: GatedCall, actual: Portable): Promise<void> {
    const expected = await this.#ways.askApart('reference', call);
    if (!(await this.#isRight(call, expected, actual))) return;
    if (call.generation !== this.#generation || this.#state !== 'staged') return;
    const passed = this.#traffic.pass();
    if (passed !== undefined) this.#climb(`${passed} of its answers to callers were compared, and right.`);
  }

  #climb(reason: string): void {
    this.#become(this.#traffic.isFull ? 'on' : 'staged', reason);
  }

  /** Whether two answers agree; where they do not, it is turned off for good. @throws where that could not be found out */
  async #isRight(call: GatedCall, expected: Portable, actual: Portable, isGolden = false): Promise<boolean> {
    const { shape } = call.trial;
    const difference = await this.#compared(call, () => this.#comparison.differenceOf(expected, actual, shape));
    this.#counts.compared++;
    if (difference !== undefined) {
      if (this.#state === 'closed' || this.#state === 'off') return false;
      this.#end('off', `Its answer to ${shape} is not the reference's: ${difference}`, true);
      if (!isGolden) await this.#keep(call, expected);
      return false;
    }
    if (isGolden || this.#state !== 'on' || call.generation !== this.#generation) return true;
    const drifted = await this.#compared(call, () => this.#comparison.driftOf(expected, actual, shape));
    if (drifted === undefined || call.generation !== this.#generation) return true;
    this.#return.fail(drifted);
    return false;
  }

  /** A validator that hangs leaves nobody who would see a fault: it counts as one. */
  async #compared<T>({ generation }: GatedCall, compare: () => MaybePromise<T>): Promise<T> {
    try {
      return await this.#ways.inTime('The comparison', compare);
    } catch (error) {
      const isHung = EpochlyError.isInstance(error, 'HOP_TIMEOUT') && generation === this.#generation;
      if (isHung) this.#return.fail((error as Error).message);
      throw error;
    }
  }

  /** What it was wrong for is a golden for whatever comes after it, which may be after this gate. */
  async #keep({ inputs }: GatedCall, output: Portable): Promise<void> {
    const { model, reference } = this.#request;
    const { signal } = new AbortController();
    const ask = async (each: readonly Portable[]): Promise<Portable> =>
      reference(each, { signal, onLeave: () => undefined, deadlineMs: Infinity });
    await this.#tools.goldens.capture(model, inputs, output, ask, true);
  }

  #recoverLater(reason: string): void {
    if (!this.#isTried) return;
    this.#counts.recoveries++;
    this.#return.disable();
    this.#forget();
    this.#become('recovering', reason);
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
        if (!isRight || this.#state !== 'recovering') return;
      } catch (error) {
        if (this.#state !== 'recovering') return;
        this.#return.failAgain((error as Error).message);
        return this.#schedule();
      }
      this.#beginShadow(shapes);
      this.#become(shapes.length > 0 ? 'shadow' : 'capturing', 'It was built anew, and right on all goldens.');
    });
  }

  async #canaryOf(shapes: readonly string[]): Promise<boolean> {
    for (const shape of shapes) {
      const call: GatedCall = { inputs: [], trial: this.#shapes.of(shape), generation: this.#generation };
      if (!(await this.#canary(call, this.#tools.goldens.get(this.#request.model, shape)))) return false;
    }
    return true;
  }

  #end(state: 'off' | 'closed', reason: string, wasWrong: boolean): void {
    this.#return.stop();
    this.#forget();
    this.#become(state, reason, wasWrong);
  }

  #ascend(to: GateState, reason: string): void {
    if (ASCENT.indexOf(to) > ASCENT.indexOf(this.#state)) this.#become(to, reason);
  }

  #become(to: GateState, reason: string, wasWrong = false): void {
    const from = this.#state;
    this.#state = to;
    this.#reason = reason;
    this.#changes.emit({ optimizationName: this.optimizationName, from, to, reason, wasWrong, ...this.#evidence() });
  }

  #evidence(): GateEvidence {
    const { answered, compared, fallbacks } = this.#counts;
    const isUsed = this.#state === 'staged' || this.#state === 'on';
    return { share: isUsed ? this.#traffic.share : 0, answered, compared, fallbacks, shapes: this.#shapes.proven };
  }
}
