/** @module Many callers, one model: requests that fit together are run together, where that was measured to pay. */

import type { BatchKeyParts, InferenceAdapter } from '../adapters/adapter.ts';
import { RequestPriority } from '../call.ts';
import type { CallOptions, ModelCall } from '../call.ts';
import { abortReason, ClosedError, DeadlineExceededError } from '../errors.ts';
import { QueueFullError } from '../model-errors.ts';
import type { Clock } from '../platform.ts';
import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import { batchKeyString } from './batch-key.ts';
import type { BatchKey } from './batch-key.ts';
import { chooseBatch, MOST_IN_PIPELINE, pipelineDepth } from './batch-policy.ts';
import type { BatchChoice } from './batch-policy.ts';
import { BatchQueue } from './batch-queue.ts';
import type { BatcherStats } from './batch-stats.ts';
import { DeviceShare } from './device-share.ts';
import type { DeviceMember } from './device-share.ts';
import { DEFAULT_MICRO_BATCHER_CONFIG } from './micro-batcher-config.ts';
import type { MicroBatcherConfig } from './micro-batcher-config.ts';
import type { BatchRequest } from './request.ts';
import { runAlone, runBatch } from './run-batch.ts';
import type { BatchTarget, TimedRun } from './run-batch.ts';
import { largestTensorBytes } from './largest-tensor.ts';
import { sequenceBucket } from './sequence-buckets.ts';
import { systemClock } from '../clock.ts';

/** Waiting for ten times the latency that is wanted is worth a step of priority. */
const AGEING = 10;
/** Rows of a batch where nothing else limits them. */
const MOST_ROWS = 1024;
/** How long what the system says of its memory is taken for true. */
const MEMORY_MS = 1000;
/** Weight of the newest in the mean of the time that the way to another thread and back takes. */
const NEWEST_WAY = 1 / 8;
/** And of one that is shorter than the mean. */
const SHORTER_WAY = 1 / 2;
/** Queues that are kept although nobody waits in them; those used least recently go. */
const MAX_QUEUES = 256;

/** What a batcher is made of. */
export interface DynamicMicroBatcherOptions<Model extends object = any> {
  readonly model: Model;
  readonly adapter: InferenceAdapter<Model>;
  /** Default: each field's own. */
  readonly config?: Partial<MicroBatcherConfig> | undefined;
  readonly clock?: Clock | undefined;
  /** What the model shares its device with. Default: nothing. */
  readonly device?: DeviceShare | undefined;
  /** The model's number, for batch keys. Default 0. */
  readonly modelId?: number | undefined;
  /** Told of each run of the model, which it has to begin, and of how many requests it is for. */
  readonly observe?: ((call: ModelCall, requests: number, run: () => unknown) => Promise<unknown>) | undefined;
  /** The memory of the place it runs in, in bytes, where that can be asked. */
  readonly memory?: (() => { readonly usedBytes: number; readonly availableBytes: number }) | undefined;
}

/** Options of one request. */
export interface BatchInferOptions extends Pick<CallOptions, 'signal' | 'deadlineMs' | 'tenant' | 'priority'> {
  /** In place of the adapter's: only requests of equal keys share a batch. */
  readonly batchKey?: BatchKey | undefined;
  /** Default: the model's primary entry point. */
  readonly entryPoint?: string | undefined;
}

/** A request as the way of a call hands it over. */
export interface SubmittedRequest extends Omit<BatchInferOptions, 'entryPoint'> {
  readonly call: ModelCall;
  /** On the clock of the batcher. */
  readonly deadlineAt?: number | undefined;
  /** Calls the model with the caller's own arguments, in this turn. */
  readonly runNow?: (() => Promise<unknown>) | undefined;
}

/**
 * Batches the requests of one model. Requests that may share a batch wait in one queue; each queue learns what a batch of
 * each size costs, and takes the size that serves the most requests in the time they have. A model that is idle runs at
 * once, one that is not faster in batches runs its requests one by one, and one whose answers differ in a batch is never
 * batched.
 *
 * @example
 * const batcher = new DynamicMicroBatcher({ model, adapter });
 * await batcher.start();
 * const answer = await batcher.infer(input, { priority: RequestPriority.HIGH });
 * await batcher.stop();
 */
