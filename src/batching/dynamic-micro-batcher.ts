/** @module Many callers, one model: requests that fit together are run together, where that was measured to pay. */

import type { InferenceAdapter } from '../adapters/adapter.ts';
import { RequestPriority } from '../call.ts';
import type { CallOptions, ModelCall } from '../call.ts';
import { systemClock } from '../clock.ts';
import { abortReason, ClosedError, ConfigError } from '../errors.ts';
import { guardCall } from '../pipeline.ts';
import type { Clock } from '../platform.ts';
import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import { fullError, isLate, lateError, leastMs, whoMakesRoom } from './admission.ts';
import type { BatchKey } from './batch-key.ts';
import { MOST_IN_PIPELINE } from './batch-policy.ts';
import type { BatchQueue } from './batch-queue.ts';
import { BatchQueues } from './batch-queues.ts';
import type { QueuePlace } from './batch-queues.ts';
import type { BatcherStats } from './batch-stats.ts';
import { DeviceShare } from './device-share.ts';
import type { DeviceMember } from './device-share.ts';
import { MemoryLimits } from './memory-limits.ts';
import type { AskMemory } from './memory-limits.ts';
import { completeConfig } from './micro-batcher-config.ts';
import type { MicroBatcherConfig } from './micro-batcher-config.ts';
import { BatchChooser } from './next-batch.ts';
import type { BatchRequest } from './request.ts';
import { free, rowsOf, runEachAlone } from './run-alone.ts';
import type { BatchTarget } from './run-alone.ts';
import { runBatch } from './run-batch.ts';
import { RunLessons } from './run-lessons.ts';

