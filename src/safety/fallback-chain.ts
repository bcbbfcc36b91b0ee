/** @module One call, answered by the first of several ways to an answer that gives a right one in time. */

import { afterAwake } from '../awake-timer.ts';
import { systemClock } from '../clock.ts';
import { abortReason, ConfigError, DeadlineExceededError, EpochlyError } from '../errors.ts';
import { Emitter, notify } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import type { CircuitBreaker, CircuitTicket } from './circuit-breaker.ts';
import type { HangTimer } from './hang-timer.ts';
import type { HopOutcome, HopRecord } from './hop-record.ts';
import { HopTime } from './hop-time.ts';
import type { HopOptions } from './hop-time.ts';
import { FallbacksExhaustedError, HopTimeoutError, WrongAnswerError } from './safety-errors.ts';

/** One way to an answer: an optimised model, the reference, another backend, a remote. */
export interface FallbackHop<Call, Answer> {
  /** Unique in its chain. */
  readonly name: string;
  /** Must leave the call as it is: the next hop is given the same one. */
  run(call: Call, options: HopOptions): MaybePromise<Answer>;
  /** While it lets nothing through, the hop is passed over. */
  readonly breaker?: CircuitBreaker | undefined;
  /** What is wrong with an answer; undefined where nothing is. A wrong one is a failure of the hop. */
  check?(answer: Answer, call: Call): MaybePromise<string | undefined>;
  /**
   * Longest that it may take, in milliseconds, its check included; what takes longer is a failure of the hop. Read at each
   * call. Default: no end but its share of the caller's deadline. Give one where a hang is possible. A machine that sleeps
   * meanwhile does not use it up.
   */
  readonly budgetMs?: number | undefined;
  /**
   * @internal Times out what takes longer than `budgetMs`, in calls without a deadline: for what is asked so often that a timer of
   * each call's own would cost too much.
   */
  readonly hangs?: HangTimer | undefined;
  /** Told of an answer that nobody gets, wrong or late, so that its memory can be freed. */
  discard?(answer: Answer): void;
}

/** Options of one call of a chain. */
export interface FallbackCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now within which the call must be answered. Default Infinity. */
  readonly deadlineMs?: number | undefined;
}

/** The answer, and who was asked for it. */
export interface FallbackResult<Answer> {
  readonly answer: Answer;
  /** What became of each hop that was asked or passed over; the last one answered. */
  readonly hops: readonly HopRecord[];
}

/** What a chain is made with. */
export interface FallbackChainOptions {
  readonly clock?: Pick<Clock, 'now' | 'after' | 'soon'> | undefined;
}

/** How often each outcome came. `abandoned`: the caller left, or its input was refused. */
export type HopCounts = Readonly<Record<HopOutcome | 'abandoned', number>>;

/** What the hops of a chain came to. */
export interface FallbackDiagnostics {
  readonly calls: number;
  /** Calls that another hop than the first answered. */
  readonly fallbacks: number;
  /** Calls that none answered. */
  readonly exhausted: number;
  /** By the hop's name, in the chain's order. */
  readonly hops: Readonly<Record<string, HopCounts>>;
}

/** @internal The error of a hop ends the call where every hop would refuse it likewise. */
export function isCallersFault(error: unknown): boolean {
  return EpochlyError.isInstance(error, 'INPUT') || EpochlyError.isInstance(error, 'CONFIG');
}

/** How long a hop may take, and whose fault it is if it takes longer. */
interface Limit {
  readonly ms: number;
  /** The hop's own budget runs out. Otherwise it is the caller who gives so little time: no failure of the hop's. */
  readonly isBudget: boolean;
}

/** How long the caller waits. One hop at a time listens for its leaving. */
class Caller {
  readonly endsAt: number;
  isGone = false;
  /** What to reject the caller with, who is gone. */
  reason: unknown;
  onLeave: ((reason: unknown) => void) | undefined;

  constructor(endsAt: number) {
    this.endsAt = endsAt;
  }

  leave(reason: unknown): void {
    if (this.isGone) return;
    this.isGone = true;
    this.reason = reason;
    this.onLeave?.(reason);
  }
}

type ChainClock = Pick<Clock, 'now' | 'after' | 'soon'>;

