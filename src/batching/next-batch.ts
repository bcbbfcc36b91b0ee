/** @module Which requests make the next batch, and when: the policy, applied to what waits and runs of one model. */

import type { Clock } from '../platform.ts';
import { chooseBatch, pipelineDepth } from './batch-policy.ts';
import type { BatchChoice } from './batch-policy.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { MemoryLimits } from './memory-limits.ts';
import type { MicroBatcherConfig } from './micro-batcher-config.ts';
import type { RunLessons } from './run-lessons.ts';

/** So many rows of a queue are to be taken; or nothing yet, and no longer than `waitMs`. */
export type NextBatch =
  | { readonly queue: BatchQueue; readonly rows: number; readonly explores: boolean }
  | { readonly queue: undefined; readonly waitMs: number };

export interface BatchChooserParts {
  readonly config: MicroBatcherConfig;
  readonly clock: Clock;
  readonly limits: MemoryLimits;
  readonly lessons: RunLessons;
  /** Whether the next batches are on their way while one runs. */
  readonly pipelined: boolean;
  readonly inFlight: () => number;
}

export class BatchChooser {
  readonly #parts: BatchChooserParts;

  constructor(parts: BatchChooserParts) {
    this.#parts = parts;
  }

  /** The batch that should start now, of the queues in the order of their turns; undefined where none should. */
  next(queues: readonly BatchQueue[], now: number): NextBatch | undefined {
    const { pipelined, inFlight } = this.#parts;
    let waitMs = Infinity;
    for (const queue of queues) {
      const { requests } = queue;
      if (requests.length === 0) continue;
      if (queue.refusal !== undefined) {
        if (!this.isWanting(queue, 1)) continue;
        return { queue, rows: 1, explores: false };
      }
      const oldestWaitMs = now - (requests.peek(now)?.enqueuedAt ?? now);
      if (inFlight() > 0) {
        const goal = this.goal(queue, requests.rows);
        const gathered = this.#hasGathered(queue, goal.rows, oldestWaitMs);
        const { rows, explores } = gathered ? this.choose(queue, requests.rows, oldestWaitMs) : goal;
        // Elsewhere than in a pipeline, runs that overlap must be of one size: each is charged for the others.
        if (!pipelined && rows > 1) {
          // The device is kept free for those who have waited for it long enough.
          if (gathered) return undefined;
          continue;
        }
        if (rows > requests.rows || !this.isWanting(queue, rows)) continue;
        return { queue, rows, explores };
      }
      const choice = this.choose(queue, requests.rows, oldestWaitMs);
      // A wait that no timer can keep is none.
      if (choice.waitMs < 1) return { queue, rows: choice.rows, explores: choice.explores };
      waitMs = Math.min(waitMs, choice.waitMs);
    }
    return waitMs < Infinity && inFlight() === 0 ? { queue: undefined, waitMs } : undefined;
  }

  /** The size that is worth gathering while the model is busy: all who wait, run or have just been answered may be in it. */
  goal(queue: BatchQueue, rows: number): BatchChoice {
    const all = rows + queue.inFlightRows + queue.returns.rows(this.#parts.clock.now());
    // Whoever runs now keeps the model busy meanwhile: there is time to gather the best size.
    return this.choose(queue, this.#parts.pipelined ? Math.max(all, queue.bestSize) : all, 0);
  }

  /** Whether the pipeline would run dry without another batch of so many rows. */
  isWanting(queue: BatchQueue, rows: number): boolean {
    const { inFlight, lessons, pipelined } = this.#parts;
    return !pipelined || inFlight() < pipelineDepth(queue.curve.costOf(rows), lessons.wayMs);
  }

  choose(queue: BatchQueue, queuedRows: number, oldestWaitMs: number): BatchChoice {
    const { clock, config, inFlight, lessons, limits } = this.#parts;
    const now = clock.now();
    const waitingRows = queue.requests.rows;
    const returningRows = queue.returns.rows(now);
    return chooseBatch({
      curve: queue.curve,
      queuedRows,
      waitingRows,
      population: Math.max(waitingRows, 1) + queue.inFlightRows + returningRows,
      wayMs: lessons.wayMs,
      idleMs: lessons.idleMs,
      oldestWaitMs,
      returningRows,
      returningInMs: queue.returns.inMs(now),
      inFlight: inFlight(),
      maxRows: limits.maxRows(queue),
      targetLatencyMs: config.targetLatencyMs,
      maxWaitMs: config.maxWaitMs,
      mayExplore: queue.mayExplore,
      now,
    });
  }

  /**
   * Whether the request that waits longest has done so for as long as the batch takes that it is to be part of: who should
   * come in time has come, and other queues that keep the device busy must not keep it waiting for ever.
   */
  #hasGathered(queue: BatchQueue, rows: number, oldestWaitMs: number): boolean {
    const { config, inFlight, lessons } = this.#parts;
    const cost = queue.curve.costOf(rows) ?? 0;
    return oldestWaitMs >= Math.min(cost * (inFlight() + 1) + lessons.wayMs, config.maxWaitMs);
  }
}
