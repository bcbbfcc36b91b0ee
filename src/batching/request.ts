/** @module One request on its way through a batcher. */

import type { ModelCall, RequestPriority } from '../call.ts';

export interface BatchRequest {
  /** What to run; once queued, with inputs that the caller can no longer change. */
  call: ModelCall;
  readonly rows: number;
  /** Elements of its sequences, where those may be padded. */
  readonly length: number | undefined;
  readonly priority: RequestPriority;
  readonly tenant: string;
  /** On the batcher's clock, in milliseconds. */
  readonly enqueuedAt: number;
  readonly deadlineAt: number | undefined;
  /** The caller's deadline as it was given, for the error. */
  readonly deadlineMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Whether it was answered, rejected or left: nothing may be done for it any more. */
  settled: boolean;
}
