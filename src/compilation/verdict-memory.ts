/** @module What a search came to, for the next start. */

import type { MaybePromise } from '../platform.ts';
import type { ShapeTiming } from './trial.ts';

/** What was chosen the last time. No user data. */
export interface KeptVerdict {
  /** Undefined: nothing was faster than the reference. */
  readonly candidate: string | undefined;
  /** Shapes that it was proven on, and what they took. */
  readonly timings: readonly ShapeTiming[];
}

/** Keeps verdicts by model and place: a key names the weights, the framework's version, the device and whatever else decides. */
export interface VerdictMemory {
  /** Undefined where there is none, or it cannot be read. */
  get(key: string): MaybePromise<KeptVerdict | undefined>;
  put(key: string, verdict: KeptVerdict): MaybePromise<void>;
  /** It was not so any more. */
  delete(key: string): MaybePromise<void>;
}
