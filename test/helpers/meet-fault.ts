/** A model of which one faster way has a fault: what its callers get, where the fault is found, and when all is well again. */

import type { EpochlyOptions } from '../../src/create.ts';
import type { HostedModel, SearchReport } from '../../src/host/hosted-model.ts';
import type { LoadOptions, ModelSource } from '../../src/load.ts';
import type { Clock, Platform } from '../../src/platform.ts';
import type { Portable } from '../../src/portable.ts';
import { valuesMatch } from '../../src/adapters/compare.ts';
import type { Fault } from './faults.ts';
import { lyingPlatform } from './lying-platform.ts';
import type { LyingPlatformOptions } from './lying-platform.ts';

/** A model, and questions to it of one, several, and three rows. */
export interface Subject {
  readonly source: ModelSource;
  ask(rows: number, seed: number): Portable;
}

interface FaultyModel extends Pick<HostedModel, 'backendReport' | 'run'> {
  close(): Promise<void>;
}

export interface MeetOptions extends Pick<LyingPlatformOptions, 'backend' | 'slowMs'> {
  readonly platform: Platform;
  /** That of the build, or of the sources. */
  readonly createEpochly: (
    platform: Platform,
    options: EpochlyOptions,
  ) => { load(source: ModelSource, options?: LoadOptions): Promise<FaultyModel>; close(): Promise<void> };
  readonly subject: Subject;
  /** Share of the answers of a faster way that is compared. */
  readonly sampleRate: number;
  /** Calls that are made while it serves, before it counts as not found. */
  readonly maxCalls: number;
  /** Each call waits until what is done behind the one before is done. */
  readonly inTurn: boolean;
  /** How long a faster way that failed is waited for, by the clock, in milliseconds. */
  readonly againMs: number;
}

/** What came of it. */
export interface Meeting {
  readonly fault: Fault;
  /** 'in the trial': it was not chosen. Then: before any caller had a wrong answer, or by comparison of those that some had. */
  readonly found: 'in the trial' | 'before any caller' | 'by comparison' | 'no';
  /** What `backendReport` says of it. */
  readonly reason: string | undefined;
  readonly calls: number;
  /** Answers that callers got, and that are not the reference's. */
  readonly wrong: number;
  /** Calls that ended with an error, and what the first was. */
  readonly failed: number;
  readonly error: string | undefined;
  /** Calls from the first that the fault fell on while it was in use until it was not any more. */
  readonly callsUntilFound: number | undefined;
  /** Milliseconds by the clock from then until each answer was right, and until a faster way was in use again. */
  readonly healthyMs: number | undefined;
  readonly againMs: number | undefined;
}

/** How many times as fast the clock runs where something is waited for that takes long. */
const QUICK = 20;
/** Longest that a call may take, in milliseconds by the clock: a trial's longest wait is not a caller's. */
const DEADLINE_MS = 60_000;
/** Calls at one time, where it matters. */
export const TOGETHER = 3;
/** A model that fails so many of its callers is not looked at further. */
const MAX_FAILED = 2;
const MAX_SEARCH_CALLS = 50_000;
const QUESTIONS = 24;
const TOLERANCE = 1e-4;
/** Calls after it was found, all of which have to be right. */
const AFTER = 20;

interface Seen {
  calls: number;
  wrong: number;
  failed: number;
  error?: string;
  /** The first time that the fault fell on a run while its way was in use. */
  lie?: { readonly atMs: number; readonly call: number };
  /** Since when, by the clock, each answer was right again. */
  rightAgainMs?: number | undefined;
}

interface Question {
  readonly inputs: Portable;
  readonly expected: Portable;
}

