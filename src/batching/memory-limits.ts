/** @module How many rows fit the memory, and the largest tensor of the device, less the headroom that is to stay free. */

import type { InferenceAdapter } from '../adapters/adapter.ts';
import type { Clock } from '../platform.ts';
import type { BatchQueue } from './batch-queue.ts';
import { largestTensorBytes } from './largest-tensor.ts';
import type { MicroBatcherConfig } from './micro-batcher-config.ts';

/** Rows of a batch where nothing else limits them. */
const MOST_ROWS = 1024;
/** How long what the system says of its memory is taken for true. */
const MEMORY_MS = 1000;

/** The memory of the place that the model runs in, in bytes. */
export type AskMemory = () => { readonly usedBytes: number; readonly availableBytes: number };

export class MemoryLimits {
  readonly #model: object;
  readonly #adapter: InferenceAdapter;
  readonly #clock: Clock;
  readonly #memory: AskMemory | undefined;
  readonly #most: number;
  /** The share of the memory that batches may take. */
  readonly #share: number;
  #askedAt = -Infinity;
  #availableBytes = Infinity;

  constructor(
    model: object,
    adapter: InferenceAdapter,
    clock: Clock,
    memory: AskMemory | undefined,
    { maxBatchSize, gpuHeadroomPct }: MicroBatcherConfig,
  ) {
    this.#model = model;
    this.#adapter = adapter;
    this.#clock = clock;
    this.#memory = memory;
    this.#most = maxBatchSize === 0 ? MOST_ROWS : maxBatchSize;
    this.#share = 1 - gpuHeadroomPct / 100;
  }

  /** Bytes in use; undefined where nobody can say. */
  get usedBytes(): number | undefined {
    return this.#memory?.().usedBytes;
  }

  /** Rows of a batch, at most. */
  maxRows(queue: BatchQueue): number {
    const { bytesPerRow, tensorBytesPerRow } = queue;
    const wanted = Math.min(this.#most, queue.limit);
    if (bytesPerRow === 0 && tensorBytesPerRow === 0) return wanted;
    const inMemory = bytesPerRow === 0 ? Infinity : (this.#available() * this.#share) / bytesPerRow;
    const onDevice = tensorBytesPerRow === 0 ? Infinity : (this.#maxTensorBytes() * this.#share) / tensorBytesPerRow;
    return Math.max(1, Math.floor(Math.min(wanted, inMemory, onDevice)));
  }

  /** What of a run of a new size counts against the device's largest tensor. */
  learnTensors(queue: BatchQueue, rows: number, args: readonly unknown[], output: unknown): void {
    if (this.#adapter.maxTensorBytes === undefined) return;
    const largest = Math.max(largestTensorBytes(args), largestTensorBytes(output));
    queue.tensorBytesPerRow = Math.max(queue.tensorBytesPerRow, largest / rows);
  }

  #maxTensorBytes(): number {
    return this.#adapter.maxTensorBytes?.(this.#model) ?? Infinity;
  }

  /** Bytes that are free. Asking the system takes longer than all else of a call. */
  #available(): number {
    const now = this.#clock.now();
    if (now - this.#askedAt >= MEMORY_MS) {
      this.#askedAt = now;
      this.#availableBytes = this.#memory?.().availableBytes ?? Infinity;
    }
    return this.#availableBytes;
  }
}
