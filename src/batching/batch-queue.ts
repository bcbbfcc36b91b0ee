/** @module The requests of one batch key: who waits, what batches cost, and what is known of batching them. */

import { Histogram } from '../histogram.ts';
import { AnswerChecks } from './answer-checks.ts';
import { nearestSize } from './batch-sizes.ts';
import { preferredSize } from './batch-policy.ts';
import type { BatchQueueStats } from './batch-stats.ts';
import { CostCurve } from './cost-curve.ts';
import { Returns } from './returns.ts';
import type { RequestQueue } from './request-queue.ts';

/** Of the time that runs took, so much may go into sizes that turned out worse than the best. */
const EXPLORATION_SHARE = 0.01;
/** And so many of the first run's cost at the beginning, when nothing is known. */
const EXPLORATION_START = 4;
/** A run that takes so many times what it should was held up. */
const PAUSED = 4;
/** What was learned so long ago, or so many times its cost, is too old to refuse anybody for it. */
const SURE_MS = 1000;
const SURE_RUNS = 10;

export class BatchQueue {
  readonly key: string;
  readonly requests: RequestQueue;
  readonly curve: CostCurve = new CostCurve();
  readonly returns: Returns = new Returns();
  readonly checks: AnswerChecks = new AnswerChecks();
  readonly waits: Histogram = new Histogram();
  /** The length to which sequences are padded; undefined where they are not. */
  readonly padTo: number | undefined;
  /** Why its requests are run one by one. */
  refusal: string | undefined;
  /** Rows that ran out of memory, halved. */
  limit: number = Infinity;
  inFlightRows = 0;
  /** Rows of the batch that is run in order to learn its cost; 0 while none is. */
  exploredRows = 0;
  failedBatches = 0;
  /** Batches that failed although each of their requests succeeded alone. */
  failedTogether = 0;
  /** When a request of it came last. */
  usedAt = 0;
  /** Bytes of memory that a row was seen to take. */
  bytesPerRow = 0;
  /** Bytes that a row has in the largest tensor that was seen. */
  tensorBytesPerRow = 0;
  #busyMs = 0;
  #exploredMs = 0;
  #firstMs = 0;
  #requests = 0;
  #batches = 0;
  #rows = 0;
  #largest = 0;
  #ranAt = -Infinity;
  #elements = 0;
  #paddedElements = 0;

  constructor(
    key: string,
    requests: RequestQueue,
    { refusal, padTo }: { readonly refusal?: string; readonly padTo?: number | undefined } = {},
  ) {
    this.key = key;
    this.requests = requests;
    this.refusal = refusal;
    this.padTo = padTo;
  }

  /** Whether sizes may be tried that may turn out worse. */
  get mayExplore(): boolean {
    return (
      this.exploredRows === 0 &&
      this.#exploredMs <= this.#busyMs * EXPLORATION_SHARE + this.#firstMs * EXPLORATION_START
    );
  }

  /** A run of the model took `costMs` of the device. */
  ran(rows: number, requests: number, costMs: number, now: number): void {
    // The first batch of a size also pays for what is done once: the second shows what it costs.
    const size = nearestSize(rows);
    const tried = rows === this.exploredRows && this.curve.lastObserved(size) !== undefined;
    if (rows === this.exploredRows) this.exploredRows = 0;
    const best = this.curve.costOf(this.bestSize);
    if (tried && best !== undefined) {
      // A pause of the machine's is not what trying cost; a size that is slow for itself is soon known, and not tried again.
      const most = this.curve.isTrusted(size) ? Infinity : PAUSED * (this.curve.hopedCostOf(size) ?? Infinity);
      this.#exploredMs += Math.max(0, Math.min(costMs, most) - (best * rows) / this.bestSize);
    }
    this.#busyMs += costMs;
    if (this.#firstMs === 0) this.#firstMs = costMs;
    this.curve.observe(rows, costMs, now);
    this.#batches++;
    this.#requests += requests;
    this.#rows += rows;
    this.#largest = Math.max(this.#largest, rows);
    this.#ranAt = now;
  }

  /** A sequence is run at a length; nothing is counted where there are none. */
  countLength(length: number | undefined, runAt: number | undefined): void {
    if (length === undefined || runAt === undefined) return;
    this.#elements += runAt;
    this.#paddedElements += runAt - length;
  }

  get bestSize(): number {
    return preferredSize(this.curve, this.limit);
  }

  /** Rows a millisecond at the best size; 0 while nothing is known. */
  get throughput(): number {
    const size = this.bestSize;
    const cost = this.curve.costOf(size);
    return cost === undefined || cost <= 0 ? 0 : size / cost;
  }

  /**
   * Whether its costs are known, and were seen lately. Where everybody is refused for them nothing runs, and nothing would tell
   * that they have changed: now and then one request has to be run all the same.
   */
  isSure(now: number): boolean {
    const size = this.bestSize;
    if (!this.curve.isKnown(size)) return false;
    return now - this.#ranAt <= Math.max(SURE_MS, SURE_RUNS * (this.curve.costOf(size) as number));
  }

  getStats(maxSize: number): BatchQueueStats {
    return {
      key: this.key,
      refusal: this.refusal,
      padded: this.padTo !== undefined,
      costs: this.curve.points,
      bestSize: this.bestSize,
      maxSize: this.refusal === undefined ? maxSize : 1,
      waiting: this.requests.length,
      requests: this.#requests,
      batches: this.#batches,
      meanBatchSize: this.#batches === 0 ? 0 : this.#rows / this.#batches,
      largestBatch: this.#largest,
      waitP50Ms: this.waits.quantile(0.5),
      waitP95Ms: this.waits.quantile(0.95),
      paddingWaste: this.#elements === 0 ? 0 : this.#paddedElements / this.#elements,
      checked: this.checks.count,
      failedBatches: this.failedBatches,
    };
  }
}