export async function meetFault(fault: Fault, options: MeetOptions): Promise<Meeting> {
  const { platform, createEpochly, subject, backend, slowMs, sampleRate, maxCalls } = options;
  const questions = await askAll(options);
  const seen: Seen = { calls: 0, wrong: 0, failed: 0 };
  let model: FaultyModel | undefined;
  const search = (): SearchReport | undefined => model?.backendReport.search;
  const lying = lyingPlatform(platform, {
    fault,
    backend,
    slowMs,
    speed: fault.hangs === true || fault.passes === true ? QUICK : 1,
    onLie: () => {
      if (isInUse(search())) seen.lie ??= { atMs: lying.clock.now(), call: seen.calls };
    },
  });
  const epochly = createEpochly(lying, { config: plain(sampleRate, 3) });
  // One way, and no options that are tried beside it.
  const frameworkOptions = { intraOpNumThreads: 1, graphOptimizationLevel: 'all', freeDimensionOverrides: {} };
  const opened = await epochly.load(subject.source, { backend: 'auto', frameworkOptions });
  model = opened;
  const ask = async (): Promise<void> => {
    await askOne(opened, pick(questions, seen.calls++), seen, lying.clock);
  };
  const askNext = async (): Promise<void> => {
    await (fault.swaps === true ? Promise.all(Array.from({ length: TOGETHER }, ask)) : ask());
    if (options.inTurn) await lying.quiet();
  };
  try {
    while (seen.calls < MAX_SEARCH_CALLS && !isOver(search())) await askNext();
    const trial = search();
    const until = seen.calls + maxCalls;
    while (seen.calls < until && seen.failed < MAX_FAILED && isInUse(search())) await askNext();
    const isFound = !isInUse(search());
    const callsUntilFound = isFound && seen.lie !== undefined ? seen.calls - seen.lie.call : undefined;
    const refused = trial?.verdicts.find(({ passed }) => !passed)?.reason;
    const reason = isInUse(trial) ? search()?.reason : (refused ?? trial?.reason);
    const againMs = isFound && isInUse(trial) && fault.passes === true ? await waitForAnother() : undefined;
    if (isFound) for (let i = 0; i < AFTER; i++) await ask();
    const { lie, rightAgainMs, calls, wrong, failed, error } = seen;
    const healthyMs = lie && rightAgainMs && rightAgainMs - lie.atMs;
    const found = whereFound(isFound, isInUse(trial), wrong);
    return { fault, found, reason, calls, wrong, failed, error, callsUntilFound, healthyMs, againMs };
  } finally {
    await opened.close();
    await epochly.close();
  }

  /** Milliseconds until a faster way is in use again; undefined where none is in time. */
  async function waitForAnother(): Promise<number | undefined> {
    const { clock } = lying;
    const sinceMs = clock.now();
    while (clock.now() - sinceMs < options.againMs) {
      await ask();
      if (isInUse(search())) return clock.now() - sinceMs;
    }
    return undefined;
  }
}

async function askOne(model: FaultyModel, { inputs, expected }: Question, seen: Seen, clock: Clock): Promise<void> {
  let isRight = false;
  try {
    const answer = (await model.run(inputs, { deadlineMs: DEADLINE_MS })) as Portable;
    isRight = valuesMatch(expected, answer, TOLERANCE);
    if (!isRight) seen.wrong++;
  } catch (error) {
    seen.failed++;
    seen.error ??= String(error);
  }
  if (!isRight || seen.lie === undefined) seen.rightAgainMs = undefined;
  else seen.rightAgainMs ??= clock.now();
}

function whereFound(isFound: boolean, wasInUse: boolean, wrong: number): Meeting['found'] {
  if (!isFound) return 'no';
  if (!wasInUse) return 'in the trial';
  return wrong === 0 ? 'before any caller' : 'by comparison';
}

/** The reference's answers, by an epochly that does nothing but load. */
async function askAll({ platform, createEpochly, subject, sampleRate }: MeetOptions): Promise<readonly Question[]> {
  const model = await createEpochly(platform, { config: plain(sampleRate, 0) }).load(subject.source);
  const questions: Question[] = [];
  for (let i = 0; i < QUESTIONS; i++) {
    const rows = i < 12 ? 1 : i < 18 ? 4 : 3;
    const inputs = subject.ask(rows, i);
    questions.push({ inputs, expected: (await model.run(inputs)) as Portable });
  }
  await model.close();
  return questions;
}

/** Every third has four rows; those of three come once the first calls were made. */
function pick(questions: readonly Question[], call: number): Question {
  const at = Math.floor(call / 3);
  const index = call % 3 !== 1 ? (call * 5) % 12 : call > 60 && at % 2 === 0 ? 18 + ((at / 2) % 6) : 12 + (at % 6);
  return questions[index] as Question;
}

function isOver(search: SearchReport | undefined): boolean {
  return search?.state === 'off' || search?.state === 'done';
}

function isInUse(search: SearchReport | undefined): boolean {
  return search?.chosen !== undefined;
}

/** What answers in the model's place, or puts calls together, would hide what the model answers. */
function plain(sampleRate: number, maxLevel: number): EpochlyOptions['config'] {
  return { maxLevel, cache: { enabled: false }, batching: { enabled: false }, safety: { sampleRate } };
}
