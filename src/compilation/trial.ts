/** @module One candidate on trial: opened in a place of its own, held against the reference, and timed beside it. */

import type { Portable } from '../portable.ts';
import type { Clock } from '../platform.ts';
import type { Golden } from '../safety/golden-store.ts';
import type { OutputPair } from '../safety/output-validator.ts';
import type { ValidationReport } from '../safety/validation-report.ts';
import type { Candidate } from './candidates.ts';

/** Runs a model on inputs. Rejects as soon as the signal aborts. */
export type RunModel = (inputs: readonly Portable[], signal: AbortSignal) => Promise<Portable>;

/** Why an answer is not the golden's, as far as it has to be; undefined where it is. */
export type Differs = (golden: Pick<Golden, 'output'>, answer: Portable) => string | undefined;

/** A candidate that was opened. */
export interface OpenCandidate {
  readonly run: RunModel;
  readonly openMs: number;
}

/** What came of a trial. */
export interface Verdict {
  readonly candidate: string;
  readonly passed: boolean;
  /** Why it was refused; where it passed, nothing. */
  readonly reason?: string | undefined;
  /** Nothing was wrong, but that it is right takes more inputs to show. */
  readonly undecided?: boolean | undefined;
  /** Goldens that it was held against, each of them several times. */
  readonly goldens: number;
  readonly openMs?: number | undefined;
  /** Median milliseconds of a run, by shape, and those of the reference beside it. */
  readonly timings: readonly ShapeTiming[];
}

/** What a run takes, for inputs of one shape. */
export interface ShapeTiming {
  readonly shape: string;
  readonly runMs: number;
  readonly referenceMs: number;
}

export interface TrialOptions {
  readonly candidate: Candidate;
  /** Opens it in a place of its own. */
  readonly open: (signal: AbortSignal) => Promise<OpenCandidate>;
  readonly reference: RunModel;
  /** Of the shapes that are called, those asked most first. */
  readonly goldens: readonly Golden[];
  /** Why the answer is not the golden's; undefined where it is, as far as it has to be. */
  readonly differs: Differs;
  /** Whether the answers to all goldens together show that it is right. Default: that each is right is enough. */
  readonly proves?: ((pairs: readonly OutputPair[]) => ValidationReport) | undefined;
  /** Runs of each golden before it counts as ready: a way that is right once may be wrong the next time. */
  readonly warmupRequests: number;
  readonly clock: Clock;
  /** Milliseconds that the run itself took which gave an answer; undefined where nobody knows. Default: of none. */
  readonly timeOf?: ((answer: Portable) => number | undefined) | undefined;
  /** What says later whether a call of somebody was under way since. Default: there are none. */
  readonly watchCalls?: (() => () => boolean) | undefined;
  readonly signal: AbortSignal;
}

/** Longest that it may take to open, in milliseconds: a GPU compiles its shaders. */
const OPEN_MS = 120_000;
/** A run that takes so many times as long as the reference's hangs, or is of no use. */
const SLOWEST = 20;
const MIN_RUN_MS = 10_000;
/** Runs by which a shape is timed, of each in turn: what else the machine does slows both. */
const ROUNDS = 15;
/** More, where calls of others came between: those run beside the candidate, and never beside the reference, which takes them in turn. */
const MAX_ROUNDS = 60;
/** Fewer that nobody disturbed say less than all. */
const ENOUGH_ROUNDS = 5;
const MAX_TIMING_MS = 3000;
/** Before each of those runs. */
const PAUSE_MS = 10;

/** Never rejects but with the reason of the signal: what goes wrong is why the candidate is refused. */
export async function tryCandidate(options: TrialOptions): Promise<Verdict> {
  const { candidate, goldens, signal } = options;
  const timings: ShapeTiming[] = [];
  const done = (rest: Pick<Verdict, 'passed' | 'reason' | 'undecided' | 'openMs'>): Verdict => ({
    candidate: candidate.name,
    goldens: goldens.length,
    timings,
    ...rest,
  });
  let openMs: number | undefined;
  signal.throwIfAborted();
  try {
    const opened = await within(options, OPEN_MS, 'to open', (until) => options.open(until));
    ({ openMs } = opened);
    const pairs: OutputPair[] = [];
    for (const shape of new Set(goldens.map((each) => each.shape))) {
      const ofShape = goldens.filter((each) => each.shape === shape);
      const reason =
        (await compare(options, opened, ofShape, pairs)) ?? (await time(options, opened, ofShape, timings));
      if (reason !== undefined) return done({ passed: false, reason, openMs });
    }
    const { verdict = 'passed', message } = options.proves?.(pairs) ?? {};
    if (verdict === 'passed') return done({ passed: true, openMs });
    return done({ passed: false, reason: message, openMs, ...(verdict === 'undecided' && { undecided: true }) });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    return done({ passed: false, reason: (error as Error).message, openMs });
  }
}

