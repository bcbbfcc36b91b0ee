/** @module Runs requests as one, and falls back to running each alone wherever that is not the same. */

import type { JoinedCall } from '../adapters/adapter.ts';
import type { ModelCall } from '../call.ts';
import { EpochlyError } from '../errors.ts';
import type { BatchQueue } from './batch-queue.ts';
import { answersHold, isProven } from './compare-answers.ts';
import type { BatchRequest } from './request.ts';
import { free, rowsOf, runAlone, runEachAlone, settle } from './run-alone.ts';
import type { BatchTarget } from './run-alone.ts';

/** How often a batch may fail whose requests succeed alone, before no more are made. */
const MAX_FAILED_TOGETHER = 2;
const OUT_OF_MEMORY =
  /out of memory|out-of-memory|\boom\b|bad_alloc|failed to allocate|allocation failed|could not allocate|invalid array buffer length|exceeds the (max|limit)/i;

/** Answers or rejects each of the requests. Returns whether all were answered, or had been left. */
export async function runBatch(
  target: BatchTarget,
  queue: BatchQueue,
  requests: readonly BatchRequest[],
): Promise<boolean> {
  const [only] = requests;
  if (requests.length === 1) return runAlone(target, queue, only as BatchRequest);
  const rows = rowsOf(requests);
  let answers: readonly unknown[];
  try {
    answers = await target.timed(queue, rows, requests.length, (ran) => runJoined(target, queue, requests, ran));
  } catch (error) {
    return recover(target, queue, requests, error);
  }
  const due = queue.checks.isDue(rows);
  const hold = !due && isProven(queue, rows) ? true : await answersHold(target, queue, requests, answers, due);
  if (hold !== true) {
    if (hold === false)
      queue.refusal = queue.padTo === undefined ? 'answers_differ_in_a_batch' : 'answers_differ_when_padded';
    for (const answer of answers) free(target, answer);
    return runEachAlone(target, queue, requests);
  }
  answers.forEach((answer, i) => settle(target, requests[i] as BatchRequest, answer));
  for (const { call } of requests) target.adapter.reuse?.(target.model, call);
  return true;
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
  for (const { length } of requests) queue.countLength(length, padTo);
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
  if (answers.length !== requests.length) {
    for (const answer of answers) free(target, answer);
    throw new RangeError(`${requests.length} requests were answered with ${answers.length} answers.`);
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

/** After a batch that failed: only what fails alone fails. */
async function recover(
  target: BatchTarget,
  queue: BatchQueue,
  requests: readonly BatchRequest[],
  error: unknown,
): Promise<boolean> {
  const waiting = requests.filter((each) => !each.settled);
  // Left by all, and ended for that.
  if (waiting.length === 0) return true;
  queue.failedBatches++;
  const message = error instanceof Error ? error.message : String(error);
  if (waiting.length > 1 && OUT_OF_MEMORY.test(message)) return runHalves(target, queue, waiting);
  if (!(await runEachAlone(target, queue, waiting))) return false;
  // Each alone is fine: it is the batch that the model cannot take. An answer without a row for each is proof of it.
  const noRows = error instanceof RangeError && !EpochlyError.isInstance(error);
  if (noRows) queue.refusal = 'answers_have_no_rows';
  else if (++queue.failedTogether >= MAX_FAILED_TOGETHER) queue.refusal = 'fails_in_a_batch';
  return true;
}

/** After a batch that was too large. The size is remembered, unless it was a request that is too large by itself. */
async function runHalves(target: BatchTarget, queue: BatchQueue, requests: readonly BatchRequest[]): Promise<boolean> {
  const before = queue.limit;
  const lowered = Math.max(1, Math.min(before, Math.floor(rowsOf(requests) / 2)));
  queue.limit = lowered;
  const middle = requests.length >> 1;
  const first = await runBatch(target, queue, requests.slice(0, middle));
  const second = await runBatch(target, queue, requests.slice(middle));
  if (first && second) return true;
  if (queue.limit === lowered) queue.limit = before;
  return false;
}
