/** @module What was chosen before, opened again and held against one answer, before it is trusted. */

import type { OpenedHost } from '../host/hosted-model.ts';
import type { Portable } from '../portable.ts';
import type { Golden } from '../safety/golden-store.ts';
import { within } from './trial.ts';
import type { ShapeTiming, TrialOptions, Verdict } from './trial.ts';

export interface ReProofOptions extends Pick<
  TrialOptions,
  'candidate' | 'reference' | 'differs' | 'warmupRequests' | 'clock' | 'signal'
> {
  readonly open: (signal: AbortSignal) => Promise<OpenedHost>;
  /** The device that it was proven on; undefined where none was named. */
  readonly device: string | undefined;
  /** What it took when it was chosen. */
  readonly timings: readonly ShapeTiming[];
  /** What it is asked, once there is something. */
  readonly golden: () => Promise<Golden>;
}

/** It is what it was, or why not. */
export type ReProof =
  | { readonly host: OpenedHost; readonly verdict: Verdict }
  | { readonly host: undefined; readonly reason: string };

/** Longest to open and for a run, in milliseconds: a GPU compiles its shaders. The reference answers meanwhile. */
const LONGEST_MS = 120_000;

/**
 * Asks it the golden as often as a candidate is asked before it counts as ready, for what is right once may be wrong the next time. It
 * is not timed again. Never rejects but with the reason of the signal; what was opened and is not returned is ended.
 */
export async function proveAgain(options: ReProofOptions): Promise<ReProof> {
  const { candidate, device, differs, warmupRequests, clock, signal } = options;
  let host: OpenedHost | undefined;
  const refuse = (reason: string): ReProof => {
    void host?.client.retire();
    return { host: undefined, reason };
  };
  try {
    const openedAt = clock.now();
    const opened = await within(options, LONGEST_MS, 'to open', options.open);
    host = opened;
    const openMs = clock.now() - openedAt;
    if (opened.info?.device !== device) return refuse('It was proven on another device.');
    const golden = await options.golden();
    let runMs = Infinity;
    for (let round = 0; round <= warmupRequests; round++) {
      const begunAt = clock.now();
      const answer = await within(options, LONGEST_MS, 'for a run', (until) =>
        opened.client.request('run', golden.inputs, { signal: until }),
      );
      runMs = Math.min(runMs, clock.now() - begunAt);
      const difference = differs(golden, answer as Portable);
      if (difference !== undefined) return refuse(difference);
    }
    const timing = options.timings.find(({ shape }) => shape === golden.shape) ?? (await timed(options, golden, runMs));
    const verdict = { candidate: candidate.name, passed: true, goldens: 1, openMs, timings: [timing] };
    return { host, verdict };
  } catch (error) {
    const refused = refuse((error as Error).message);
    if (signal.aborted) throw signal.reason;
    return refused;
  }
}

/** A shape that was not called then. */
async function timed(
  { reference, clock, signal }: ReProofOptions,
  golden: Golden,
  runMs: number,
): Promise<ShapeTiming> {
  const begunAt = clock.now();
  await reference(golden.inputs, signal);
  return { shape: golden.shape, runMs, referenceMs: clock.now() - begunAt };
}
