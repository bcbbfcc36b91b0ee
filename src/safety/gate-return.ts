/** @module When an optimisation that failed is tried again. */

import type { Clock } from '../platform.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { kindOf } from './gate-ways.ts';
import { HysteresisController } from './hysteresis-controller.ts';

/** Until what is under way has ended, in milliseconds. */
const BUSY_MS = 1000;

export interface GateReturnParts {
  readonly name: string;
  readonly clock: Clock;
  readonly random: () => number;
  /** It failed too often, or gravely. */
  readonly onFailed: (reason: string) => void;
}

/** A breaker says when it has failed and waits longer each time that trying again fails; hysteresis, each time that it did not last. */
export class GateReturn {
  readonly breaker: CircuitBreaker;
  readonly #hysteresis: HysteresisController;
  readonly #name: string;
  readonly #clock: Clock;
  #timer: Disposable | undefined;

  constructor({ name, clock, random, onFailed }: GateReturnParts) {
    this.#name = name;
    this.#clock = clock;
    // One probe: a canary as a whole, which has limits of its own.
    this.breaker = new CircuitBreaker(name, { clock, random, classify: kindOf, probes: 1, probeTimeoutMs: Infinity });
    this.breaker.onStateChange(({ to, reason }) => {
      if (to === 'open') onFailed(reason);
    });
    this.#hysteresis = new HysteresisController({ clock });
  }

  /** A failure outside of what the breaker sees. */
  fail(reason: string): void {
    try {
      this.breaker.fail(this.breaker.enter(), new Error(reason));
    } catch {
      // It is open.
    }
  }

  /** Whether it may answer callers now; if so, it does from now on. */
  enable(): boolean {
    if (!this.#hysteresis.shouldEnable(this.#name, { verdict: 'passed' })) return false;
    this.#hysteresis.recordTransition(this.#name);
    return true;
  }

  /** It answers nobody any more. */
  disable(): void {
    if (this.#hysteresis.getDiagnostics()[this.#name]?.enabled === true) this.#hysteresis.recordTransition(this.#name);
  }

  /** An attempt has failed of something that may not have been counted. */
  failAgain(reason: string): void {
    // An error that says nothing leaves the breaker half-open.
    if (this.breaker.state.kind !== 'open') this.fail(reason);
    this.#hysteresis.shouldEnable(this.#name, { verdict: 'failed' });
  }

  /**
   * Calls `task` when it may be tried again, and nothing else is under way. The back-off's jitter is added to the dwell time, so that
   * not all that a driver's reset took along come back at once.
   */
  schedule(isBusy: () => boolean, task: () => void): void {
    const dwellMs = this.#hysteresis.getDiagnostics()[this.#name]?.remainingMs ?? 0;
    const wait = (ms: number): void => {
      this.#timer = this.#clock.after(ms, () => (isBusy() ? wait(BUSY_MS) : task()));
    };
    wait(dwellMs + this.breaker.getDiagnostics().retryInMs);
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
  }
}
