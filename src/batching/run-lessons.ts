/** @module Times the runs of a model, and takes in what they teach: of the cost, the way to another thread, the memory. */

import type { InferenceAdapter } from '../adapters/adapter.ts';
import type { Clock } from '../platform.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { DeviceMember, DeviceShare } from './device-share.ts';
import type { MemoryLimits } from './memory-limits.ts';
import type { TimedRun } from './run-alone.ts';

/** Weight of the newest in the mean of the time that the way to another thread and back takes. */
const NEWEST_WAY = 1 / 8;
/** And of one that is shorter than the mean. */
const SHORTER_WAY = 1 / 2;

/** A run that is under way. */
interface Run {
  readonly queue: BatchQueue;
  readonly rows: number;
  readonly begunAt: number;
}

export interface RunLessonsParts {
  readonly model: object;
  readonly adapter: InferenceAdapter;
  readonly clock: Clock;
  readonly device: DeviceShare;
  readonly member: DeviceMember;
  readonly limits: MemoryLimits;
  /** Whether requests wait for what is decided by the lessons. */
  readonly isAwaited: () => boolean;
}

export class RunLessons {
  readonly #parts: RunLessonsParts;
  readonly #underWay = new Set<Run>();
  /** What is not yet taken in. */
  readonly #lessons: (() => void)[] = [];
  #wayMs = 0;
  #idleMs = 0;
  #finishedAt = -Infinity;

  constructor(parts: RunLessonsParts) {
    this.#parts = parts;
  }

  /** Milliseconds that a run takes beyond what it takes on its own thread; the mean of the latest. */
  get wayMs(): number {
    return this.#wayMs;
  }

  /** Milliseconds a run that its thread has nothing to do, although others are on their way to it; the mean of the latest. */
  get idleMs(): number {
    return Math.max(0, this.#idleMs);
  }

  async timed<T>(queue: BatchQueue, rows: number, requests: number, run: TimedRun<T>): Promise<T> {
    const { adapter, clock, device, limits, member, model } = this.#parts;
    const begunAt = clock.now();
    const begun = device.begin(member, begunAt);
    const isNew = queue.curve.lastObserved(rows) === undefined;
    const before = isNew ? limits.usedBytes : undefined;
    const itself: Run = { queue, rows, begunAt };
    this.#underWay.add(itself);
    let failed = true;
    let insideMs: number | undefined;
    try {
      const result = await run(({ args }, output) => {
        insideMs = adapter.timeOf?.(model, output);
        if (isNew) limits.learnTensors(queue, rows, args, output);
      });
      failed = false;
      return result;
    } finally {
      const now = clock.now();
      this.#underWay.delete(itself);
      const sharedMs = device.finish(member, begun, now);
      if (insideMs !== undefined) this.#learnWay(begunAt, insideMs, now);
      this.#finishedAt = now;
      if (failed) {
        queue.exploredRows = 0;
      } else {
        const costMs = insideMs ?? sharedMs;
        this.#learn(() => queue.ran(rows, requests, costMs, now));
        if (before !== undefined) queue.bytesPerRow = Math.max(queue.bytesPerRow, this.#grownBytes(before) / rows);
      }
    }
  }

  /** Takes in what runs have taught so far. */
  take(): void {
    for (const each of this.#lessons.splice(0)) each();
  }

  /**
   * Milliseconds until one of the runs that are under way has ended; or, where they are carried out one after another, until
   * all have. What takes longer than it usually does, or was not seen lately, is taken to end at any moment.
   */
  busyMs(now: number, inLine: boolean): number {
    let [sum, least, firstAt] = [0, Infinity, now];
    for (const { queue, rows, begunAt } of this.#underWay) {
      const cost = queue.isSure(now) ? (queue.curve.costOf(rows) ?? 0) : 0;
      sum += cost;
      least = Math.min(least, Math.max(0, begunAt + cost - now));
      firstAt = Math.min(firstAt, begunAt);
    }
    if (this.#underWay.size === 0) return 0;
    return inLine ? Math.max(0, firstAt + sum - now) : least;
  }

  #grownBytes(before: number): number {
    return (this.#parts.limits.usedBytes ?? before) - before;
  }

  /** Where nobody waits for what is decided by it, whoever is answered need not wait for what is learned from it either. */
  #learn(lesson: () => void): void {
    if (this.#parts.isAwaited()) return lesson();
    this.#lessons.push(lesson);
    if (this.#lessons.length === 1) this.#parts.clock.soon(() => this.take());
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
}
