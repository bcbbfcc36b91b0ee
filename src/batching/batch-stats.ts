/** @module What a batcher says of itself. */

import type { CostPoint } from './cost-curve.ts';

/** Requests that may share a batch, and how they fared. Durations in milliseconds. */
export interface BatchQueueStats {
  /** The batch key as text. */
  readonly key: string;
  /** Why its requests are run one by one; undefined where they are batched. */
  readonly refusal: string | undefined;
  /** Whether sequences of several lengths are padded to one. */
  readonly padded: boolean;
  /** t(b) as measured. */
  readonly costs: readonly CostPoint[];
  /** The size that serves the most rows a millisecond, of those measured; 1 where batching does not pay. */
  readonly bestSize: number;
  /** Rows that no batch exceeds: the configured number, or what memory allows; Infinity where nothing limits it yet. */
  readonly maxSize: number;
  readonly waiting: number;
  readonly requests: number;
  /** Runs of the model, those of single requests included. */
  readonly batches: number;
  readonly meanBatchSize: number;
  readonly largestBatch: number;
  readonly waitP50Ms: number | undefined;
  readonly waitP95Ms: number | undefined;
  /** Elements of padding, as a share of all that were run. */
  readonly paddingWaste: number;
  /** Batches that were compared with their requests run alone. */
  readonly checked: number;
  /** Batches that failed, and whose requests were then run alone, or in halves. */
  readonly failedBatches: number;
}

/** What a batcher has done, and what waits in it. */
export interface BatcherStats {
  readonly queues: readonly BatchQueueStats[];
  readonly waiting: number;
  readonly inFlight: number;
  readonly requests: number;
  /** Of those, requests that found the model idle, as those before them, and went past the queues: in no queue's numbers. */
  readonly alone: number;
  /** Requests refused because the queue was full. */
  readonly refusedFull: number;
  /** Requests refused because they could not be answered before their deadline any more. */
  readonly refusedLate: number;
}
