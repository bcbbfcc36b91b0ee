/** @module Runs requests as one, and falls back to running each alone wherever that is not the same. */

import type { InferenceAdapter, JoinedCall } from '../adapters/adapter.ts';
import type { CallOptions, ModelCall } from '../call.ts';
import { EpochlyError } from '../errors.ts';
import type { MaybePromise } from '../platform.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { BatchRequest } from './request.ts';

/** What a batch may differ from single runs by, relative to the largest value: kernels round in another order. */
const TOLERANCE = 1e-4;
/** How often a batch may fail whose requests succeed alone, before no more are made. */
const MAX_FAILED_TOGETHER = 2;
const OUT_OF_MEMORY =
  /out of memory|out-of-memory|\boom\b|bad_alloc|failed to allocate|allocation failed|could not allocate|invalid array buffer length|exceeds the (max|limit)/i;

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

/** Answers or rejects each of the requests; never throws. */
export async function runBatch(
  target: BatchTarget,
  queue: BatchQueue,
  requests: readonly BatchRequest[],
): Promise<void> {
  const [only] = requests;
  if (requests.length === 1) return void (await runAlone(target, queue, only as BatchRequest));
  const rows = rowsOf(requests);
  let answers: readonly unknown[];
  try {
    answers = await target.timed(queue, rows, requests.length, (ran) => runJoined(target, queue, requests, ran));
  } catch (error) {
    return recover(target, queue, requests, error);
  }
  if (queue.checks.isDue(rows) && !(await agree(target, queue, requests, answers))) {
    queue.refusal = queue.padTo === undefined ? 'answers_differ_in_a_batch' : 'answers_differ_when_padded';
    for (const answer of answers) free(target, answer);
    return runEachAlone(target, queue, requests);
  }
  answers.forEach((answer, i) => settle(target, requests[i] as BatchRequest, answer));
}

/** A request by itself; its failure is its own. Returns whether it succeeded. */
export async function runAlone(target: BatchTarget, queue: BatchQueue, request: BatchRequest): Promise<boolean> {
  if (request.settled) return true;
  try {
    const { call, signal, rows } = request;
    settle(target, request, await target.timed(queue, rows, 1, alone(target, call, { signal })));
    return true;
  } catch (error) {
    request.reject(error);
    return false;
  }
}

function alone(target: BatchTarget, call: ModelCall, options: CallOptions): TimedRun<unknown> {
  return async (ran) => {
    const output = await target.run(call, options, 1);
    ran(call, output);
    return output;
  };
}

async function runEachAlone(target: BatchTarget, queue: BatchQueue, requests: readonly BatchRequest[]): Promise<void> {
  for (const request of requests) await runAlone(target, queue, request);
}

async function runJoined(
  target: BatchTarget,
  queue: BatchQueue,
  requests: readonly BatchRequest[],
  ran: (call: ModelCall, output: unknown) => void,
): Promise<readonly unknown[]> {
  const { adapter, model } = target;
  const { padTo } = queue;
  const { padding } = adapter;
  const calls = requests.map(({ call }) =>
    padTo === undefined || padding === undefined ? call : padding.pad(model, call, padTo),
  );
  const joined: JoinedCall = adapter.join(model, calls);
  const waiting = watch(requests);
  let answers: readonly unknown[];
  try {
    const output = await target.run(joined, { signal: waiting?.signal }, requests.length);
    ran(joined, output);
    answers = adapter.split(model, joined, output);
  } catch (error) {
    free(target, joined.args);
    throw error;
  } finally {
    waiting?.stop();
  }
  if (padTo === undefined || padding === undefined) return answers;
  return answers.map((answer, i) => padding.unpad(model, (requests[i] as BatchRequest).call, answer, padTo));
}

/** A signal that aborts once all of the requests have been left by their callers; none where one of them cannot be. */
function watch(requests: readonly BatchRequest[]): { readonly signal: AbortSignal; stop(): void } | undefined {
  if (!requests.every(({ signal }) => signal !== undefined)) return undefined;
  const controller = new AbortController();
  const look = (): void => {
    if (requests.every(({ signal }) => signal?.aborted)) controller.abort(requests.at(-1)?.signal?.reason);
  };
  for (const { signal } of requests) signal?.addEventListener('abort', look);
  return {
    signal: controller.signal,
    stop: () => requests.forEach(({ signal }) => signal?.removeEventListener('abort', look)),
  };
}

/** Whether the first and the last of the requests are answered alone as they were in the batch. */
async function agree(
  target: BatchTarget,
  queue: BatchQueue,
  requests: readonly BatchRequest[],
  answers: readonly unknown[],
): Promise<boolean> {
  for (const i of [0, requests.length - 1]) {
    const { call, rows } = requests[i] as BatchRequest;
    let expected: unknown;
    try {
      expected = await target.timed(queue, rows, 1, alone(target, call, {}));
    } catch {
      return false; // What fails alone fails in what follows, and is the request's own.
    }
    const same = await target.adapter.outputsMatch(expected, answers[i], TOLERANCE);
    free(target, expected);
    if (!same) return false;
  }
  queue.checks.passed(rowsOf(requests));
  return true;
}

/** After a batch that failed: only what fails alone fails. */
async function recover(
  target: BatchTarget,
  queue: BatchQueue,
  requests: readonly BatchRequest[],
  error: unknown,
): Promise<void> {
  queue.failedBatches++;
  const waiting = requests.filter((each) => !each.settled);
  if (waiting.length === 0) return;
  const message = error instanceof Error ? error.message : String(error);
  if (waiting.length > 1 && OUT_OF_MEMORY.test(message)) {
    queue.limit = Math.max(1, Math.min(queue.limit, Math.floor(rowsOf(requests) / 2)));
    const middle = waiting.length >> 1;
    await runBatch(target, queue, waiting.slice(0, middle));
    return runBatch(target, queue, waiting.slice(middle));
  }
  let succeeded = 0;
  for (const request of waiting) if (await runAlone(target, queue, request)) succeeded++;
  if (succeeded < waiting.length) return;
  // Each alone is fine: it is the batch that the model cannot take. An answer without a row for each is proof of it.
  const noRows = error instanceof RangeError && !EpochlyError.isInstance(error);
  if (noRows) queue.refusal = 'answers_have_no_rows';
  else if (++queue.failedTogether >= MAX_FAILED_TOGETHER) queue.refusal = 'fails_in_a_batch';
}

function settle(target: BatchTarget, request: BatchRequest, answer: unknown): void {
  if (request.settled) free(target, answer);
  else request.resolve(answer);
}

function free({ adapter, model }: BatchTarget, value: unknown): void {
  adapter.free?.(model, value);
}

function rowsOf(requests: readonly BatchRequest[]): number {
  let rows = 0;
  for (const each of requests) rows += each.rows;
  return rows;
}