/**
 * Asks one hop after another, the first first, until one gives a right answer, within one call and its deadline. A hop that
 * hangs leaves time for the others: of what is left of a deadline each takes at most an equal share with those after it.
 * Where the caller aborts, or its deadline passes, the call ends at once and is nobody's failure.
 */
export class FallbackChain<Call, Answer> {
  readonly #hops: readonly FallbackHop<Call, Answer>[];
  readonly #clock: ChainClock;
  readonly #counts: Readonly<Record<string, Record<HopOutcome | 'abandoned', number>>>;
  readonly #fellBack = new Emitter<readonly HopRecord[]>();
  #calls = 0;
  #fallbacks = 0;
  #exhausted = 0;

  /** Told of each call that the first hop did not answer, whether another did or none, before the caller is. */
  readonly onFallback: EventSource<readonly HopRecord[]> = this.#fellBack.event;

  /** @throws RangeError where there is no hop, or two have one name */
  constructor(hops: readonly FallbackHop<Call, Answer>[], { clock = systemClock }: FallbackChainOptions = {}) {
    const names = hops.map((each) => each.name);
    if (hops.length === 0) throw new RangeError('A fallback chain has at least one hop.');
    if (new Set(names).size < hops.length) {
      throw new RangeError(`The hops of a chain have names of their own, not ${names.join(', ')}.`);
    }
    this.#hops = [...hops];
    this.#clock = clock;
    const none = { answered: 0, failed: 0, wrong_answer: 0, timed_out: 0, skipped: 0, abandoned: 0 };
    this.#counts = Object.fromEntries(names.map((name) => [name, { ...none }]));
  }

