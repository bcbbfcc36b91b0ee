/** @module Keeps an optimisation from being turned on and off over and over. */

import { systemClock } from '../clock.ts';
import type { Clock } from '../platform.ts';

/** What a trial of an optimisation came to, as far as it is asked here. */
export interface CanaryVerdict {
  /** 'undecided': too few samples to tell. */
  readonly verdict: 'passed' | 'failed' | 'undecided';
}

/**
 * Why an optimisation is to be turned off. 'wrong': it may give wrong answers, or none. 'worse': the answers are right, but it
 * does not pay (slower, dearer).
 */
export type DisableReason = 'wrong' | 'worse';

/** How long an optimisation stays as it is; each has a default. */
export interface HysteresisOptions {
  /** How long it stays off after it was turned off for the first time, and on before it is turned off as worse. Default 60,000. */
  readonly minDwellMs?: number | undefined;
  /** Longest stay: it doubles with each flip. Default a day. */
  readonly maxDwellMs?: number | undefined;
  /** A flip is forgiven for each so many milliseconds that the optimisation was on without one. Default an hour. */
  readonly forgiveAfterMs?: number | undefined;
  readonly clock?: Pick<Clock, 'now'> | undefined;
}

/** Durations in milliseconds. */
export interface HysteresisDiagnostics {
  readonly enabled: boolean;
  /** Times it was turned on or off, in all. */
  readonly transitions: number;
  /** Those after the first that are not forgiven; the dwell time doubles with each after the second. */
  readonly flips: number;
  /** In its present state. */
  readonly forMs: number;
  /** How long it stays in its present state at least; off longer after a canary that failed. */
  readonly dwellMs: number;
  /** Until the dwell time is over. 0: it may be turned on, or off as worse. */
  readonly remainingMs: number;
}

interface Dwelling {
  enabled: boolean;
  changedAt: number;
  /** The dwell time begins here: at the last change, or where it is off, at a canary that failed since. */
  dwellsFrom: number;
  /** At `changedAt`. */
  flips: number;
  transitions: number;
}

/**
 * Says when an optimisation may be turned on or off; whoever does it tells so by `recordTransition`. It is on or off for a
 * dwell time at least, which doubles with each flip and shrinks again while the optimisation stays on. What gives wrong answers
 * is turned off at once all the same: only coming back, and turning off what is right but does not pay, wait.
 */
export class HysteresisController {
  readonly #minDwellMs: number;
  readonly #maxDwellMs: number;
  readonly #forgiveAfterMs: number;
  /** More would not make a longer stay, only one that takes longer to forgive. */
  readonly #maxFlips: number;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #dwellings = new Map<string, Dwelling>();

  /** @throws RangeError for a duration that is not above 0 */
  constructor({
    minDwellMs = 60_000,
    maxDwellMs = 86_400_000,
    forgiveAfterMs = 3_600_000,
    clock = systemClock,
  }: HysteresisOptions = {}) {
    for (const [name, value] of Object.entries({ minDwellMs, maxDwellMs, forgiveAfterMs })) {
      if (!(value > 0)) throw new RangeError(`${name} is above 0, not ${value}.`);
    }
    if (maxDwellMs < minDwellMs) throw new RangeError(`maxDwellMs is at least minDwellMs, not ${maxDwellMs}.`);
    this.#minDwellMs = minDwellMs;
    this.#maxDwellMs = maxDwellMs;
    this.#forgiveAfterMs = forgiveAfterMs;
    this.#maxFlips = Math.ceil(Math.log2(maxDwellMs / minDwellMs)) + 1;
    this.#clock = clock;
  }

  /**
   * Whether to turn on an optimisation that is off: its canary passed, and it has been off for long enough. A canary that
   * failed makes it wait anew.
   */
  shouldEnable(optimizationName: string, canaryReport: CanaryVerdict): boolean {
    const now = this.#clock.now();
    const dwelling = this.#dwellings.get(optimizationName);
    if (dwelling?.enabled === true) return false;
    if (canaryReport.verdict === 'failed' && dwelling !== undefined) dwelling.dwellsFrom = now;
    return canaryReport.verdict === 'passed' && (dwelling === undefined || this.#remainingMs(dwelling, now) === 0);
  }

  /** Whether to turn off an optimisation, unless it is known to be off. */
  shouldDisable(optimizationName: string, reason: DisableReason = 'wrong'): boolean {
    const dwelling = this.#dwellings.get(optimizationName);
    if (dwelling === undefined || reason === 'wrong') return dwelling?.enabled !== false;
    return dwelling.enabled && this.#remainingMs(dwelling, this.#clock.now()) === 0;
  }

  /** An optimisation was turned on, or off; the first time on. */
  recordTransition(optimizationName: string): void {
    const now = this.#clock.now();
    const dwelling = this.#dwellings.get(optimizationName);
    const changed = { changedAt: now, dwellsFrom: now };
    if (dwelling === undefined) {
      this.#dwellings.set(optimizationName, { ...changed, enabled: true, flips: 0, transitions: 1 });
    } else {
      const flips = Math.min(this.#maxFlips, this.#flips(dwelling, now) + 1);
      Object.assign(dwelling, { ...changed, enabled: !dwelling.enabled, flips });
      dwelling.transitions++;
    }
  }

  /** By optimisation. */
  getDiagnostics(): Readonly<Record<string, HysteresisDiagnostics>> {
    const now = this.#clock.now();
    const entries = [...this.#dwellings].map(([name, dwelling]): [string, HysteresisDiagnostics] => [
      name,
      {
        enabled: dwelling.enabled,
        transitions: dwelling.transitions,
        flips: this.#flips(dwelling, now),
        forMs: now - dwelling.changedAt,
        dwellMs: this.#dwellMs(dwelling),
        remainingMs: this.#remainingMs(dwelling, now),
      },
    ]);
    return Object.fromEntries(entries);
  }

  /** Those that are not forgiven by now. */
  #flips({ enabled, changedAt, flips }: Dwelling, now: number): number {
    return enabled ? Math.max(0, flips - Math.floor((now - changedAt) / this.#forgiveAfterMs)) : flips;
  }

  #dwellMs({ flips }: Dwelling): number {
    return Math.min(this.#maxDwellMs, this.#minDwellMs * 2 ** Math.max(0, flips - 1));
  }

  #remainingMs(dwelling: Dwelling, now: number): number {
    return Math.max(0, dwelling.dwellsFrom + this.#dwellMs(dwelling) - now);
  }
}
