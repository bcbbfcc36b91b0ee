/** @module Gathers what is to be written while earlier writes are under way, so that one transaction takes many. */

import { StoreError } from '../../../src/cache/store-errors.ts';
import type { WritePlace } from './write-place.ts';
import type { Outcome, StoreTask } from './write-protocol.ts';

/** What goes over at once, and so in one transaction, at most: others wait for it, and none of it is safe before all of it. */
const BATCH_ENTRIES = 512;
const BATCH_BYTES = 8 << 20;

/** One batch is written while the next one is on its way. */
const MAX_UNDER_WAY = 2;

/** Copying costs less than handing over memory of less than this. */
const TRANSFER_BYTES = 64 << 10;

interface Waiting {
  readonly task: StoreTask;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Batch {
  readonly waiting: Waiting[];
  entries: number;
  bytes: number;
}

export class WriteQueue {
  readonly #place: WritePlace;
  readonly #path: string;
  readonly #batches: Batch[] = [];
  readonly #underWay: Batch[] = [];
  #isScheduled = false;
  #onDrained: (() => void)[] = [];

  constructor(place: WritePlace, path: string) {
    this.#place = place;
    this.#path = path;
  }

  /** The task's values are handed over: they are nobody else's from now on. @throws StoreError */
  submit<T>(task: StoreTask): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isDrained) this.#place.hold();
      const { entries, bytes } = sizeOf(task);
      let batch = this.#batches.at(-1);
      if (batch === undefined || batch.entries + entries > BATCH_ENTRIES || batch.bytes + bytes > BATCH_BYTES) {
        batch = { waiting: [], entries: 0, bytes: 0 };
        this.#batches.push(batch);
      }
      batch.waiting.push({ task, resolve: resolve as (value: unknown) => void, reject });
      batch.entries += entries;
      batch.bytes += bytes;
      this.#schedule();
    });
  }

  /** The batch that went over first is done. */
  performed(outcomes: readonly Outcome[]): void {
    const { waiting } = this.#underWay.shift() as Batch;
    waiting.forEach(({ resolve, reject }, i) => {
      const outcome = outcomes[i] as Outcome;
      if ('value' in outcome) resolve(outcome.value);
      else reject(new StoreError(`The store ${this.#path} could not be used: ${outcome.failure}`));
    });
    this.#send();
    this.#settle();
  }

  /** Nothing will be performed any more. */
  fail(error: StoreError): void {
    if (this.#isDrained) return;
    for (const { waiting } of [...this.#underWay.splice(0), ...this.#batches.splice(0)]) {
      for (const { reject } of waiting) reject(error);
    }
    this.#settle();
  }

  /** Resolves as soon as nothing is waiting. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isDrained) resolve();
      else this.#onDrained.push(resolve);
    });
  }

  get #isDrained(): boolean {
    return this.#batches.length === 0 && this.#underWay.length === 0;
  }

  #settle(): void {
    if (!this.#isDrained) return;
    this.#place.release();
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }

  /** After this turn's other calls, so that they go together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    while (this.#underWay.length < MAX_UNDER_WAY) {
      const batch = this.#batches.shift();
      if (batch === undefined) return;
      this.#underWay.push(batch);
      const tasks = batch.waiting.map(({ task }) => task);
      this.#place.post({ type: 'perform', tasks }, tasks.flatMap(largeBuffers));
    }
  }
}

function valuesOf(task: StoreTask): readonly Uint8Array[] {
  if (task.type === 'putIfAbsent') return [task.bytes];
  return task.type === 'write' ? (task.batch.puts ?? []).map(({ bytes }) => bytes) : [];
}

function largeBuffers(task: StoreTask): readonly ArrayBuffer[] {
  return valuesOf(task)
    .filter(({ length }) => length >= TRANSFER_BYTES)
    .map(({ buffer }) => buffer as ArrayBuffer);
}

function sizeOf(task: StoreTask): { readonly entries: number; readonly bytes: number } {
  const bytes = valuesOf(task).reduce((sum, { length }) => sum + length, 0);
  if (task.type !== 'write') return { entries: 1, bytes };
  const { deletes = [], puts = [], used = [] } = task.batch;
  return { entries: deletes.length + puts.length + used.length, bytes };
}
