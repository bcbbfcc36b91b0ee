/** @module Whether an optimisation's answers are the reference's, and what follows where they are not. */

import { EpochlyError } from '../errors.ts';
import type { MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { GateComparison } from './gate-comparison.ts';
import type { GateProgress } from './gate-progress.ts';
import type { GateRequest } from './gate-request.ts';
import type { GatedCall, GateWays } from './gate-ways.ts';
import type { Golden, GoldenStore } from './golden-store.ts';

/** Runs of each golden in a canary: backends are known that are right once, and wrong from the second run on. */
export const CANARY_RUNS = 3;

export interface GateJudgementParts {
  readonly request: GateRequest;
  readonly goldens: GoldenStore;
  readonly comparison: GateComparison;
  readonly ways: GateWays;
  readonly progress: GateProgress;
  /** Whether the optimisation is still the one that it was when the call began. */
  readonly isCurrent: (call: GatedCall) => boolean;
  /** It was wrong: it is off for good. */
  readonly onWrong: (reason: string) => void;
  /** It drifted, or can no longer be compared. */
  readonly onFailed: (reason: string) => void;
}

export class GateJudgement {
  readonly #parts: GateJudgementParts;

  constructor(parts: GateJudgementParts) {
    this.#parts = parts;
  }

  /** Whether it is right on all of them, again and again; where it is not, it is turned off. */
  async canary(call: GatedCall, goldens: readonly Golden[]): Promise<boolean> {
    for (let run = 0; run < CANARY_RUNS; run++) {
      for (const { inputs, output } of goldens) {
        const own = { ...call, inputs };
        const answer = await this.#parts.ways.askApart('optimized', own, run > 0);
        if (!(await this.isRight(own, output, answer, true))) return false;
      }
    }
    return true;
  }

  /** Whether two answers agree; where they do not, it is turned off for good. @throws where that could not be found out */
  async isRight(call: GatedCall, expected: Portable, actual: Portable, isGolden = false): Promise<boolean> {
    const { comparison, progress, isCurrent, onWrong, onFailed } = this.#parts;
    const { shape } = call.trial;
    const difference = await this.#compared(call, () => comparison.differenceOf(expected, actual, shape));
    progress.counts.compared++;
    if (difference !== undefined) {
      if (progress.hasEnded) return false;
      onWrong(`Its answer to ${shape} is not the reference's: ${difference}`);
      if (!isGolden) await this.#keep(call, expected);
      return false;
    }
    if (isGolden || progress.state !== 'on' || !isCurrent(call)) return true;
    const drifted = await this.#compared(call, () => comparison.driftOf(expected, actual, shape));
    if (drifted === undefined || !isCurrent(call)) return true;
    onFailed(drifted);
    return false;
  }

  /** A validator that hangs leaves nobody who would see a fault: it counts as one. */
  async #compared<T>(call: GatedCall, compare: () => MaybePromise<T>): Promise<T> {
    const { ways, isCurrent, onFailed } = this.#parts;
    try {
      return await ways.inTime('The comparison', compare);
    } catch (error) {
      if (EpochlyError.isInstance(error, 'HOP_TIMEOUT') && isCurrent(call)) onFailed((error as Error).message);
      throw error;
    }
  }

  /** What it was wrong for is a golden for whatever comes after it, which may be after this gate. */
  async #keep({ inputs }: GatedCall, output: Portable): Promise<void> {
    const { goldens, request } = this.#parts;
    const { signal } = new AbortController();
    const ask = async (each: readonly Portable[]): Promise<Portable> =>
      request.reference(each, { signal, onLeave: () => undefined, deadlineMs: Infinity });
    await goldens.capture(request.model, inputs, output, ask, true);
  }
}
