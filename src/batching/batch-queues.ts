/** @module The queues of one model, by batch key; those used least recently go. */

import type { BatchKeyParts, InferenceAdapter } from '../adapters/adapter.ts';
import type { ModelCall } from '../call.ts';
import { batchKeyString } from './batch-key.ts';
import type { BatchKey } from './batch-key.ts';
import { BatchQueue } from './batch-queue.ts';
import { inTurn, RequestQueue } from './request-queue.ts';
import { sequenceBucket } from './sequence-buckets.ts';
import { TenantTurns } from './tenant-turns.ts';

/** Queues that are kept although nobody waits in them. */
const MAX_QUEUES = 256;

/** A request's queue, and the length of its sequences where that queue pads them. */
export interface QueuePlace {
  readonly queue: BatchQueue;
  readonly length: number | undefined;
}

export class BatchQueues {
  readonly #model: object;
  readonly #adapter: InferenceAdapter;
  readonly #modelId: number;
  /** Milliseconds of waiting that are worth a step of priority. */
  readonly #ageingMs: number;
  readonly #turns = new TenantTurns();
  readonly #queues = new Map<string, BatchQueue>();
  #byParts = new WeakMap<BatchKeyParts, BatchQueue>();
  /** Padding changed an answer of theirs: sequences of one length only share a batch from then on. */
  #padding: boolean;

  constructor(model: object, adapter: InferenceAdapter, modelId: number, ageingMs: number) {
    this.#model = model;
    this.#adapter = adapter;
    this.#modelId = modelId;
    this.#ageingMs = ageingMs;
    this.#padding = adapter.padding !== undefined;
  }

  [Symbol.iterator](): IterableIterator<BatchQueue> {
    return this.#queues.values();
  }

  /** Those in which requests wait, in the order in which they are served. */
  inTurn(now: number): readonly BatchQueue[] {
    const waiting: BatchQueue[] = [];
    for (const queue of this.#queues.values()) if (queue.requests.length > 0) waiting.push(queue);
    return waiting.length < 2 ? waiting : inTurn(waiting, now);
  }

  /** Where a call has its place; by `batchKey` in place of the adapter's key. */
  of(call: ModelCall, batchKey: BatchKey | undefined): QueuePlace {
    if (batchKey !== undefined) return { queue: this.#queue(batchKeyString(batchKey), {}), length: undefined };
    const padded = this.#padding
      ? this.#adapter.padding?.key(this.#model, call, (length) => sequenceBucket(length))
      : undefined;
    if (padded !== undefined) {
      const queue = this.#ofParts(padded.key, padded.bucket);
      if (queue.refusal !== 'answers_differ_when_padded') return { queue, length: padded.length };
      this.#padding = false;
    }
    const parts = this.#adapter.batchKey(this.#model, call);
    const queue =
      typeof parts === 'string' ? this.#queue(`${call.entryPoint} ${parts}`, { refusal: parts }) : this.#ofParts(parts);
    return { queue, length: undefined };
  }

  /** The queue of a key that an adapter gave: the same object is the same key. */
  #ofParts(parts: BatchKeyParts, padTo?: number): BatchQueue {
    let queue = this.#byParts.get(parts);
    if (queue === undefined) {
      const text = batchKeyString({ modelId: this.#modelId, ...parts });
      queue = padTo === undefined ? this.#queue(text, {}) : this.#queue(`${text} padded`, { padTo });
      this.#byParts.set(parts, queue);
    }
    return queue;
  }

  #queue(key: string, options: { readonly refusal?: string; readonly padTo?: number }): BatchQueue {
    let queue = this.#queues.get(key);
    if (queue !== undefined) return queue;
    if (this.#queues.size >= MAX_QUEUES) this.#forgetOne();
    queue = new BatchQueue(key, new RequestQueue(this.#ageingMs, this.#turns), options);
    this.#queues.set(key, queue);
    return queue;
  }

  #forgetOne(): void {
    let oldest: BatchQueue | undefined;
    for (const each of this.#queues.values()) {
      if (each.requests.length > 0 || each.inFlightRows > 0) continue;
      if (oldest === undefined || each.usedAt < oldest.usedAt) oldest = each;
    }
    if (oldest === undefined) return;
    this.#queues.delete(oldest.key);
    this.#byParts = new WeakMap();
  }
}
