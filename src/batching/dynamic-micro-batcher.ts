/** @module Many callers, one model: requests that fit together are run together, where that was measured to pay. */

import type { InferenceAdapter } from '../adapters/adapter.ts';
import { RequestPriority } from '../call.ts';
import type { CallOptions, ModelCall, StepBypass } from '../call.ts';
import { systemClock } from '../clock.ts';
import { abortReason, ClosedError, ConfigError } from '../errors.ts';
import { guardCall } from '../pipeline.ts';
import type { Clock } from '../platform.ts';
import { fullError, lateError, leastMs, whoMakesRoom } from './admission.ts';
import type { BatchQueue } from './batch-queue.ts';
import { BatchQueues } from './batch-queues.ts';
import { BatchRunner } from './batch-runner.ts';
import type { BatcherStats } from './batch-stats.ts';
import { DeviceShare } from './device-share.ts';
import { MemoryLimits } from './memory-limits.ts';
import { completeConfig } from './micro-batcher-config.ts';
import type { MicroBatcherConfig } from './micro-batcher-config.ts';
import type { BatchInferOptions, DynamicMicroBatcherOptions, SubmittedRequest } from './micro-batcher-options.ts';
import type { BatchRequest } from './request.ts';
import type { BatchTarget } from './run-alone.ts';
import { PRIORITIES } from './tenant-turns.ts';

export type { BatchInferOptions, DynamicMicroBatcherOptions };

/** Waiting for ten times the latency that is wanted is worth a step of priority. */
const AGEING = 10;

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
export class DynamicMicroBatcher<Model extends object = any> {
  readonly config: MicroBatcherConfig;
  readonly #model: Model;
  readonly #adapter: InferenceAdapter<Model>;
  readonly #clock: Clock;
  readonly #run: BatchTarget['run'];
  readonly #limits: MemoryLimits;
  readonly #queues: BatchQueues;
  readonly #runner: BatchRunner;
  #started = false;
  #requests = 0;
  #alone = 0;
  #refusedFull = 0;
  #refusedLate = 0;

  /** @throws ConfigError naming the setting that is wrong. */
  constructor(options: DynamicMicroBatcherOptions<Model>) {
    const { model, adapter, clock = systemClock, device = new DeviceShare(), modelId = 0 } = options;
    const observe = options.observe ?? (async (_call, _requests, run) => run());
    this.config = completeConfig(options.config);
    this.#model = model;
    this.#adapter = adapter;
    this.#clock = clock;
    this.#run = (call, callOptions, requests) =>
      observe(call, requests, () => invoke(adapter, model, call, callOptions));
    this.#limits = new MemoryLimits(model, adapter, clock, options.memory, this.config);
    this.#queues = new BatchQueues(model, adapter, modelId, Math.max(1, this.config.targetLatencyMs * AGEING));
    this.#runner = new BatchRunner({
      target: { model, adapter, run: this.#run },
      config: this.config,
      clock,
      device,
      limits: this.#limits,
      queues: this.#queues,
    });
  }

  /** Takes requests from now on. */
  async start(): Promise<void> {
    this.#started = true;
  }

  /**
   * Takes no requests from now on, and resolves once none is left: by default after all that wait were answered; with
   * `drain: false` these are rejected with ClosedError, and only what runs is waited for.
   */
  async stop({ drain = true }: { readonly drain?: boolean | undefined } = {}): Promise<void> {
    this.#started = false;
    if (!drain) {
      for (const queue of this.#queues) {
        for (const request of this.#runner.remove(queue, () => true)) {
          request.reject(new ClosedError('The batcher was stopped before the request had its turn.'));
        }
      }
    }
    await this.#runner.untilIdle();
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

  /** @internal Past the queues, for requests that one by one find the model idle. */
  readonly bypass: StepBypass = {
    isOpen: () => this.#started && this.#runner.mayPass,
    enter: () => {
      this.#requests++;
      this.#alone++;
      this.#runner.beginPast();
    },
    leave: () => this.#runner.endPast(),
  };

  /** What waits, what runs, and how each queue fares. */
  getStats(): BatcherStats {
    const { inFlight, lessons, refusedLate, waiting } = this.#runner;
    lessons.take();
    return {
      queues: Array.from(this.#queues, (queue) => queue.getStats(this.#limits.maxRows(queue))),
      waiting,
      inFlight,
      requests: this.#requests,
      alone: this.#alone,
      refusedFull: this.#refusedFull,
      refusedLate: this.#refusedLate + refusedLate,
    };
  }

  /** @internal A request from the way of a call. */
  submit(submitted: SubmittedRequest): Promise<unknown> {
    const { batchKey, call, signal, deadlineAt, runNow } = submitted;
    const { tenant = 'default', priority = RequestPriority.NORMAL } = submitted;
    if (!this.#started) return Promise.reject(new ClosedError('The batcher is not started: call start() first.'));
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
    if (this.#runner.runsAtOnce(queue)) {
      const run = runNow ?? (() => this.#run(call, { signal }, 1) as Promise<unknown>);
      return this.#runner.runNow(place, call, rows, run);
    }
    if (this.#runner.waiting >= this.config.maxQueueDepth && !this.#makeRoom(tenant)) {
      this.#refusedFull++;
      return Promise.reject(fullError(this.#queues, this.#runner.waiting, this.config.targetLatencyMs));
    }
    return this.#runner.enqueue(place, submitted, rows, now);
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
    return ms > 0 && now + this.#runner.busyMs(now) + ms > deadlineAt;
  }

  /** Whether somebody else was refused instead. */
  #makeRoom(tenant: string): boolean {
    const found = whoMakesRoom(this.#queues, tenant);
    if (found === undefined) return false;
    const { queue, request } = found;
    this.#refusedFull++;
    const error = fullError(this.#queues, this.#runner.waiting, this.config.targetLatencyMs);
    this.#runner.remove(queue, (each) => each === request);
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
