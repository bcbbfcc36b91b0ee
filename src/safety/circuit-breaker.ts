/** @module Whether an optimisation that failed is used again, and when. */

import { backoffMs } from '../backoff.ts';
import { systemClock } from '../clock.ts';
import { EpochlyError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import { checkSaved } from './circuit-state.ts';
import type { CircuitState, CircuitStateName, SavedCircuit } from './circuit-state.ts';
import { createWindow } from './outcome-window.ts';
import type { OutcomeWindow, WindowCounts, WindowSize } from './outcome-window.ts';
import { CircuitOpenError } from './safety-errors.ts';

/** What an error says of the optimisation. `grave`: enough to open the circuit alone. `ignored`: nothing. */
export type FailureKind = 'failure' | 'grave' | 'ignored';

/** When a breaker opens, and tries again; each has a default. */
export interface CircuitBreakerOptions {
  /** So many failures in a row open it. Default 3. Infinity: no number does. */
  readonly maxFailures?: number | undefined;
  /** So large a share of the window's calls open it where they failed, above 0, at most 1. Default 0.5. */
  readonly failureRate?: number | undefined;
  /** Fewer calls in the window have no failure rate. Default 20. */
  readonly minCalls?: number | undefined;
  /** Default the last 100 calls. */
  readonly window?: WindowSize | undefined;
  /** So many calls are let through to find out whether it works again, and all of them must succeed. Default 3. */
  readonly probes?: number | undefined;
  /** One of them that has not ended after so long has failed. Milliseconds, default 60,000. */
  readonly probeTimeoutMs?: number | undefined;
  /** Longest wait before the first attempt, in milliseconds; the waits grow twofold. Default 1000. */
  readonly minBackoffMs?: number | undefined;
  /** Default 300,000. */
  readonly maxBackoffMs?: number | undefined;
  /** Default `failureKind`. */
  readonly classify?: ((error: unknown) => FailureKind) | undefined;
  /** The state to begin with: what `save()` returned, in this process or another. @throws RangeError where it is not */
  readonly saved?: SavedCircuit | undefined;
  readonly clock?: Pick<Clock, 'now'> | undefined;
  /** From 0 to below 1. */
  readonly random?: (() => number) | undefined;
}

/** A breaker went from one state to another. */
export interface CircuitStateChange {
  /** The circuit's. */
  readonly name: string;
  readonly from: CircuitStateName;
  readonly to: CircuitStateName;
  /** Why it opened, also while it closes again. */
  readonly reason: string;
}

/** Durations in milliseconds. */
export interface CircuitDiagnostics {
  readonly name: string;
  readonly state: CircuitStateName;
  /** Why it is not closed; undefined where it is. */
  readonly reason: string | undefined;
  /** Since it opened; 0 where it is closed. */
  readonly openMs: number;
  /** Until it lets a call try again; 0 where it does now. */
  readonly retryInMs: number;
  /** How often it was tried since it opened, and failed. */
  readonly attempt: number;
  readonly failuresInARow: number;
  readonly window: WindowCounts;
  /** Calls under way that find out whether it works again. */
  readonly probing: number;
  /** Since the breaker was made. `left`: calls that said nothing of it. `opened`: how often it did. */
  readonly counts: Readonly<Record<'succeeded' | 'failed' | 'left' | 'refused' | 'opened', number>>;
}

/** A call that was let through. */
export interface CircuitTicket {
  /** What began before the state changed says nothing about now. */
  readonly period: number;
  readonly startedAt: number;
  ended: boolean;
}

/** Errors that are the caller's own, or say that there is much to do. */
const NOT_ITS_OWN: readonly ErrorCode[] = ['CONFIG', 'DEADLINE_EXCEEDED', 'INPUT', 'QUEUE_FULL'];

/**
 * A wrong answer is grave; what is the caller's (its input, its deadline) is ignored; all else is a failure. So is an AbortError,
 * which is how reading from a lost GPU device ends: give `execute` the signal that the caller may abort.
 */
export function failureKind(error: unknown): FailureKind {
  if (EpochlyError.isInstance(error, 'WRONG_ANSWER')) return 'grave';
  return NOT_ITS_OWN.some((code) => EpochlyError.isInstance(error, code)) ? 'ignored' : 'failure';
}

/**
 * One for each optimisation: opens where it fails too often, lets a few calls try again after a while, and closes where they
 * succeed (M. Nygard, Release It!, 2007). Has no timers: time passes for it when it is asked.
 */
export class CircuitBreaker {
  readonly name: string;
  readonly #maxFailures: number;
  readonly #failureRate: number;
  readonly #minCalls: number;
  readonly #probes: number;
  readonly #probeTimeoutMs: number;
  readonly #backoff: { readonly minMs: number; readonly maxMs: number; readonly random: () => number };
  readonly #classify: (error: unknown) => FailureKind;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #window: OutcomeWindow;
  readonly #changed = new Emitter<CircuitStateChange>();
  readonly #counts = { succeeded: 0, failed: 0, left: 0, refused: 0, opened: 0 };
  /** The calls under way of those that try again. */
  readonly #trying = new Set<CircuitTicket>();
  #state: CircuitState = { kind: 'closed', failuresInARow: 0 };
  #period = 0;

  /** Told of each change of the state's kind. */
  readonly onStateChange: EventSource<CircuitStateChange> = this.#changed.event;

  /** `name`: the optimisation's. @throws RangeError for an option outside its range */
  constructor(name: string, options: CircuitBreakerOptions = {}) {
    const {
      maxFailures = 3,
      failureRate = 0.5,
      minCalls = 20,
      window = { calls: 100 },
      probes = 3,
      probeTimeoutMs = 60_000,
      minBackoffMs = 1000,
      maxBackoffMs = 300_000,
      classify = failureKind,
      saved,
      clock = systemClock,
      random = Math.random,
    } = options;
    const above0 = { maxFailures, failureRate, minCalls, probes, probeTimeoutMs, minBackoffMs, maxBackoffMs };
    for (const [option, value] of Object.entries(above0)) {
      if (!(value > 0)) throw new RangeError(`${option} is above 0, not ${value}.`);
    }
    if (failureRate > 1) throw new RangeError(`failureRate is at most 1, not ${failureRate}.`);
    if ('calls' in window && window.calls < minCalls) {
      throw new RangeError(`A window of ${window.calls} calls never holds minCalls, which is ${minCalls}.`);
    }
    this.name = name;
    this.#maxFailures = maxFailures;
    this.#failureRate = failureRate;
    this.#minCalls = minCalls;
    this.#probes = probes;
    this.#probeTimeoutMs = probeTimeoutMs;
    this.#backoff = { minMs: minBackoffMs, maxMs: maxBackoffMs, random };
    this.#classify = classify;
    this.#clock = clock;
    this.#window = createWindow(window);
    if (saved !== undefined) this.#restore(saved);
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** Runs a task, if the circuit lets it through. What it ends in after `signal` aborted is no failure. @throws CircuitOpenError */
  async execute<T>(task: () => MaybePromise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const ticket = this.enter();
    let answer: T;
    try {
      answer = await task();
    } catch (error) {
      if (signal?.aborted === true) this.leave(ticket);
      else this.fail(ticket, error);
      throw error;
    }
    this.succeed(ticket);
    return answer;
  }

  /** A call begins; it ends with `succeed`, `fail` or `leave`, of which only the first counts. @throws CircuitOpenError */
  enter(): CircuitTicket {
    const now = this.#clock.now();
    this.#giveUp(now);
    if (this.#state.kind === 'open' && now >= this.#state.retryAt) {
      const { openedAt, attempt, reason } = this.#state;
      this.#become({ kind: 'half_open', openedAt, attempt, reason, succeeded: 0 }, reason);
    }
    const state = this.#state;
    const ticket: CircuitTicket = { period: this.#period, startedAt: now, ended: false };
    if (state.kind === 'closed') return ticket;
    if (state.kind === 'half_open' && state.succeeded + this.#trying.size < this.#probes) {
      this.#trying.add(ticket);
      return ticket;
    }
    this.#counts.refused++;
    throw new CircuitOpenError(this.name, state.reason, state.kind === 'open' ? state.retryAt - now : 0);
  }

  succeed(ticket: CircuitTicket): void {
    if (!this.#end(ticket, 'succeeded')) return;
    const state = this.#state;
    if (state.kind === 'closed') {
      this.#window.record(false, this.#clock.now());
      this.#state = { kind: 'closed', failuresInARow: 0 };
    } else if (state.kind === 'half_open') {
      const succeeded = state.succeeded + 1;
      if (succeeded < this.#probes) this.#state = { ...state, succeeded };
      else this.#become({ kind: 'closed', failuresInARow: 0 }, state.reason);
    }
  }

  /** The call ended in an error: a failure, if it is one by `classify`. */
  fail(ticket: CircuitTicket, error: unknown): void {
    const kind = this.#classify(error);
    if (kind === 'ignored') return this.leave(ticket);
    if (!this.#end(ticket, 'failed')) return;
    const state = this.#state;
    const now = this.#clock.now();
    const last = error instanceof Error ? error.message : String(error);
    if (state.kind !== 'closed') return this.#open(now, state.openedAt, state.attempt + 1, last);
    const failuresInARow = state.failuresInARow + 1;
    this.#state = { kind: 'closed', failuresInARow };
    this.#window.record(true, now);
    const { calls, failures } = this.#window.counts(now);
    if (kind === 'grave' || this.#maxFailures === 1) this.#open(now, now, 0, last);
    else if (failuresInARow >= this.#maxFailures)
      this.#open(now, now, 0, `${failuresInARow} failures in a row: ${last}`);
    else if (calls >= this.#minCalls && failures >= calls * this.#failureRate) {
      this.#open(now, now, 0, `${failures} failures in ${calls} calls: ${last}`);
    }
  }

  /** The call ended, and says nothing about the optimisation. */
  leave(ticket: CircuitTicket): void {
    this.#end(ticket, 'left');
  }

  /** The state as plain JSON, for the option `saved`. */
  save(): SavedCircuit {
    const now = this.#clock.now();
    this.#giveUp(now);
    const state = this.#state;
    if (state.kind === 'closed') {
      return { state: 'closed', failuresInARow: state.failuresInARow, window: this.#window.save(now) };
    }
    const { openedAt, attempt, reason } = state;
    const retryInMs = state.kind === 'open' ? Math.max(0, state.retryAt - now) : 0;
    return { state: 'open', openMs: now - openedAt, retryInMs, attempt, reason };
  }

  getDiagnostics(): CircuitDiagnostics {
    const now = this.#clock.now();
    this.#giveUp(now);
    const state = this.#state;
    const isClosed = state.kind === 'closed';
    return {
      name: this.name,
      state: state.kind,
      reason: isClosed ? undefined : state.reason,
      openMs: isClosed ? 0 : now - state.openedAt,
      retryInMs: state.kind === 'open' ? Math.max(0, state.retryAt - now) : 0,
      attempt: isClosed ? 0 : state.attempt,
      failuresInARow: isClosed ? state.failuresInARow : 0,
      window: this.#window.counts(now),
      probing: this.#trying.size,
      counts: { ...this.#counts },
    };
  }

  /** Whether the call's end says something about now. */
  #end(ticket: CircuitTicket, how: 'succeeded' | 'failed' | 'left'): boolean {
    if (ticket.ended) return false;
    ticket.ended = true;
    this.#counts[how]++;
    this.#trying.delete(ticket);
    return ticket.period === this.#period;
  }

  /** A call that tries again and hangs, or that nobody ended, would keep all others out for ever. */
  #giveUp(now: number): void {
    const state = this.#state;
    const [oldest] = this.#trying;
    if (state.kind !== 'half_open' || oldest === undefined || now - oldest.startedAt < this.#probeTimeoutMs) return;
    this.#end(oldest, 'failed');
    const why = `a call that tried again did not end within ${this.#probeTimeoutMs} ms`;
    this.#open(now, state.openedAt, state.attempt + 1, why);
  }

  #open(now: number, openedAt: number, attempt: number, reason: string): void {
    this.#counts.opened++;
    this.#become({ kind: 'open', openedAt, retryAt: now + backoffMs(attempt, this.#backoff), attempt, reason }, reason);
  }

  #become(state: CircuitState, reason: string): void {
    const from = this.#state.kind;
    this.#period++;
    this.#trying.clear();
    this.#window.clear();
    this.#state = state;
    this.#changed.emit({ name: this.name, from, to: state.kind, reason });
  }

  #restore(saved: SavedCircuit): void {
    checkSaved(saved);
    const now = this.#clock.now();
    if (saved.state === 'closed') {
      this.#state = { kind: 'closed', failuresInARow: saved.failuresInARow };
      this.#window.restore(saved.window, now);
    } else {
      const { openMs, attempt, reason } = saved;
      const retryAt = now + Math.min(saved.retryInMs, this.#backoff.maxMs);
      this.#state = { kind: 'open', openedAt: now - openMs, retryAt, attempt, reason };
    }
  }
}
