/** @module Who may wait: a full queue refuses, and so does one that cannot answer in time. */

import { DeadlineExceededError } from '../errors.ts';
import { QueueFullError } from '../model-errors.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { BatchQueues } from './batch-queues.ts';
import type { BatchRequest } from './request.ts';

/**
 * The least that a request can take once the runs under way have ended: those of its tenant that are served before it, and its
 * own run, all in the batches that serve the most. 0 where that is not known well enough to refuse anybody for it.
 */
export function leastMs(
  queue: BatchQueue,
  { rows, tenant, priority }: Pick<BatchRequest, 'rows' | 'tenant' | 'priority'>,
  now: number,
): number {
  const { throughput } = queue;
  if (throughput === 0 || !queue.isSure(now)) return 0;
  let together = rows;
  for (const each of queue.requests) {
    if (each.tenant === tenant && each.priority >= priority) together += each.rows;
  }
  return Math.max(together / throughput, queue.curve.costOf(rows) ?? 0);
}

/** Whether a request that waits cannot be answered in time any more, even if it ran alone and in `busyMs`. */
export function isLate(queue: BatchQueue, { deadlineAt, rows }: BatchRequest, now: number, busyMs: number): boolean {
  if (deadlineAt === undefined) return false;
  const costMs = queue.isSure(now) ? busyMs + (queue.curve.costOf(rows) ?? 0) : 0;
  return deadlineAt <= now || now + costMs > deadlineAt;
}

export function lateError(deadlineMs: number): DeadlineExceededError {
  return new DeadlineExceededError(
    deadlineMs,
    `The call cannot be answered within its deadline of ${deadlineMs} ms any more, and was not run.`,
  );
}

/** @param unknownMs what to say of queues of which nothing is known. */
export function fullError(queues: BatchQueues, waiting: number, unknownMs: number): QueueFullError {
  let drainMs = 0;
  for (const { requests, throughput } of queues) if (throughput > 0) drainMs += requests.rows / throughput;
  // By then half of those who wait will have been served.
  return new QueueFullError(waiting, drainMs > 0 ? drainMs / 2 : unknownMs);
}

/**
 * Where all places are taken, a tenant that has fewer than its share of them gets one of whoever has the most: its last
 * request is to be refused in its stead. Undefined where nobody has more than the tenant.
 */
export function whoMakesRoom(
  queues: BatchQueues,
  tenant: string,
): { readonly queue: BatchQueue; readonly request: BatchRequest } | undefined {
  const counts = new Map<string, number>([[tenant, 0]]);
  for (const queue of queues) {
    for (const each of queue.requests) counts.set(each.tenant, (counts.get(each.tenant) ?? 0) + 1);
  }
  const [[greediest, most]] = [...counts].toSorted(([, a], [, b]) => b - a) as [[string, number]];
  if ((counts.get(tenant) ?? 0) + 1 >= most) return undefined;
  let last: { readonly queue: BatchQueue; readonly request: BatchRequest } | undefined;
  for (const queue of queues) {
    const request = queue.requests.lastOf(greediest);
    if (request !== undefined && (last === undefined || request.priority < last.request.priority))
      last = { queue, request };
  }
  return last;
}
