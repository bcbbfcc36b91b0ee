/** @module Ways that are tried one after another, of which the best so far stays open. */

import type { OpenedHost } from '../host/hosted-model.ts';
import type { Clock } from '../platform.ts';
import type { Candidate } from './candidates.ts';
import { tryCandidate } from './trial.ts';
import type { OpenCandidate, TrialOptions, Verdict } from './trial.ts';

/** Opens a way in a place of its own, which may be killed. */
export type OpenWay = (candidate: Candidate, signal: AbortSignal) => Promise<OpenedHost>;

export interface ContestOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly open: OpenWay;
  /** A way must take less than this share of the reference's time. */
  readonly worthwhile: number;
  /** Milliseconds after which no other way is opened. */
  readonly budgetMs: number;
}

/** A way that passed, open. */
export interface Contender {
  readonly candidate: Candidate;
  readonly host: OpenedHost;
  readonly verdict: Verdict;
  /** Its time as a share of the reference's. */
  readonly share: number;
}

export class Contest {
  readonly verdicts: Verdict[] = [];
  readonly #options: ContestOptions;
  readonly #opened = new Set<OpenedHost>();
  readonly #endsAt: number;
  #best: Contender | undefined;

  constructor(options: ContestOptions) {
    this.#options = options;
    this.#endsAt = options.clock.now() + options.budgetMs;
  }

  get best(): Contender | undefined {
    return this.#best;
  }

  /**
   * Tries a way, and keeps it open where it is the best so far: where it takes less than the share `margin` of the best one's time.
   * There are no more copies of the model than there have to be.
   *
   * @throws the reason of the signal, once all is closed
   */
  async enter(
    candidate: Candidate,
    trial: Omit<TrialOptions, 'candidate' | 'open' | 'clock' | 'signal'>,
    margin = 1,
  ): Promise<Verdict> {
    const { clock, signal, open, worthwhile, budgetMs } = this.#options;
    let host: OpenedHost | undefined;
    let verdict: Verdict;
    if (clock.now() >= this.#endsAt) {
      const reason = `It was not tried: the search took ${Math.round(budgetMs / 1000)} s already.`;
      verdict = { candidate: candidate.name, passed: false, reason, goldens: 0, timings: [] };
    } else {
      try {
        verdict = await tryCandidate({
          ...trial,
          candidate,
          clock,
          signal,
          open: async (until) => {
            const startedAt = clock.now();
            host = await open(candidate, until);
            this.#opened.add(host);
            return runnerOf(host, clock.now() - startedAt);
          },
        });
        signal.throwIfAborted();
      } catch (error) {
        this.close();
        throw error;
      }
    }
    this.verdicts.push(verdict);
    const share = shareOf(verdict);
    const bound = this.#best === undefined ? worthwhile : this.#best.share * margin;
    if (host !== undefined && verdict.passed && share < bound) this.#best = { candidate, host, verdict, share };
    this.#retireAllBut(this.#best?.host);
    return verdict;
  }

  /** Closes all that is open. */
  close(): void {
    this.#best = undefined;
    this.#retireAllBut(undefined);
  }

  #retireAllBut(kept: OpenedHost | undefined): void {
    for (const each of this.#opened) if (each !== kept && this.#opened.delete(each)) void each.client.retire();
  }
}

export function runnerOf({ client }: OpenedHost, openMs: number): OpenCandidate {
  return { openMs, run: (inputs, signal) => client.request('run', inputs, { signal }) };
}

/** Its time as a share of the reference's, over the shapes that are called. */
export function shareOf({ timings }: Pick<Verdict, 'timings'>): number {
  const ours = timings.reduce((sum, { runMs }) => sum + runMs, 0);
  const theirs = timings.reduce((sum, { referenceMs }) => sum + referenceMs, 0);
  return theirs === 0 ? Infinity : ours / theirs;
}