/** Each golden as often as it takes to be warm, and each answer looked at. The last ones go to `pairs`, where they have to prove something. */
async function compare(
  options: TrialOptions,
  { run }: OpenCandidate,
  goldens: readonly Golden[],
  pairs: OutputPair[],
): Promise<string | undefined> {
  const { differs, proves, warmupRequests, reference } = options;
  const slowestMs = await slowestOf(options, reference, goldens[0] as Golden);
  for (let round = 0; round <= warmupRequests; round++) {
    for (const golden of goldens) {
      // The first runs compile what a shape needs.
      const limitMs = round === 0 ? OPEN_MS : slowestMs;
      const answer = await within(options, limitMs, 'for a run', (until) => run(golden.inputs, until));
      const difference = differs(golden, answer);
      if (difference === undefined) {
        if (proves !== undefined && round === warmupRequests)
          pairs.push({ expected: golden.output, actual: answer, label: golden.shape });
        continue;
      }
      return round === 0 ? difference : `Right at first, and wrong in run ${round + 1}: ${difference}`;
    }
  }
  return undefined;
}

/** Side by side, and each answer of the candidate looked at as well. */
async function time(
  options: TrialOptions,
  { run }: OpenCandidate,
  goldens: readonly Golden[],
  timings: ShapeTiming[],
): Promise<string | undefined> {
  const { clock, reference, differs, timeOf, watchCalls, signal } = options;
  const [quiet, all] = [new PairedTimes(), new PairedTimes()];
  const begunAt = clock.now();
  const isOver = (round: number): boolean =>
    round >= MAX_ROUNDS || (round >= 3 && clock.now() - begunAt >= MAX_TIMING_MS);
  let limitMs = MIN_RUN_MS;
  for (let round = 0; quiet.count < ROUNDS && !isOver(round); round++) {
    const golden = goldens[round % goldens.length] as Golden;
    const timeReference = async (): Promise<RunTime> => {
      await pause(clock);
      const startedAt = clock.now();
      const expected = await reference(golden.inputs, signal);
      const wallMs = clock.now() - startedAt;
      limitMs = Math.max(MIN_RUN_MS, SLOWEST * wallMs);
      return { wallMs, runMs: timeOf?.(expected) };
    };
    // Each is first in its turn: whoever runs after the other finds the machine as that left it.
    let theirs = round % 2 === 0 ? await timeReference() : undefined;
    await pause(clock);
    const isDisturbed = watchCalls?.();
    const startedAt = clock.now();
    const answer = await within(options, limitMs, 'for a run', (until) => run(golden.inputs, until));
    const ours: RunTime = { wallMs: clock.now() - startedAt, runMs: timeOf?.(answer) };
    const isQuiet = isDisturbed?.() !== true;
    const difference = differs(golden, answer);
    if (difference !== undefined) return `Right at first, and wrong while it was timed: ${difference}`;
    theirs ??= await timeReference();
    all.add(theirs, ours);
    if (isQuiet) quiet.add(theirs, ours);
  }
  timings.push({ shape: (goldens[0] as Golden).shape, ...(quiet.count >= ENOUGH_ROUNDS ? quiet : all).typical() });
  return undefined;
}

/** Until nothing of the run before is busy any more: onnxruntime's threads look for more work for a while, which takes a core. */
function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => void clock.after(PAUSE_MS, resolve, true));
}

async function slowestOf({ clock, signal }: TrialOptions, reference: RunModel, { inputs }: Golden): Promise<number> {
  const startedAt = clock.now();
  await reference(inputs, signal);
  return Math.max(MIN_RUN_MS, SLOWEST * (clock.now() - startedAt));
}

/** @throws Error where it takes longer; the reason of the trial's signal */
export async function within<T>(
  { clock, signal }: Pick<TrialOptions, 'clock' | 'signal'>,
  limitMs: number,
  what: string,
  task: (until: AbortSignal) => Promise<T>,
): Promise<T> {
  const leaving = new AbortController();
  const leave = (): void => leaving.abort(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave);
  const timer = clock.after(limitMs, () =>
    leaving.abort(new Error(`It took longer than ${Math.round(limitMs / 1000)} s ${what}.`)),
  );
  try {
    return await task(leaving.signal);
  } finally {
    timer[Symbol.dispose]();
    signal.removeEventListener('abort', leave);
  }
}

/** What one run took: from asking to answer, and in its host, where that is known. */
interface RunTime {
  readonly wallMs: number;
  readonly runMs: number | undefined;
}

class PairedTimes {
  readonly #theirs: RunTime[] = [];
  readonly #ours: RunTime[] = [];

  get count(): number {
    return this.#ours.length;
  }

  add(theirs: RunTime, ours: RunTime): void {
    this.#theirs.push(theirs);
    this.#ours.push(ours);
  }

  typical(): Pick<ShapeTiming, 'runMs' | 'referenceMs'> {
    return { runMs: typicalOf(this.#ours), referenceMs: typicalOf(this.#theirs) };
  }
}

/**
 * What a run takes in its host, and the way there and back. The reference is asked by others as well: what a run waits for them is no time of
 * its own, so that the shortest way there and back stands for all.
 */
function typicalOf(times: readonly RunTime[]): number {
  const ways = times.map(({ wallMs, runMs = wallMs }) => wallMs - runMs);
  return median(times.map(({ wallMs, runMs = wallMs }) => runMs)) + Math.max(0, Math.min(...ways));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}
