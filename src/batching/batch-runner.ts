/** @module The requests of one model on their way: who waits, who runs, and what starts when a run has ended. */

import type { ModelCall } from '../call.ts';
import type { Clock } from '../platform.ts';
import { isLate, lateError } from './admission.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { BatchQueues, QueuePlace } from './batch-queues.ts';
import { MOST_IN_PIPELINE } from './batch-policy.ts';
import type { DeviceMember, DeviceShare } from './device-share.ts';
import type { MemoryLimits } from './memory-limits.ts';
import type { MicroBatcherConfig } from './micro-batcher-config.ts';
import type { SubmittedRequest } from './micro-batcher-options.ts';
import { BatchChooser } from './next-batch.ts';
import { createRequest } from './request.ts';
import type { BatchRequest } from './request.ts';
import { free, rowsOf, runEachAlone } from './run-alone.ts';
import type { BatchTarget } from './run-alone.ts';
import { runBatch } from './run-batch.ts';
import { RunLessons } from './run-lessons.ts';
import { takeRequests } from './take-requests.ts';

/** Requests in a row that found the model idle, after which the next ones may go past the queues. */
const ALONE = 8;
/** Of those, one in so many goes the whole way: what a run costs may change. */
const WHOLE_WAY = 16;

export interface BatchRunnerParts {
  readonly target: Omit<BatchTarget, 'timed'>;
  readonly config: MicroBatcherConfig;
  readonly clock: Clock;
  readonly device: DeviceShare;
  readonly limits: MemoryLimits;
  readonly queues: BatchQueues;
}

export class BatchRunner implements DeviceMember {
  usedMs = 0;
  /** Requests that were given up while they waited, because of their deadlines. */
  refusedLate = 0;
  readonly lessons: RunLessons;
  readonly #clock: Clock;
  readonly #device: DeviceShare;
  readonly #queues: BatchQueues;
  readonly #target: BatchTarget;
  readonly #chooser: BatchChooser;
  /** Runs at once: of single requests, for a batch is alone unless runs are pipelined. */
  readonly #slots: number;
  /** Whether the next batches are on their way while one runs. */
  readonly #pipelined: boolean;
  #waiting = 0;
  #inFlight = 0;
  /** Of those, the runs of several requests. */
  #batches = 0;
  /** Whether `pump` is due at the end of this turn. */
  #pumpIsDue = false;
  /** Callers were answered in this turn, and may ask again before the next. */
  #settling = false;
  /** Whether requests came together the last time that the model was idle. */
  #company = false;
  #wait: Disposable | undefined;
  /** Requests in a row that found the model idle; and of those, the latest that went past the queues. */
  #alone = 0;
  #passed = 0;
  /** Where the latest one that went the whole way had its place. */
  #lastQueue: BatchQueue | undefined;
  /** When the run began that is past the queues now; Infinity where none is. */
  #pastAt = Infinity;
  readonly #onIdle: (() => void)[] = [];

  constructor({ target, config, clock, device, limits, queues }: BatchRunnerParts) {
    const { adapter, model } = target;
    const pipelined = adapter.timeOf !== undefined;
    const isAwaited = (): boolean => this.#waiting > 0;
    const lessons = new RunLessons({ model, adapter, clock, device, member: this, limits, isAwaited });
    this.lessons = lessons;
    this.#clock = clock;
    this.#device = device;
    this.#queues = queues;
    this.#target = { ...target, timed: (...args) => lessons.timed(...args) };
    this.#pipelined = pipelined;
    this.#slots = pipelined ? MOST_IN_PIPELINE : (adapter.concurrency?.(model) ?? Infinity);
    this.#chooser = new BatchChooser({ config, clock, limits, lessons, pipelined, inFlight: () => this.#inFlight });
  }

