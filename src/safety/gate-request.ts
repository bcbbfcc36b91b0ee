/** @module What a gate is made for. */

import type { MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { HopOptions } from './hop-time.ts';
import type { Golden } from './golden-store.ts';
import type { OutputValidator } from './output-validator.ts';

/** A part of the way to answering all calls. */
export interface GateStage {
  /** Of the calls, that the optimisation answers meanwhile: above 0, at most 1. */
  readonly share: number;
  /** So many of its answers, each held against the reference's, end the stage. */
  readonly answers: number;
}

/** An optimisation, and what is always right. Both are given the same inputs, and must leave them as they are. */
export interface GateRequest {
  /** What stands for the weights, such as the SHA-256 of the files: goldens are kept by it. */
  readonly model: string;
  /** What the optimisation is called in reports: 'webgpu', ... */
  readonly optimizationName: string;
  /** Answers, whatever becomes of the other. Rejects with the reason of `signal` as soon as that aborts. */
  readonly reference: (inputs: readonly Portable[], options: HopOptions) => MaybePromise<Portable>;
  readonly optimized: (inputs: readonly Portable[], options: HopOptions) => MaybePromise<Portable>;
  /** Makes anew what failed, before it is tried again. Default: it is tried as it is. */
  readonly rebuild?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** By whose validator answers are compared. Default 'encoder'. */
  readonly workloadType?: string | undefined;
  /** By what drift is measured. Default: the workload's validator. */
  readonly driftValidator?: OutputValidator | undefined;
  /** Why an answer is not the reference's, as far as it has to be; undefined where it is. Default: by the validator. */
  readonly differs?:
    | ((golden: Pick<Golden, 'output'>, answer: Portable) => MaybePromise<string | undefined>)
    | undefined;
  /** Shapes of calls (`callShape`) that it got right again and again: they need no canary. */
  readonly proven?: readonly string[] | undefined;
  /** Shapes of calls that it was proven on in an earlier process: of each the first call is enough to try it on it, in place of the third. */
  readonly knownShapes?: ReadonlySet<string> | undefined;
  /**
   * Whether it came through all stages in an earlier process, with the same versions and on the same device: what it is `proven` on it
   * answers at once, watched like any other. Default false.
   */
  readonly isTrusted?: boolean | undefined;
  /** Whether to ask the reference means to open it, so that answers are gathered and compared some at a time. Default: it is open. */
  readonly referenceRests?: (() => boolean) | undefined;
  /** Longest usual run, in milliseconds, where it is known: what takes many times as long hangs. Default: it is measured. */
  readonly usualMs?: number | undefined;
}
