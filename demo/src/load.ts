/** Many callers of one model, each of whom asks again as soon as it is answered: with batching, and without. */

import { createEpochly, unwrap } from 'epochly';
import type { BatchQueueStats, Epochly, LoadedModel } from 'epochly';
import type { Feeds } from './tokenizer.ts';

/** One turn of one of the two ways. */
export interface Turn {
  readonly perSecond: number;
  readonly p95Ms: number;
}

export type Way = 'on' | 'off';

const TURN_MS = 1000;

/** The cache would answer whatever is asked twice; what is shown here is the model. */
const epochlys: Readonly<Record<Way, Epochly>> = {
  on: createEpochly({ config: { cache: { enabled: false } } }),
  off: createEpochly({ config: { cache: { enabled: false }, batching: { enabled: false } } }),
};

export class Load {
  readonly #models: Readonly<Record<Way, LoadedModel>>;
  readonly #feeds: readonly Feeds[];
  #next = 0;

  /** Both ways are proxies around the one model that is open already. */
  constructor(model: LoadedModel, feeds: readonly Feeds[]) {
    const hosted = unwrap(model);
    this.#models = { on: epochlys.on.wrap(hosted), off: epochlys.off.wrap(hosted) };
    this.#feeds = feeds;
  }

  /** What the batcher learned of the length that was asked for most often. */
  get busiestQueue(): BatchQueueStats | undefined {
    const queues = epochlys.on.getBatchStats(this.#models.on.modelId)?.queues ?? [];
    return queues.toSorted((a, b) => b.requests - a.requests)[0];
  }

  /**
   * The two ways take turns, so that neither slows the other.
   *
   * @throws the reason of `signal`; what the model throws.
   */
  async run(callers: () => number, signal: AbortSignal, onTurn: (way: Way, turn: Turn) => void): Promise<never> {
    for (;;) {
      for (const way of ['off', 'on'] as const) onTurn(way, await this.#turn(this.#models[way], callers(), signal));
    }
  }

  async #turn(model: LoadedModel, callers: number, signal: AbortSignal): Promise<Turn> {
    const latencies: number[] = [];
    const startedAt = performance.now();
    const call = async (): Promise<void> => {
      for (let askedAt = startedAt; askedAt < startedAt + TURN_MS;) {
        await model.run(this.#feeds[this.#next++ % this.#feeds.length] as Feeds, { signal });
        const answeredAt = performance.now();
        latencies.push(answeredAt - askedAt);
        askedAt = answeredAt;
      }
    };
    await Promise.all(Array.from({ length: callers }, call));
    const perSecond = (latencies.length * 1000) / (performance.now() - startedAt);
    latencies.sort((a, b) => a - b);
    return { perSecond, p95Ms: latencies[Math.floor(latencies.length * 0.95)] as number };
  }
}