export class DynamicMicroBatcher<Model extends object = any> implements DeviceMember {
  readonly config: MicroBatcherConfig;
  readonly #model: Model;
  readonly #adapter: InferenceAdapter<Model>;
  readonly #clock: Clock;
  readonly #device: DeviceShare;
  readonly #modelId: number;
  readonly #memory: DynamicMicroBatcherOptions['memory'];
  readonly #target: BatchTarget;
  /** Runs at once: of single requests, for a batch is alone unless runs are pipelined. */
  readonly #slots: number;
  /** Whether the next batches are on their way while one runs. */
  readonly #pipelined: boolean;
  /** Milliseconds that a run takes beyond what it takes on its own thread; the mean of the latest. */
  #wayMs = 0;
  /** Milliseconds a run that its thread has nothing to do, although others are on their way to it; the mean of the latest. */
  #idleMs = 0;
  #finishedAt = -Infinity;
  readonly #queues = new Map<string, BatchQueue>();
  #queuesByParts = new WeakMap<BatchKeyParts, BatchQueue>();
  /** Padding changed an answer of theirs: sequences of one length only share a batch from then on. */
  #padding: boolean;
  #running = false;
  #waiting = 0;
  #inFlight = 0;
  /** Of those, the runs of several requests. */
  #batches = 0;
  #requests = 0;
  #refusedFull = 0;
  #refusedLate = 0;
  /** Whether `pump` is due at the end of this turn. */
  #pumpIsDue = false;
  /** Callers were answered in this turn, and may ask again before the next. */
  #settling = false;
  /** Whether requests came together the last time that the model was idle. */
  #company = false;
  #wait: Disposable | undefined;
  #memoryAskedAt = -Infinity;
  #availableBytes = Infinity;
  #onIdle: (() => void)[] = [];
  /** What runs taught that is not yet taken in. */
  readonly #lessons: (() => void)[] = [];

  constructor(options: DynamicMicroBatcherOptions<Model>) {
    const { model, adapter, config, clock = systemClock, modelId = 0 } = options;
    this.config = { ...DEFAULT_MICRO_BATCHER_CONFIG, ...config };
    this.#model = model;
    this.#adapter = adapter;
    this.#clock = clock;
    this.#modelId = modelId;
    this.#memory = options.memory;
    this.#pipelined = adapter.timeOf !== undefined;
    this.#slots = this.#pipelined ? MOST_IN_PIPELINE : (adapter.concurrency?.(model) ?? Infinity);
    this.#device = options.device ?? new DeviceShare();
    this.#padding = adapter.padding !== undefined;
    const observe = options.observe ?? (async (_call, _requests, run) => run());
    const run: BatchTarget['run'] = (call, callOptions, requests) =>
      observe(call, requests, () => invoke(adapter, model, call, callOptions));
    this.#target = { model, adapter, run, timed: (...args) => this.#timed(...args) };
  }

  /** Takes requests from now on. */
  async start(): Promise<void> {
    this.#running = true;
  }

