/** @module One call of a model: what travels along the way of one call. */

import type { InferenceAdapter } from './adapters/adapter.ts';
import type { RequestContext } from './context.ts';

/** How urgent a call is. */
export const RequestPriority = { LOW: 0, NORMAL: 1, HIGH: 2, CRITICAL: 3 } as const;
export type RequestPriority = (typeof RequestPriority)[keyof typeof RequestPriority];

/** The options of one call; they travel beside the model's own arguments, through `session.with({ ... })`. */
export interface CallOptions {
  /** Rejects the caller at once, queued or running. Work that others share goes on for them. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now within which the call must have finished; none are left where it is not above 0. Default Infinity. */
  readonly deadlineMs?: number | undefined;
  /** Whose call it is: tenants never see each other's cached answers. Default: `EPOCHLY_TENANT_ID`, else "default". */
  readonly tenant?: string | undefined;
  /** Default `RequestPriority.NORMAL`. */
  readonly priority?: RequestPriority | undefined;
  /** The request that the call is made for. Default: the current one, of `runWithContext()`. */
  readonly context?: RequestContext | undefined;
  /**
   * Hosted models only: hand the input buffers over instead of copying them. The caller's arrays become empty where a run
   * takes them; where the answer is at hand, or comes of a batch, they stay as they are.
   */
  readonly transfer?: boolean | undefined;
}

/** Entry point and arguments of a call, without the model. `entryPoint` is '' where the model itself is called. */
export interface ModelCall {
  readonly entryPoint: string;
  readonly args: readonly unknown[];
}

/** One call on its way. */
export interface InferenceCall extends ModelCall {
  readonly model: object;
  readonly modelId: number;
  /** SHA-256 of the model's files or the name the caller gave it; undefined where neither is known. */
  readonly identity: string | undefined;
  readonly adapter: InferenceAdapter;
  /** Whose answers it may be given: everybody's are the same where tenants are not kept apart. */
  readonly cacheTenant: string;
  options: CallOptions;
  /** Where the answer came from, set by the step that gave it; 'model' until a step says otherwise. */
  source: AnswerSource;
  /** When the caller's deadline passes, on the platform's clock; undefined where there is none. */
  readonly deadlineAt: number | undefined;
  /** The deadline as the caller gave it, for errors. */
  readonly deadlineMs: number | undefined;
  /** Calls the model itself, with the arguments as they stand; the innermost step. */
  readonly invoke: (options: CallOptions) => Promise<unknown>;
}

/** Who answered a call: the model, the cache, or another equal call that was in flight. */
export type AnswerSource = 'model' | 'l1' | 'l2' | 'l3' | 'shared';

/** One step of the way of one call. It calls `next` at most once. */
export interface Step {
  (call: InferenceCall, next: (call: InferenceCall) => Promise<unknown>): Promise<unknown>;
  /** The way past the step for calls of a model; undefined where all have to come by. */
  readonly bypassOf?: ((model: object) => StepBypass | undefined) | undefined;
}

/**
 * A way past a step: a run of the model leaves little in the processor's caches, and each function that is called after it is
 * one to fetch again. So a call for which a step would do nothing need not come by it.
 */
export interface StepBypass {
  /** Whether a call that comes now, with no options that a step reads, may go past. Changes nothing. */
  isOpen(): boolean;
  /** A call goes past. */
  enter(): void;
  /** It has ended. */
  leave?(): void;
}