  /**
   * @throws FallbacksExhaustedError where no hop gave a right answer; the signal's reason; DeadlineExceededError; InputError or
   * ConfigError, as the hop threw it, where the call is at fault
   */
  async run(call: Call, { signal, deadlineMs = Infinity }: FallbackCallOptions = {}): Promise<FallbackResult<Answer>> {
    if (Number.isNaN(deadlineMs)) throw new ConfigError('deadlineMs', 'deadlineMs is a number, not NaN.');
    signal?.throwIfAborted();
    if (deadlineMs <= 0) throw new DeadlineExceededError(deadlineMs);
    if (signal === undefined && deadlineMs === Infinity) return this.#askAll(call, new Caller(Infinity));
    const caller = new Caller(this.#clock.now() + deadlineMs);
    const onAbort = (): void => caller.leave(abortReason(signal as AbortSignal));
    const onDeadline = (): void => caller.leave(new DeadlineExceededError(deadlineMs));
    signal?.addEventListener('abort', onAbort);
    const timer = deadlineMs === Infinity ? undefined : this.#clock.after(deadlineMs, onDeadline);
    try {
      return await this.#askAll(call, caller);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      timer?.[Symbol.dispose]();
    }
  }

  getDiagnostics(): FallbackDiagnostics {
    const hops = Object.fromEntries(Object.entries(this.#counts).map(([name, counts]) => [name, { ...counts }]));
    return { calls: this.#calls, fallbacks: this.#fallbacks, exhausted: this.#exhausted, hops };
  }

  async #askAll(call: Call, caller: Caller): Promise<FallbackResult<Answer>> {
    this.#calls++;
    const hops: HopRecord[] = [];
    for (let i = 0; i < this.#hops.length; i++) {
      const hop = this.#hops[i] as FallbackHop<Call, Answer>;
      const { record, answer } = await this.#ask(hop, call, caller, this.#hops.length - i);
      hops.push(record);
      this.#count(hop, record.outcome);
      if (record.outcome !== 'answered') continue;
      if (i > 0) {
        this.#fallbacks++;
        this.#fellBack.emit(hops);
      }
      return { answer: answer as Answer, hops };
    }
    this.#exhausted++;
    this.#fellBack.emit(hops);
    throw new FallbacksExhaustedError(hops, { cause: hops.at(-1)?.error });
  }

  /** `hopsLeft`: with this one. @throws what ends the whole call */
  async #ask(
    hop: FallbackHop<Call, Answer>,
    call: Call,
    caller: Caller,
    hopsLeft: number,
  ): Promise<{ readonly record: HopRecord; readonly answer?: Answer }> {
    const { name, breaker } = hop;
    const startedAt = this.#clock.now();
    const unanswered = (outcome: HopOutcome, error: unknown): { readonly record: HopRecord } => {
      const reason = error instanceof Error ? error.message : String(error);
      return { record: { name, outcome, reason, error, durationMs: this.#clock.now() - startedAt } };
    };
    let ticket: CircuitTicket | undefined;
    try {
      ticket = breaker?.enter();
    } catch (error) {
      return unanswered('skipped', error);
    }
    const end = (error: unknown, isFailure: boolean): void => {
      if (breaker === undefined) return;
      if (isFailure) breaker.fail(ticket as CircuitTicket, error);
      else breaker.leave(ticket as CircuitTicket);
    };
    const limit = limitOf(hop, caller.endsAt - startedAt, hopsLeft);
    try {
      const answer = await this.#within(hop, call, caller, limit);
      breaker?.succeed(ticket as CircuitTicket);
      const durationMs = this.#clock.now() - startedAt;
      return { record: { name, outcome: 'answered', reason: undefined, error: undefined, durationMs }, answer };
    } catch (error) {
      if (caller.isGone || isCallersFault(error)) {
        end(error, false);
        this.#count(hop, 'abandoned');
        throw caller.isGone ? caller.reason : error;
      }
      if (EpochlyError.isInstance(error, 'HOP_TIMEOUT')) {
        end(error, limit.isBudget);
        return unanswered('timed_out', error);
      }
      end(error, true);
      return unanswered(EpochlyError.isInstance(error, 'WRONG_ANSWER') ? 'wrong_answer' : 'failed', error);
    }
  }

  /** The hop's answer, checked. Rejects as soon as the caller leaves, or the time is up. */
  async #within(hop: FallbackHop<Call, Answer>, call: Call, caller: Caller, { ms }: Limit): Promise<Answer> {
    if (caller.isGone) throw caller.reason;
    const time = new HopTime();
    let timer: Disposable | undefined;
    try {
      return await new Promise<Answer>((resolve, reject) => {
        const giveUp = (reason: unknown): void => {
          if (time.hasEnded) return;
          reject(reason);
          time.end(reason);
        };
        caller.onLeave = giveUp;
        const isShared = hop.hangs !== undefined && caller.endsAt === Infinity;
        if (isShared) timer = hop.hangs.add((budgetMs) => giveUp(new HopTimeoutError(hop.name, budgetMs)));
        else if (ms < caller.endsAt - this.#clock.now()) {
          // Where this thread was busy, the answer may have come and not been read.
          const onTime = (): void => this.#clock.soon(() => giveUp(new HopTimeoutError(hop.name, ms)));
          timer = afterAwake(this.#clock, ms, onTime);
        }
        runChecked(hop, call, time, isShared ? Infinity : ms).then((answer) => {
          if (time.isUp) discard(hop, answer);
          else resolve(answer);
        }, reject);
      });
    } finally {
      time.hasEnded = true;
      caller.onLeave = undefined;
      timer?.[Symbol.dispose]();
    }
  }

  #count({ name }: FallbackHop<Call, Answer>, outcome: HopOutcome | 'abandoned'): void {
    (this.#counts[name] as Record<HopOutcome | 'abandoned', number>)[outcome]++;
  }
}

/** What the hop answers, if it is right; unchecked where nobody waits for it any more. @throws WrongAnswerError */
async function runChecked<Call, Answer>(
  hop: FallbackHop<Call, Answer>,
  call: Call,
  time: HopTime,
  deadlineMs: number,
): Promise<Answer> {
  const answer = await hop.run(call, time.optionsOf(deadlineMs));
  if (hop.check === undefined || time.isUp) return answer;
  try {
    const wrong = await hop.check(answer, call);
    if (wrong !== undefined) throw new WrongAnswerError(hop.name, wrong);
    return answer;
  } catch (error) {
    discard(hop, answer);
    throw error;
  }
}

function discard<Answer>(hop: FallbackHop<never, Answer>, answer: Answer): void {
  if (hop.discard !== undefined) void notify((each: Answer) => hop.discard?.(each), answer);
}

function limitOf(hop: { readonly budgetMs?: number | undefined }, leftMs: number, hopsLeft: number): Limit {
  const shareMs = leftMs / hopsLeft;
  const { budgetMs = Infinity } = hop;
  return budgetMs <= shareMs ? { ms: budgetMs, isBudget: true } : { ms: shareMs, isBudget: false };
}