  /**
   * Takes no requests from now on, and resolves once none is left: by default after all that wait were answered; with
   * `drain: false` these are rejected with ClosedError, and only what runs is waited for.
   */
  async stop({ drain = true }: { readonly drain?: boolean | undefined } = {}): Promise<void> {
    this.#running = false;
    if (!drain) {
      for (const queue of this.#queues.values()) {
        for (const request of this.#remove(queue, () => true)) {
          request.reject(new ClosedError('The batcher was stopped before the request had its turn.'));
        }
      }
    }
    if (this.#waiting > 0 || this.#inFlight > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /**
   * Runs the model on an input, in a batch where that pays.
   *
   * @throws QueueFullError (with `retryAfterMs`), DeadlineExceededError, ClosedError where the batcher is not started, the
   * reason of `signal`, what the model throws.
   */
  infer(input: unknown, options: BatchInferOptions = {}): Promise<any> {
    const { entryPoint = this.#adapter.getEntryPoints(this.#model)[0]?.name as string, deadlineMs, ...rest } = options;
    const deadlineAt = deadlineMs === undefined ? undefined : this.#clock.now() + deadlineMs;
    const call: ModelCall = { entryPoint, args: [input] };
    const answer = this.submit({ ...rest, call, deadlineAt, deadlineMs });
    if (deadlineMs === undefined) return answer;
    const late = new Promise<never>((_resolve, reject) => {
      const timer = this.#clock.after(deadlineMs, () => reject(new DeadlineExceededError(deadlineMs)), true);
      const stop = (): void => timer[Symbol.dispose]();
      answer.then(stop, stop);
    });
    return Promise.race([answer, late]);
  }

  /** What waits, what runs, and how each queue fares. */
  getStats(): BatcherStats {
    return {
      queues: [...this.#queues.values()].map((queue) => queue.getStats(this.#maxRows(queue))),
      waiting: this.#waiting,
      inFlight: this.#inFlight,
      requests: this.#requests,
      refusedFull: this.#refusedFull,
      refusedLate: this.#refusedLate,
    };
  }

  /** @internal */
  usedMs = 0;

  /** @internal A request from the way of a call. */
  submit(submitted: SubmittedRequest): Promise<unknown> {
    const { call, signal, deadlineAt, runNow } = submitted;
    if (!this.#running) return Promise.reject(new ClosedError('The batcher is not started: call start() first.'));
    if (signal?.aborted === true) return Promise.reject(abortReason(signal));
    const now = this.#clock.now();
    const queue = this.#queueOf(submitted);
    const rows = this.#adapter.rowsOf?.(this.#model, call) ?? 1;
    this.#requests++;
    queue.returns.came(rows, now);
    const { tenant = 'default', priority = RequestPriority.NORMAL } = submitted;
    if (deadlineAt !== undefined && now + this.#leastMs(queue, rows, tenant, priority) > deadlineAt) {
      this.#refusedLate++;
      return Promise.reject(lateError(submitted.deadlineMs ?? 0));
    }
    if (this.#runsAtOnce(queue)) {
      const run = runNow ?? (() => this.#target.run(call, { signal }, 1) as Promise<unknown>);
      return this.#runNow(queue, call, rows, run);
    }
    if (this.#waiting >= this.config.maxQueueDepth && !this.#makeRoom(tenant)) {
      this.#refusedFull++;
      return Promise.reject(new QueueFullError(this.#waiting, this.#drainMs() / 2));
    }
    return this.#enqueue(queue, submitted, rows, now);
  }

  /** @internal Starts what is ready, as far as there is room. */
  pump(): void {
    this.#wait?.[Symbol.dispose]();
    this.#wait = undefined;
    while (this.#hasRoom()) {
      const next = this.#nextBatch();
      if (next === undefined) return;
      void this.#start(next.queue, next.requests);
    }
  }

  #hasRoom(): boolean {
    return (this.#pipelined || this.#batches === 0) && this.#inFlight < this.#slots && this.#device.hasRoomFor(this);
  }

  #queueOf({ call, batchKey }: SubmittedRequest): BatchQueue {
    if (batchKey !== undefined) return this.#queue(batchKeyString(batchKey), {});
    const padded = this.#padding
      ? this.#adapter.padding?.key(this.#model, call, (length) => sequenceBucket(length))
      : undefined;
    if (padded !== undefined) {
      const queue = this.#byParts(padded.key, padded.bucket);
      queue.paddedElements += padded.bucket - padded.length;
      queue.elements += padded.bucket;
      if (queue.refusal !== 'answers_differ_when_padded') return queue;
      this.#padding = false;
    }
    const parts = this.#adapter.batchKey(this.#model, call);
    return typeof parts === 'string'
      ? this.#queue(`${call.entryPoint} ${parts}`, { refusal: parts })
      : this.#byParts(parts);
  }

  /** The queue of a key that an adapter gave: the same object is the same key. */
  #byParts(parts: BatchKeyParts, padTo?: number): BatchQueue {
    let queue = this.#queuesByParts.get(parts);
    if (queue === undefined) {
      const text = batchKeyString({ modelId: this.#modelId, ...parts });
      queue = padTo === undefined ? this.#queue(text, {}) : this.#queue(`${text} padded`, { padTo });
      this.#queuesByParts.set(parts, queue);
    }
    return queue;
  }

  #queue(key: string, options: { refusal?: string; padTo?: number }): BatchQueue {
    let queue = this.#queues.get(key);
    if (queue !== undefined) return queue;
    queue = new BatchQueue(key, this.config.targetLatencyMs * AGEING, options);
    this.#queues.set(key, queue);
    if (this.#queues.size > MAX_QUEUES) {
      for (const [old, each] of this.#queues) {
        if (each === queue || each.requests.length > 0 || each.inFlightRows > 0) continue;
        this.#queues.delete(old);
        this.#queuesByParts = new WeakMap();
        break;
      }
    }
    return queue;
  }

  /** Whether a request need not wait in any queue: nobody waits before it, and nobody is expected to come with it. */
  #runsAtOnce(queue: BatchQueue): boolean {
    if (this.#waiting > 0 || this.#pumpIsDue || this.#settling) return false;
    if (!this.#hasRoom()) return false;
    if (!this.#isWanting(queue, 1)) return false;
    if (queue.refusal !== undefined) return true;
    if (this.#inFlight > 0) return this.#goal(queue, 1).rows <= 1;
    if (this.#company) return false;
    return queue.returns.rows(this.#clock.now()) === 0 || this.#choose(queue, 1, 0).waitMs === 0;
  }

  async #runNow(queue: BatchQueue, call: ModelCall, rows: number, run: () => Promise<unknown>): Promise<unknown> {
    if (this.#inFlight === 0) this.#expectCompany();
    queue.waits.observe(0);
    this.#inFlight++;
    queue.inFlightRows += rows;
    try {
      return await this.#timed(queue, rows, 1, async (ran) => {
        const answer = await run();
        ran(call, answer);
        return answer;
      });
    } finally {
      queue.returns.expect(rows, this.#clock.now());
      this.#finished(queue, rows, false);
    }
  }

  /** The next time that the model is idle, requests of one turn go together if they do so now. */
  #expectCompany(): void {
    queueMicrotask(() => {
      this.#company = this.#waiting > 0;
    });
  }

  #enqueue(queue: BatchQueue, submitted: SubmittedRequest, rows: number, now: number): Promise<unknown> {
    const { signal, deadlineAt, deadlineMs, priority = RequestPriority.NORMAL, tenant = 'default' } = submitted;
    return new Promise((resolve, reject) => {
      const call = retain(this.#adapter, this.#model, submitted.call);
      const leave = (): void => {
        this.#remove(queue, (each) => each === request);
        request.reject(abortReason(signal as AbortSignal));
      };
      const done = (): void => {
        request.settled = true;
        signal?.removeEventListener('abort', leave);
      };
      const request: BatchRequest = {
        call,
        rows,
        priority,
        tenant,
        enqueuedAt: now,
        deadlineAt,
        deadlineMs,
        signal,
        settled: false,
        resolve: (answer) => {
          if (request.settled) return;
          done();
          // Before the caller can ask again.
          queue.returns.expect(rows, this.#clock.now());
          resolve(answer);
        },
        reject: (error) => {
          if (request.settled) return;
          done();
          reject(error);
        },
      };
      signal?.addEventListener('abort', leave);
      queue.requests.push(request);
      this.#setWaiting(this.#waiting + 1);
      this.#pumpSoon();
    });
  }

  #pumpSoon(): void {
    if (this.#pumpIsDue) return;
    this.#pumpIsDue = true;
    queueMicrotask(() => {
      this.#pumpIsDue = false;
      if (this.#settling) return;
      if (this.#inFlight === 0) this.#company = this.#waiting > 1;
      this.pump();
    });
  }

  /** The batch that should start now; undefined where there is none, or where more are to gather first. */
  #nextBatch(): { readonly queue: BatchQueue; readonly requests: readonly BatchRequest[] } | undefined {
    const now = this.#clock.now();
    let shortestWait = Infinity;
    for (const queue of this.#byUrgency(now)) {
      this.#refuseLate(queue, now);
      const { requests } = queue;
      if (requests.length === 0) continue;
      if (queue.refusal !== undefined) {
        if (!this.#isWanting(queue, 1)) continue;
        return { queue, requests: this.#take(queue, 1, now) };
      }
      const oldestWaitMs = now - (requests.peek(now)?.enqueuedAt ?? now);
      if (this.#inFlight > 0) {
        const goal = this.#goal(queue, requests.rows);
        const gathered = this.#hasGathered(queue, goal.rows, oldestWaitMs);
        const { rows, explores } = gathered ? this.#choose(queue, requests.rows, oldestWaitMs) : goal;
        // Elsewhere than in a pipeline, runs that overlap must be of one size: each is charged for the others.
        if (!this.#pipelined && rows > 1) {
          // The device is kept free for those who have waited for it long enough.
          if (gathered) return undefined;
          continue;
        }
        if (rows > requests.rows || !this.#isWanting(queue, rows)) continue;
        return { queue, requests: this.#take(queue, rows, now, explores) };
      }
      const choice = this.#choose(queue, requests.rows, oldestWaitMs);
      // A wait that no timer can keep is none.
      if (choice.waitMs < 1) {
        return { queue, requests: this.#take(queue, choice.rows, now, choice.explores) };
      }
      shortestWait = Math.min(shortestWait, choice.waitMs);
    }
    if (shortestWait < Infinity && this.#inFlight === 0) {
      this.#wait = this.#clock.after(shortestWait, () => this.#pumpAfterWait(), true);
    }
    return undefined;
  }

  /** The wait is over, whether anybody came or not. */
  #pumpAfterWait(): void {
    this.#wait = undefined;
    const now = this.#clock.now();
    for (const queue of this.#queues.values()) queue.returns.forget();
    for (const queue of this.#byUrgency(now)) {
      if (queue.requests.length === 0 || this.#inFlight > 0) continue;
      const { rows } = this.#choose(queue, queue.requests.rows, Infinity);
      void this.#start(queue, this.#take(queue, rows, now));
    }
    this.pump();
  }

  #byUrgency(now: number): Iterable<BatchQueue> {
    const waiting = [...this.#queues.values()].filter((queue) => queue.requests.length > 0);
    return waiting.length < 2 ? waiting : waiting.toSorted((a, b) => b.requests.urgency(now) - a.requests.urgency(now));
  }

  /** The size that is worth gathering while the model is busy: all who wait, run or have just been answered may be in it. */
  #goal(queue: BatchQueue, rows: number): BatchChoice {
    const all = rows + queue.inFlightRows + queue.returns.rows(this.#clock.now());
    // Whoever runs now keeps the model busy meanwhile: there is time to gather the best size.
    return this.#choose(queue, this.#pipelined ? Math.max(all, queue.bestSize) : all, 0);
  }

  /**
   * Whether the request that waits longest has done so for as long as the batch takes that it is to be part of: who should
   * come in time has come, and other queues that keep the device busy must not keep it waiting for ever.
   */
  #hasGathered(queue: BatchQueue, rows: number, oldestWaitMs: number): boolean {
    const cost = queue.curve.costOf(rows) ?? 0;
    return oldestWaitMs >= Math.min(cost * (this.#inFlight + 1) + this.#wayMs, this.config.maxWaitMs);
  }

  /** Whether the pipeline would run dry without another batch of so many rows. */
  #isWanting(queue: BatchQueue, rows: number): boolean {
    return !this.#pipelined || this.#inFlight < pipelineDepth(queue.curve.costOf(rows), this.#wayMs);
  }

  #choose(queue: BatchQueue, queuedRows: number, oldestWaitMs: number): BatchChoice {
    const now = this.#clock.now();
    const { targetLatencyMs, maxWaitMs } = this.config;
    const waitingRows = queue.requests.rows;
    const returningRows = queue.returns.rows(now);
    return chooseBatch({
      curve: queue.curve,
      queuedRows,
      waitingRows,
      population: Math.max(waitingRows, 1) + queue.inFlightRows + returningRows,
      wayMs: this.#wayMs,
      idleMs: Math.max(0, this.#idleMs),
      oldestWaitMs,
      returningRows,
      returningInMs: queue.returns.inMs(now),
      inFlight: this.#inFlight,
      maxRows: this.#maxRows(queue),
      targetLatencyMs,
      maxWaitMs,
      mayExplore: queue.mayExplore,
      now,
    });
  }

  #maxRows(queue: BatchQueue): number {
    const { maxBatchSize } = this.config;
    const wanted = Math.min(maxBatchSize === 0 ? MOST_ROWS : maxBatchSize, queue.limit);
    if (queue.bytesPerRow === 0 && queue.tensorBytesPerRow === 0) return wanted;
    const headroom = 1 - this.config.gpuHeadroomPct / 100;
    const inMemory = queue.bytesPerRow === 0 ? Infinity : (this.#availableMemory() * headroom) / queue.bytesPerRow;
    const onDevice =
      queue.tensorBytesPerRow === 0 ? Infinity : (this.#maxTensorBytes() * headroom) / queue.tensorBytesPerRow;
    return Math.max(1, Math.floor(Math.min(wanted, inMemory, onDevice)));
  }

  #maxTensorBytes(): number {
    return this.#adapter.maxTensorBytes?.(this.#model) ?? Infinity;
  }

  /** Bytes of memory that are free. Asking the system takes longer than all else of a call. */
  #availableMemory(): number {
    const now = this.#clock.now();
    if (now - this.#memoryAskedAt >= MEMORY_MS) {
      this.#memoryAskedAt = now;
      this.#availableBytes = this.#memory?.().availableBytes ?? Infinity;
    }
    return this.#availableBytes;
  }

  /** Takes out requests of so many rows together, the first one whatever it has. */
  #take(queue: BatchQueue, rows: number, now: number, explores = false): readonly BatchRequest[] {
    const taken: BatchRequest[] = [];
    let room = rows;
    for (let next = queue.requests.peek(now); next !== undefined; next = queue.requests.peek(now)) {
      if (taken.length > 0 && next.rows > room) break;
      queue.requests.pop(now);
      queue.waits.observe(now - next.enqueuedAt);
      taken.push(next);
      room -= next.rows;
      if (room <= 0) break;
    }
    this.#setWaiting(this.#waiting - taken.length);
    if (explores) queue.exploredRows = rows - room;
    return taken;
  }

  async #start(queue: BatchQueue, requests: readonly BatchRequest[]): Promise<void> {
    const rows = requests.reduce((sum, each) => sum + each.rows, 0);
    const together = requests.length > 1;
    this.#inFlight++;
    if (together) this.#batches++;
    queue.inFlightRows += rows;
    if (queue.refusal === undefined) await runBatch(this.#target, queue, requests);
    else for (const each of requests) await runAlone(this.#target, queue, each);
    for (const { call } of requests) this.#adapter.free?.(this.#model, call.args);
    if (together) this.#batches--;
    this.#finished(queue, rows, together);
  }

  /** A run has ended: those who were answered may ask again in this turn, and are then waited for. */
  #finished(queue: BatchQueue, rows: number, together: boolean): void {
    this.#inFlight--;
    queue.inFlightRows -= rows;
    this.#sayIdle();
    if ((this.#waiting > 0 && this.#goal(queue, queue.requests.rows).rows > queue.requests.rows) || together) {
      this.#settle();
    } else {
      this.#device.next();
    }
  }

  #settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    this.#clock.soon(() => {
      this.#settling = false;
      this.#device.next();
    });
  }

  async #timed<T>(queue: BatchQueue, rows: number, requests: number, run: TimedRun<T>): Promise<T> {
    const begunAt = this.#clock.now();
    const begun = this.#device.begin(this, begunAt);
    const isNew = queue.curve.lastObserved(rows) === undefined;
    const before = isNew ? this.#memory?.().usedBytes : undefined;
    let failed = true;
    let insideMs: number | undefined;
    try {
      const result = await run(({ args }, output) => {
        insideMs = this.#adapter.timeOf?.(this.#model, output);
        if (isNew && this.#adapter.maxTensorBytes !== undefined) {
          const largest = Math.max(largestTensorBytes(args), largestTensorBytes(output));
          queue.tensorBytesPerRow = Math.max(queue.tensorBytesPerRow, largest / rows);
        }
      });
      failed = false;
      return result;
    } finally {
      const now = this.#clock.now();
      const sharedMs = this.#device.finish(this, begun, now);
      if (insideMs !== undefined) this.#learnWay(begunAt, insideMs, now);
      this.#finishedAt = now;
      if (failed) {
        queue.exploredRows = 0;
      } else {
        this.#learn(() => queue.ran(rows, requests, insideMs ?? sharedMs, now));
        if (before !== undefined) {
          const grown = (this.#memory?.().usedBytes ?? before) - before;
          queue.bytesPerRow = Math.max(queue.bytesPerRow, grown / rows);
        }
      }
    }
  }

  /** Where nobody waits for what is decided by it, whoever is answered need not wait for what is learned from it either. */
  #learn(lesson: () => void): void {
    if (this.#waiting > 0) return lesson();
    this.#lessons.push(lesson);
    if (this.#lessons.length > 1) return;
    this.#clock.soon(() => {
      for (const each of this.#lessons.splice(0)) each();
    });
  }

  /** From a run that found nobody before it, the way; from one that did, what of the way did not overlap with other runs. */
  #learnWay(begunAt: number, insideMs: number, now: number): void {
    if (begunAt < this.#finishedAt) {
      this.#idleMs += (now - this.#finishedAt - insideMs - this.#idleMs) * NEWEST_WAY;
      return;
    }
    const wayMs = Math.max(0, now - begunAt - insideMs);
    // What made one longer (code that is cold, a pause) is not to be expected of the next.
    this.#wayMs += (wayMs - this.#wayMs) * (this.#wayMs === 0 ? 1 : wayMs < this.#wayMs ? SHORTER_WAY : NEWEST_WAY);
  }

  #setWaiting(waiting: number): void {
    if (waiting > 0) this.#device.wait(this);
    else this.#device.leave(this);
    this.#waiting = waiting;
  }

  #sayIdle(): void {
    if (this.#waiting === 0 && this.#inFlight === 0) for (const each of this.#onIdle.splice(0)) each();
  }

  /** The least that a request can take from now on: those of its tenant that are served before it, and its own run. */
  #leastMs(queue: BatchQueue, rows: number, tenant: string, priority: RequestPriority): number {
    const { throughput } = queue;
    if (throughput === 0) return 0;
    let ahead = 0;
    for (const each of queue.requests) if (each.tenant === tenant && each.priority >= priority) ahead += each.rows;
    return ahead / throughput + (queue.curve.costOf(rows) ?? 0);
  }

  #refuseLate(queue: BatchQueue, now: number): void {
    if (!queue.requests.hasDeadlines) return;
    const late = this.#remove(
      queue,
      ({ deadlineAt, rows }) => deadlineAt !== undefined && now + (queue.curve.costOf(rows) ?? 0) > deadlineAt,
    );
    this.#refusedLate += late.length;
    for (const each of late) each.reject(lateError(each.deadlineMs ?? 0));
  }

  #remove(queue: BatchQueue, unwanted: (request: BatchRequest) => boolean): readonly BatchRequest[] {
    const removed = queue.requests.remove(unwanted);
    this.#setWaiting(this.#waiting - removed.length);
    for (const { call } of removed) this.#adapter.free?.(this.#model, call.args);
    if (removed.length > 0) this.#sayIdle();
    return removed;
  }

  /**
   * Where all places are taken, a tenant that has fewer than its share of them gets one of whoever has the most: its last
   * request is refused in its stead.
   */
  #makeRoom(tenant: string): boolean {
    const counts = new Map<string, number>([[tenant, 0]]);
    for (const queue of this.#queues.values()) {
      for (const each of queue.requests) counts.set(each.tenant, (counts.get(each.tenant) ?? 0) + 1);
    }
    const [[greediest, most]] = [...counts].toSorted(([, a], [, b]) => b - a) as [[string, number]];
    if ((counts.get(tenant) ?? 0) + 1 >= most) return false;
    for (const queue of this.#queues.values()) {
      const last = queue.requests.lastOf(greediest);
      if (last === undefined) continue;
      this.#remove(queue, (each) => each === last);
      this.#refusedFull++;
      last.reject(new QueueFullError(this.#waiting + 1, this.#drainMs() / 2));
      return true;
    }
    return false;
  }

  /** Milliseconds until all who wait are served. */
  #drainMs(): number {
    let ms = 0;
    for (const { requests, throughput } of this.#queues.values()) if (throughput > 0) ms += requests.rows / throughput;
    return ms;
  }
}

function invoke(adapter: InferenceAdapter, model: object, call: ModelCall, options: CallOptions): unknown {
  return adapter.invoke === undefined
    ? adapter.runInference(model, call.args, call.entryPoint)
    : adapter.invoke(model, call, options);
}

function retain(adapter: InferenceAdapter, model: object, call: ModelCall): ModelCall {
  if (adapter.retain !== undefined) return adapter.retain(model, call);
  return { ...call, args: copyPortable(call.args as readonly Portable[]) as readonly unknown[] };
}

function lateError(deadlineMs: number): DeadlineExceededError {
  return new DeadlineExceededError(
    deadlineMs,
    `The call cannot be answered within its deadline of ${deadlineMs} ms any more, and was not run.`,
  );
}
