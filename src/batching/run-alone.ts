/** @module Runs one request by itself; and the model as a run sees it. */

import type { InferenceAdapter } from '../adapters/adapter.ts';
import type { CallOptions, ModelCall } from '../call.ts';
import type { MaybePromise } from '../platform.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { BatchRequest } from './request.ts';

/** The model, as a batch sees it. */
export interface BatchTarget {
  readonly model: object;
  readonly adapter: InferenceAdapter;
  /** Runs a call, of so many requests. */
  run(call: ModelCall, options: CallOptions, requests: number): MaybePromise<unknown>;
  /** Times a run of so many rows, on the device's account. */
  timed<T>(queue: BatchQueue, rows: number, requests: number, run: TimedRun<T>): Promise<T>;
}

/** Runs the model, and tells what it was given and what it answered with. */
export type TimedRun<T> = (ran: (call: ModelCall, output: unknown) => void) => Promise<T>;

/** A request by itself; its failure is its own. Returns whether it succeeded. */
export async function runAlone(target: BatchTarget, queue: BatchQueue, request: BatchRequest): Promise<boolean> {
  if (request.settled) return true;
  const { call, signal, rows, length } = request;
  queue.countLength(length, length);
  try {
    settle(target, request, await target.timed(queue, rows, 1, alone(target, call, { signal })));
    return true;
  } catch (error) {
    request.reject(error);
    return false;
  }
}

/** One after another. Returns whether all succeeded. */
export async function runEachAlone(
  target: BatchTarget,
  queue: BatchQueue,
  requests: readonly BatchRequest[],
): Promise<boolean> {
  let failed = 0;
  for (const request of requests) if (!(await runAlone(target, queue, request))) failed++;
  return failed === 0;
}

export function alone(target: BatchTarget, call: ModelCall, options: CallOptions): TimedRun<unknown> {
  return async (ran) => {
    const output = await target.run(call, options, 1);
    ran(call, output);
    return output;
  };
}

export function settle(target: BatchTarget, request: BatchRequest, answer: unknown): void {
  if (request.settled) free(target, answer);
  else request.resolve(answer);
}

/** Frees what nobody needs any more. That it fails is nobody's fault who waits for an answer. */
export function free({ adapter, model }: Pick<BatchTarget, 'adapter' | 'model'>, value: unknown): void {
  try {
    adapter.free?.(model, value);
  } catch {
    // Memory of the framework's is lost, and nothing else.
  }
}

export function rowsOf(requests: readonly BatchRequest[]): number {
  let rows = 0;
  for (const each of requests) rows += each.rows;
  return rows;
}
