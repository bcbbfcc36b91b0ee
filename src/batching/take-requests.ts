/** @module Takes the requests of the next batch out of their queue. */

import type { BatchQueue } from './batch-queue.ts';
import type { BatchRequest } from './request.ts';

/**
 * Requests of so many rows together, at most, but for the first one, whatever it has; fewer where one of them would be answered
 * too late for the others' sake.
 */
export function takeRequests(
  { curve, requests, waits }: BatchQueue,
  rows: number,
  now: number,
): readonly BatchRequest[] {
  const taken: BatchRequest[] = [];
  let together = 0;
  let deadlineAt = Infinity;
  for (let next = requests.peek(now); next !== undefined; next = requests.peek(now)) {
    const more = together + next.rows;
    deadlineAt = Math.min(deadlineAt, next.deadlineAt ?? Infinity);
    const tooLate = deadlineAt < Infinity && now + (curve.costOf(more) ?? 0) > deadlineAt;
    if (taken.length > 0 && (more > rows || tooLate)) break;
    requests.pop(now);
    waits.observe(now - next.enqueuedAt);
    taken.push(next);
    together = more;
    if (together >= rows) break;
  }
  return taken;
}
