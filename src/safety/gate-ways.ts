/** @module The ways to an answer that a gate has: for callers, each within the call, and apart from them. */

import { EpochlyError } from '../errors.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { CircuitBreaker, FailureKind } from './circuit-breaker.ts';
import { failureKind } from './circuit-breaker.ts';
import { FallbackChain, isCallersFault } from './fallback-chain.ts';
import type { FallbackCallOptions, FallbackHop } from './fallback-chain.ts';
import type { GateRequest } from './gate-request.ts';
import type { ShapeTrial } from './gate-shapes.ts';
import { HangTimer } from './hang-timer.ts';
import type { HopOptions } from './hop-time.ts';

/** The answer of one of the ways to a caller. */
export interface GatedAnswer {
  readonly answer: Portable;
  /** Whether the reference gave it, since the optimisation did not; and what that failed with, if with anything. */
  readonly fellBack: boolean;
  readonly error?: unknown;
}

/** One call on its way through a gate. */
export interface GatedCall {
  readonly inputs: readonly Portable[];
  readonly trial: ShapeTrial;
  /** What the optimisation was when the call began: since it failed, it is another one. */
  readonly generation: number;
}

/** The reference is asked instead. Whose fault that is, if anybody's, its answer tells. */
export class DoubtError extends Error {
  /** What the answer cannot be right for; undefined where there is none to look at. */
  readonly fault: string | undefined;
  constructor(message: string, fault?: string) {
    super(message);
    this.fault = fault;
  }
}

/** A run that takes so much longer than the slowest that is usual hangs; and none is said to before so many milliseconds. */
const SLOWEST = 20;
const MIN_BUDGET_MS = 5000;
/** Longest for what nobody waits for, in milliseconds: a first run compiles what its shape needs, and a GPU takes its time. */
const APART_MS = 120_000;

/** A lost host or device, a hang or NaN is enough alone; of errors that a runtime answers with it takes several. */
export function kindOf(error: unknown): FailureKind {
  if (error instanceof DoubtError || failureKind(error) === 'ignored') return 'ignored';
  return EpochlyError.isInstance(error, 'INFERENCE') ? 'failure' : 'grave';
}

export interface GateWaysParts {
  readonly request: GateRequest;
  readonly clock: Clock;
  readonly breaker: CircuitBreaker;
  /** Why an answer is not to be given to anybody; undefined where it may. */
  readonly doubtOf: (answer: Portable, call: GatedCall) => DoubtError | undefined;
  /** Until the gate is closed. */
  readonly signal: AbortSignal;
}

type Chain = FallbackChain<GatedCall, Portable>;

export class GateWays {
  readonly #request: GateRequest;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #both: Chain;
  readonly #reference: Chain;
  readonly #apart: Readonly<Record<'reference' | 'optimized', Chain>>;
  #running = 0;
  #slowestMs: number;

  constructor({ request, clock, breaker, doubtOf, signal }: GateWaysParts) {
    this.#request = request;
    this.#clock = clock;
    this.#signal = signal;
    this.#slowestMs = request.usualMs ?? 0;
    const reference: FallbackHop<GatedCall, Portable> = {
      name: 'reference',
      run: ({ inputs }, options) => request.reference(inputs, options),
    };
    const optimized: FallbackHop<GatedCall, Portable> = {
      name: request.optimizationName === 'reference' ? 'optimized' : request.optimizationName,
      run: ({ inputs }, options) => request.optimized(inputs, options),
    };
    const budgetMs = (): number => MIN_BUDGET_MS + SLOWEST * this.#slowestMs * this.#running;
    const hangs = new HangTimer(clock, budgetMs);
    signal.addEventListener('abort', () => hangs.end());
    const serving: FallbackHop<GatedCall, Portable> = {
      ...optimized,
      breaker,
      hangs,
      check(answer, call) {
        const doubt = doubtOf(answer, call);
        if (doubt !== undefined) throw doubt;
        return undefined;
      },
      // Calls wait for each other.
      get budgetMs() {
        return budgetMs();
      },
    };
    const only = (hop: FallbackHop<GatedCall, Portable>): Chain => new FallbackChain([hop], { clock });
    this.#both = new FallbackChain([serving, reference], { clock });
    this.#reference = only(reference);
    this.#apart = {
      reference: only({ ...reference, budgetMs: APART_MS }),
      optimized: only({ ...optimized, budgetMs: APART_MS }),
    };
  }

  /** The optimisation's answer, or the reference's where that has none that can be right. */
  async askBoth(call: GatedCall, options: FallbackCallOptions): Promise<GatedAnswer> {
    this.#running++;
    const startedAt = this.#clock.now();
    try {
      const { answer, hops } = await this.#both.run(call, options);
      return { answer, fellBack: hops.length > 1, error: hops[0]?.error };
    } catch (error) {
      if (!isCallersFault(error)) throw plain(error);
      // What is wrong with the call the reference says as well, and better.
      const { deadlineMs = Infinity } = options;
      const leftMs = deadlineMs - (this.#clock.now() - startedAt);
      return { answer: await this.askReference(call, { ...options, deadlineMs: leftMs }), fellBack: true };
    } finally {
      this.#running--;
    }
  }

  async askReference(call: GatedCall, options: FallbackCallOptions): Promise<Portable> {
    return (await plainly(this.#reference.run(call, options))).answer;
  }

  /** Behind all callers. `isWarm`: how long it takes is usual. */
  async askApart(which: 'reference' | 'optimized', call: GatedCall, isWarm = false): Promise<Portable> {
    const startedAt = this.#clock.now();
    const { answer } = await plainly(this.#apart[which].run(call, { signal: this.#signal }));
    if (isWarm) this.#slowestMs = Math.max(this.#slowestMs, this.#clock.now() - startedAt);
    return answer;
  }

  /** Makes the optimisation anew, where that can be done. @throws HopTimeoutError where that hangs */
  async rebuild(): Promise<void> {
    const { rebuild } = this.#request;
    if (rebuild !== undefined) await this.inTime('Building it anew', rebuild);
  }

  /** What nobody waits for, and all else of the gate does. @throws HopTimeoutError where it hangs */
  async inTime<T>(name: string, task: (signal: AbortSignal) => MaybePromise<T>): Promise<T> {
    const hop = { name, run: (_: undefined, { signal }: HopOptions) => task(signal), budgetMs: APART_MS };
    const chain = new FallbackChain<undefined, T>([hop], { clock: this.#clock });
    return (await plainly(chain.run(undefined, { signal: this.#signal }))).answer;
  }
}

/** Who has nobody else to ask is told what it said itself. */
async function plainly<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw plain(error);
  }
}

function plain(error: unknown): unknown {
  return EpochlyError.isInstance(error, 'FALLBACKS_EXHAUSTED') ? error.cause : error;
}