/** Waiting for ten times the latency that is wanted is worth a step of priority. */
const AGEING = 10;
const PRIORITIES = Object.values(RequestPriority);

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
  readonly memory?: AskMemory | undefined;
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
  readonly #target: BatchTarget;
  /** Runs at once: of single requests, for a batch is alone unless runs are pipelined. */
  readonly #slots: number;
  /** Whether the next batches are on their way while one runs. */
  readonly #pipelined: boolean;
  readonly #queues: BatchQueues;
  readonly #limits: MemoryLimits;
  readonly #lessons: RunLessons;
  readonly #chooser: BatchChooser;
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
  #onIdle: (() => void)[] = [];

  /** @throws ConfigError naming the setting that is wrong. */
  constructor(options: DynamicMicroBatcherOptions<Model>) {
    const { model, adapter, clock = systemClock, device = new DeviceShare(), modelId = 0 } = options;
    const config = completeConfig(options.config);
    const pipelined = adapter.timeOf !== undefined;
    this.config = config;
    this.#model = model;
    this.#adapter = adapter;
    this.#clock = clock;
    this.#device = device;
    this.#pipelined = pipelined;
    this.#slots = pipelined ? MOST_IN_PIPELINE : (adapter.concurrency?.(model) ?? Infinity);
    this.#queues = new BatchQueues(model, adapter, modelId, Math.max(1, config.targetLatencyMs * AGEING));
    const limits = new MemoryLimits(model, adapter, clock, options.memory, config);
    const isAwaited = (): boolean => this.#waiting > 0;
    const lessons = new RunLessons({ model, adapter, clock, device, member: this, limits, isAwaited });
    this.#limits = limits;
    this.#lessons = lessons;
    this.#chooser = new BatchChooser({ config, clock, limits, lessons, pipelined, inFlight: () => this.#inFlight });
    const observe = options.observe ?? (async (_call, _requests, run) => run());
    const run: BatchTarget['run'] = (call, callOptions, requests) =>
      observe(call, requests, () => invoke(adapter, model, call, callOptions));
    this.#target = { model, adapter, run, timed: (...args) => lessons.timed(...args) };
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
      for (const queue of this.#queues) {
        for (const request of this.#remove(queue, () => true)) {
          request.reject(new ClosedError('The batcher was stopped before the request had its turn.'));
        }
      }
    }
    if (this.#waiting > 0 || this.#inFlight > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /**
   * Runs the model on an input, in a batch where that pays. The caller is rejected at once when its signal aborts or its
   * deadline passes. A model whose runs share batches must not wait for its own batcher while it runs.
   *
   * @throws QueueFullError (with `retryAfterMs`), DeadlineExceededError, ClosedError where the batcher is not started, the
   * reason of `signal`, what the model throws; ConfigError where an option is none.
   */
  async infer(input: unknown, options: BatchInferOptions = {}): Promise<any> {
    const { entryPoint = this.#adapter.getEntryPoints(this.#model)[0]?.name as string, deadlineMs, ...rest } = options;
    const call: ModelCall = { entryPoint, args: [input] };
    return guardCall(this.#clock, options, ({ signal }) => {
      const deadlineAt = deadlineMs === undefined ? undefined : this.#clock.now() + deadlineMs;
      return this.submit({ ...rest, signal, call, deadlineAt, deadlineMs });
    });
  }

  /** What waits, what runs, and how each queue fares. */
  getStats(): BatcherStats {
    this.#lessons.take();
    return {
      queues: Array.from(this.#queues, (queue) => queue.getStats(this.#limits.maxRows(queue))),
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
    const { batchKey, call, signal, deadlineAt, runNow } = submitted;
    const { tenant = 'default', priority = RequestPriority.NORMAL } = submitted;
    if (!this.#running) return Promise.reject(new ClosedError('The batcher is not started: call start() first.'));
    if (signal?.aborted === true) return Promise.reject(abortReason(signal));
    if (PRIORITIES[priority] !== priority) return Promise.reject(priorityError(priority));
    const now = this.#clock.now();
    const place = this.#queues.of(call, batchKey);
    const { queue } = place;
    const rows = this.#adapter.rowsOf?.(this.#model, call) ?? 1;
    this.#requests++;
    queue.usedAt = now;
    queue.returns.came(rows, now);
    if (deadlineAt !== undefined && this.#isHopeless(queue, { rows, tenant, priority }, deadlineAt, now)) {
      this.#refusedLate++;
      return Promise.reject(lateError(submitted.deadlineMs ?? 0));
    }
    if (this.#runsAtOnce(queue)) {
      const run = runNow ?? (() => this.#target.run(call, { signal }, 1) as Promise<unknown>);
      return this.#runNow(place, call, rows, run);
    }
    if (this.#waiting >= this.config.maxQueueDepth && !this.#makeRoom(tenant)) {
      this.#refusedFull++;
      return Promise.reject(fullError(this.#queues, this.#waiting, this.config.targetLatencyMs));
    }
    return this.#enqueue(place, submitted, rows, now);
  }

  /** @internal Starts what is ready, as far as there is room. */
  pump(): void {
    this.#wait?.[Symbol.dispose]();
    this.#wait = undefined;
    while (this.#hasRoom()) {
      const now = this.#clock.now();
      const queues = this.#queues.inTurn(now);
      for (const queue of queues) this.#refuseLate(queue, now);
      const next = this.#chooser.next(queues, now);
      if (next === undefined) return;
      if (next.queue === undefined) {
        this.#wait = this.#clock.after(next.waitMs, () => this.#pumpAfterWait(), true);
        return;
      }
      void this.#start(next.queue, this.#take(next.queue, next.rows, now, next.explores));
    }
  }

  #hasRoom(): boolean {
    return (this.#pipelined || this.#batches === 0) && this.#inFlight < this.#slots && this.#device.hasRoomFor(this);
  }

  /** Whether a request cannot be answered in time, even if all goes well. */
  #isHopeless(
    queue: BatchQueue,
    request: Pick<BatchRequest, 'rows' | 'tenant' | 'priority'>,
    deadlineAt: number,
    now: number,
  ): boolean {
    if (deadlineAt <= now) return true;
    const ms = leastMs(queue, request, now);
    return ms > 0 && now + this.#busyMs(now) + ms > deadlineAt;
  }

  /** Milliseconds until a run that begins now is carried out. */
  #busyMs(now: number): number {
    return this.#pipelined || !this.#hasRoom() ? this.#lessons.busyMs(now, this.#pipelined) : 0;
  }

  /** Whether a request need not wait in any queue: nobody waits before it, and nobody is expected to come with it. */
  #runsAtOnce(queue: BatchQueue): boolean {
    if (this.#waiting > 0 || this.#pumpIsDue || this.#settling) return false;
    if (!this.#hasRoom()) return false;
    if (!this.#chooser.isWanting(queue, 1)) return false;
    if (queue.refusal !== undefined) return true;
    if (this.#inFlight > 0) return this.#chooser.goal(queue, 1).rows <= 1;
    if (this.#company) return false;
    return queue.returns.rows(this.#clock.now()) === 0 || this.#chooser.choose(queue, 1, 0).waitMs === 0;
  }

  async #runNow(
    { queue, length }: QueuePlace,
    call: ModelCall,
    rows: number,
    run: () => Promise<unknown>,
  ): Promise<unknown> {
    if (this.#inFlight === 0) this.#expectCompany();
    queue.waits.observe(0);
    queue.countLength(length, length);
    this.#inFlight++;
    queue.inFlightRows += rows;
    try {
      return await this.#lessons.timed(queue, rows, 1, async (ran) => {
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

  #enqueue({ queue, length }: QueuePlace, submitted: SubmittedRequest, rows: number, now: number): Promise<unknown> {
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
        length,
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

  /** The wait is over, whether anybody came or not. */
  #pumpAfterWait(): void {
    this.#wait = undefined;
    const now = this.#clock.now();
    for (const queue of this.#queues) queue.returns.forget();
    for (const queue of this.#queues.inTurn(now)) {
      this.#refuseLate(queue, now);
      if (queue.requests.length === 0 || this.#inFlight > 0 || !this.#hasRoom()) continue;
      const { rows } = this.#chooser.choose(queue, queue.requests.rows, Infinity);
      void this.#start(queue, this.#take(queue, rows, now));
    }
    this.pump();
  }

  /**
   * Takes out requests of so many rows together, the first one whatever it has; fewer where one of them would be answered too
   * late for the others' sake.
   */
  #take(queue: BatchQueue, rows: number, now: number, explores = false): readonly BatchRequest[] {
    const taken: BatchRequest[] = [];
    let room = rows;
    let deadlineAt = Infinity;
    for (let next = queue.requests.peek(now); next !== undefined; next = queue.requests.peek(now)) {
      if (taken.length > 0 && next.rows > room) break;
      deadlineAt = Math.min(deadlineAt, next.deadlineAt ?? Infinity);
      if (taken.length > 0 && now + this.#costMs(queue, rows - room + next.rows, deadlineAt) > deadlineAt) break;
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

  /** What a batch costs, where somebody has a deadline. */
  #costMs(queue: BatchQueue, rows: number, deadlineAt: number): number {
    return deadlineAt === Infinity ? 0 : (queue.curve.costOf(rows) ?? 0);
  }

  async #start(queue: BatchQueue, requests: readonly BatchRequest[]): Promise<void> {
    const rows = rowsOf(requests);
    const together = requests.length > 1;
    this.#inFlight++;
    if (together) this.#batches++;
    queue.inFlightRows += rows;
    try {
      if (queue.refusal === undefined) await runBatch(this.#target, queue, requests);
      else await runEachAlone(this.#target, queue, requests);
    } catch (error) {
      for (const each of requests) each.reject(error);
    }
    for (const { call } of requests) free(this.#target, call.args);
    if (together) this.#batches--;
    this.#finished(queue, rows, together);
  }

  /** A run has ended: those who were answered may ask again in this turn, and are then waited for. */
  #finished(queue: BatchQueue, rows: number, together: boolean): void {
    this.#inFlight--;
    queue.inFlightRows -= rows;
    this.#sayIdle();
    if ((this.#waiting > 0 && this.#chooser.goal(queue, queue.requests.rows).rows > queue.requests.rows) || together) {
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

  #setWaiting(waiting: number): void {
    if (waiting > 0) this.#device.wait(this);
    else this.#device.leave(this);
    this.#waiting = waiting;
  }

  #sayIdle(): void {
    if (this.#waiting === 0 && this.#inFlight === 0) for (const each of this.#onIdle.splice(0)) each();
  }

  #refuseLate(queue: BatchQueue, now: number): void {
    if (!queue.requests.hasDeadlines) return;
    const busyMs = this.#pipelined ? this.#lessons.busyMs(now, true) : 0;
    const late = this.#remove(queue, (request) => isLate(queue, request, now, busyMs));
    this.#refusedLate += late.length;
    for (const each of late) each.reject(lateError(each.deadlineMs ?? 0));
  }

  #remove(queue: BatchQueue, unwanted: (request: BatchRequest) => boolean): readonly BatchRequest[] {
    const removed = queue.requests.remove(unwanted);
    this.#setWaiting(this.#waiting - removed.length);
    for (const { call } of removed) free(this.#target, call.args);
    if (removed.length > 0) this.#sayIdle();
    return removed;
  }

  /** Whether somebody else was refused instead. */
  #makeRoom(tenant: string): boolean {
    const found = whoMakesRoom(this.#queues, tenant);
    if (found === undefined) return false;
    const { queue, request } = found;
    this.#refusedFull++;
    const error = fullError(this.#queues, this.#waiting, this.config.targetLatencyMs);
    this.#remove(queue, (each) => each === request);
    request.reject(error);
    return true;
  }
}

function priorityError(priority: unknown): ConfigError {
  return new ConfigError('priority', `priority is one of RequestPriority, 0 to 3, not ${String(priority)}.`);
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