  get waiting(): number {
    return this.#waiting;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Resolves once no request is left. */
  async untilIdle(): Promise<void> {
    if (this.#waiting > 0 || this.#inFlight > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** Milliseconds until a run that begins now is carried out. */
  busyMs(now: number): number {
    if (!this.#pipelined && this.#hasRoom()) return 0;
    return Math.max(this.#pastMs(now), this.lessons.busyMs(now, this.#pipelined));
  }

  /** Milliseconds until a run that is past the queues has ended, as far as that is known. */
  #pastMs(now: number): number {
    const queue = this.#lastQueue;
    if (this.#pastAt > now || queue?.isSure(now) !== true) return 0;
    return Math.max(0, this.#pastAt + (queue.curve.costOf(1) ?? 0) - now);
  }

  /**
   * Whether a request may go past the queues: it finds the model idle, as those before it did. Not on a device that several
   * models share: there each run counts.
   */
  get mayPass(): boolean {
    return this.#alone >= ALONE && this.#passed < WHOLE_WAY && !this.#device.isShared && this.#isQuiet();
  }

  #isQuiet(): boolean {
    return this.#inFlight === 0 && this.#waiting === 0 && !this.#pumpIsDue && !this.#settling && !this.#company;
  }

  /** A request that `mayPass` begins to run. */
  beginPast(): void {
    this.#passed++;
    this.#inFlight++;
    this.#pastAt = this.#clock.now();
  }

  /** It has ended. */
  endPast(): void {
    this.#pastAt = Infinity;
    this.#inFlight--;
    if (this.#waiting > 0) this.#device.next();
    else if (this.#onIdle.length > 0) this.#sayIdle();
  }

  /** Whether a request need not wait in any queue: nobody waits before it, and nobody is expected to come with it. */
  runsAtOnce(queue: BatchQueue): boolean {
    if (this.#waiting > 0 || this.#pumpIsDue || this.#settling) return false;
    if (!this.#hasRoom()) return false;
    if (!this.#chooser.isWanting(queue, 1)) return false;
    if (queue.refusal !== undefined) return true;
    if (this.#inFlight > 0) return this.#chooser.goal(queue, 1).rows <= 1;
    if (this.#company) return false;
    return queue.returns.rows(this.#clock.now()) === 0 || this.#chooser.choose(queue, 1, 0).waitMs === 0;
  }

  /** Runs a request in this turn, by `run`. */
  async runNow(
    { queue, length }: QueuePlace,
    call: ModelCall,
    rows: number,
    run: () => Promise<unknown>,
  ): Promise<unknown> {
    this.#alone = this.#isQuiet() ? this.#alone + 1 : 0;
    this.#passed = 0;
    this.#lastQueue = queue;
    if (this.#inFlight === 0) this.#expectCompany();
    queue.waits.observe(0);
    queue.countLength(length, length);
    this.#inFlight++;
    queue.inFlightRows += rows;
    try {
      return await this.lessons.timed(queue, rows, 1, async (ran) => {
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

  /** A request waits for its turn. Rejects where its input cannot be kept. */
  enqueue({ queue, length }: QueuePlace, submitted: SubmittedRequest, rows: number, now: number): Promise<unknown> {
    this.#alone = 0;
    return new Promise((resolve, reject) => {
      const request = createRequest(this.#target, submitted, {
        rows,
        length,
        enqueuedAt: now,
        resolve: (answer) => {
          // Before the caller can ask again.
          queue.returns.expect(rows, this.#clock.now());
          resolve(answer);
        },
        reject,
        leave: () => this.remove(queue, (each) => each === request),
      });
      queue.requests.push(request);
      this.#setWaiting(this.#waiting + 1);
      this.#pumpSoon();
    });
  }

  /** Starts what is ready, as far as there is room. */
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

  #take(queue: BatchQueue, rows: number, now: number, explores = false): readonly BatchRequest[] {
    const taken = takeRequests(queue, rows, now);
    this.#setWaiting(this.#waiting - taken.length);
    if (explores) queue.exploredRows = rowsOf(taken);
    return taken;
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
    const busyMs = this.#pipelined ? this.lessons.busyMs(now, true) : 0;
    const late = this.remove(queue, (request) => isLate(queue, request, now, busyMs));
    this.refusedLate += late.length;
    for (const each of late) each.reject(lateError(each.deadlineMs ?? 0));
  }

  /** Takes requests out of a queue; they are neither answered nor rejected by that. */
  remove(queue: BatchQueue, unwanted: (request: BatchRequest) => boolean): readonly BatchRequest[] {
    const removed = queue.requests.remove(unwanted);
    this.#setWaiting(this.#waiting - removed.length);
    for (const { call } of removed) free(this.#target, call.args);
    if (removed.length > 0) this.#sayIdle();
    return removed;
  }
}
