/** @module Whether the requests of a batch are answered in it as they are alone. */

import type { Evidence } from './answer-checks.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { BatchRequest } from './request.ts';
import { alone, free, rowsOf } from './run-alone.ts';
import type { BatchTarget } from './run-alone.ts';

/** What a batch may differ from single runs by, relative to the largest value: kernels round in another order. */
const TOLERANCE = 1e-4;

/** Which requests of a batch to compare, and what it shows if their answers are the same. */
interface Comparison extends Evidence {
  readonly indices: ReadonlySet<number>;
}

/** Whether nothing more is to be learned from a batch, whatever is in it. */
export function isProven({ checks, padTo }: BatchQueue, rows: number): boolean {
  return !checks.wantsDiffering(rows) && (padTo === undefined || !checks.wantsPadded);
}

/**
 * True where the answers are those that the requests get alone, or need not be compared; false where they are not; undefined
 * where a request failed alone, which is its own fault, and was rejected. `due`: they are compared whatever the batch holds.
 */
export async function answersHold(
  target: BatchTarget,
  queue: BatchQueue,
  requests: readonly BatchRequest[],
  answers: readonly unknown[],
  due: boolean,
): Promise<boolean | undefined> {
  const comparison = await chooseComparison(target, queue, requests, due);
  if (comparison === undefined) return true;
  for (const i of comparison.indices) {
    const request = requests[i] as BatchRequest;
    let expected: unknown;
    try {
      expected = await target.timed(queue, request.rows, 1, alone(target, request.call, {}));
    } catch (error) {
      request.reject(error);
      return undefined;
    }
    const same = await match(target, expected, answers[i], TOLERANCE);
    free(target, expected);
    if (!same) return false;
  }
  queue.checks.passed(rowsOf(requests), comparison);
  return true;
}

async function chooseComparison(
  target: BatchTarget,
  queue: BatchQueue,
  requests: readonly BatchRequest[],
  due: boolean,
): Promise<Comparison | undefined> {
  const { checks, padTo } = queue;
  const rows = rowsOf(requests);
  const padded = padTo === undefined ? -1 : requests.findIndex(({ length }) => length !== padTo);
  const other = due || checks.wantsDiffering(rows) ? await firstUnlike(target, requests) : -1;
  if (!due && other < 0 && (padded < 0 || !checks.wantsPadded)) return undefined;
  const indices = new Set([Math.max(0, padded), other < 0 ? requests.length - 1 : other]);
  return { indices, differing: other >= 0, padded: padded >= 0 };
}

/** The first request whose inputs are not those of the very first; -1 where all are alike. */
async function firstUnlike(target: BatchTarget, [first, ...others]: readonly BatchRequest[]): Promise<number> {
  for (const [i, { call }] of others.entries()) {
    if (!(await match(target, first?.call.args, call.args, 0))) return i + 1;
  }
  return -1;
}

/** What cannot be compared is not the same. */
async function match({ adapter }: BatchTarget, a: unknown, b: unknown, tolerance: number): Promise<boolean> {
  try {
    return await adapter.outputsMatch(a, b, tolerance);
  } catch {
    return false;
  }
}
