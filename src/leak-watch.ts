/** @module When a host whose memory grows run by run is to be replaced, and when it is too early to do that again. */

import { MemoryTrend } from './memory-trend.ts';
import type { Clock } from './platform.ts';

/** How long a host is let be after it replaced another, in milliseconds; twice as long each time. */
const MIN_WAIT_MS = 60_000;
const MAX_WAIT_MS = 3_600_000;
/** How many times as far as the first one a host may grow which replaced another. What fills once may need more, and is full then. */
const MAX_TOLERANCE = 4;
/** After so long, in milliseconds, what was replaced before is forgotten. */
const FORGIVEN_MS = 86_400_000;

/** Of all the hosts that one way of running a model has, one after another. */
export class LeakWatch {
  readonly #clock: Clock;
  #trend = new MemoryTrend();
  #replaced = 0;
  #replacedAt = -Infinity;
  #waitUntil = -Infinity;
  #isTold = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Another host is there, for whatever reason. */
  begin(): void {
    this.#trend = new MemoryTrend(Math.min(2 ** this.#replaced, MAX_TOLERANCE));
    this.#isTold = false;
  }

  /** Takes a reading, in bytes. Returns by how many bytes the host grew where it is to be replaced: once, and then it is waited for. */
  add(bytes: number): number | undefined {
    const grown = this.#trend.add(bytes);
    const now = this.#clock.now();
    if (grown === undefined || this.#isTold || now < this.#waitUntil) return undefined;
    if (now - this.#replacedAt > FORGIVEN_MS) this.#replaced = 0;
    this.#waitUntil = now + Math.min(MIN_WAIT_MS * 2 ** this.#replaced, MAX_WAIT_MS);
    this.#replaced++;
    this.#replacedAt = now;
    this.#isTold = true;
    return grown;
  }

  /** It could not be replaced: after the wait it may be told again. */
  failed(): void {
    this.#isTold = false;
  }
}
