/** @module One request on its way through a batcher. */

import type { InferenceAdapter } from '../adapters/adapter.ts';
import { RequestPriority } from '../call.ts';
import type { ModelCall } from '../call.ts';
import { abortReason } from '../errors.ts';
import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { SubmittedRequest } from './micro-batcher-options.ts';
import type { BatchTarget } from './run-alone.ts';

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

/** What of a request its queue says, and whoever waits for it. */
export interface RequestParts extends Pick<BatchRequest, 'rows' | 'length' | 'enqueuedAt' | 'resolve' | 'reject'> {
  /** Its caller has left: it is to wait no longer. */
  readonly leave: () => void;
}

/**
 * A request that is settled once, whoever tries, and rejected when its caller leaves. Keeps its input as it is now. Made field
 * by field: to copy the rest of an object takes longer than all else of a short call.
 */
export function createRequest(
  { adapter, model }: Pick<BatchTarget, 'adapter' | 'model'>,
  submitted: SubmittedRequest,
  parts: RequestParts,
): BatchRequest {
  const { signal, deadlineAt, deadlineMs, priority = RequestPriority.NORMAL, tenant = 'default' } = submitted;
  const call = retain(adapter, model, submitted.call);
  const onAbort = (): void => {
    parts.leave();
    request.reject(abortReason(signal as AbortSignal));
  };
  const settle = (): boolean => {
    if (request.settled) return false;
    request.settled = true;
    signal?.removeEventListener('abort', onAbort);
    return true;
  };
  const request: BatchRequest = {
    call,
    rows: parts.rows,
    length: parts.length,
    priority,
    tenant,
    enqueuedAt: parts.enqueuedAt,
    deadlineAt,
    deadlineMs,
    signal,
    settled: false,
    resolve: (answer) => {
      if (settle()) parts.resolve(answer);
    },
    reject: (error) => {
      if (settle()) parts.reject(error);
    },
  };
  signal?.addEventListener('abort', onAbort);
  return request;
}

function retain(adapter: InferenceAdapter, model: object, call: ModelCall): ModelCall {
  if (adapter.retain !== undefined) return adapter.retain(model, call);
  return { ...call, args: copyPortable(call.args as readonly Portable[]) as readonly unknown[] };
}
