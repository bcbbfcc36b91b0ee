/** @module What a search came to, for the next start. */

import type { MaybePromise } from '../platform.ts';
import type { ShapeTiming, Verdict } from './trial.ts';

/** What came of one way. Why it was refused is not kept: what a framework says of that may quote what it was asked. */
export type KeptTrial = Omit<Verdict, 'reason'>;

/** What a search came to the last time. No user data. */
export interface KeptVerdict {
  /** The way that was chosen. Undefined: nothing was faster than the reference. */
  readonly candidate: string | undefined;
  /** The device that it ran on, where its host names one: on another it is searched again. */
  readonly device?: string | undefined;
  /** All that was tried: where nothing was faster, and there is something else by now, it is searched again. */
  readonly tried: readonly KeptTrial[];
  /** Milliseconds since the Unix epoch. */
  readonly searchedAt: number;
  /** Whether what was chosen came through all stages of its gate, so that it may begin where it was. */
  readonly isTrusted?: boolean | undefined;
}

/**
 * Keeps verdicts by model and place: a key names the weights, the framework's version, the device and whatever else decides. What
 * it throws, what it takes too long for, and what it returns that is no verdict, is a verdict that is not there.
 */
export interface VerdictMemory {
  /** Undefined where there is none, or it cannot be read. */
  get(key: string): MaybePromise<KeptVerdict | undefined>;
  put(key: string, verdict: KeptVerdict): MaybePromise<void>;
  /** It was not so any more. */
  delete(key: string): MaybePromise<void>;
}

/** Most ways, and most shapes of each: what a store returns may be anything. */
const MAX_TRIED = 64;
const MAX_SHAPES = 128;
/** Most characters of a name and of a shape. */
const MAX_TEXT = 512;

const DAY_MS = 86_400_000;
/** A driver or a browser may have become better without another name. */
const NOTHING_FASTER_MS = 7 * DAY_MS;
/** What was chosen is proven again at each start; that it is still the fastest is not. */
const CHOSEN_MS = 30 * DAY_MS;

/** How old a verdict may become, in milliseconds. */
export function lifetimeOf({ candidate }: Pick<KeptVerdict, 'candidate'>): number {
  return candidate === undefined ? NOTHING_FASTER_MS : CHOSEN_MS;
}

/** The way that was chosen, as it was when it was; undefined where none was. */
export function chosenIn({ candidate, tried }: KeptVerdict): KeptTrial | undefined {
  return tried.find((each) => each.candidate === candidate && each.passed);
}

/** What is under way in each memory. */
const underWay = new WeakMap<VerdictMemory, Promise<void>>();

/**
 * Behind everything: a verdict that is not kept costs a search. One after another, in their order: one that is forgotten right after it was
 * kept is not to stay because that took longer.
 */
export function remember(memory: VerdictMemory, task: (memory: VerdictMemory) => MaybePromise<void>): void {
  const before = underWay.get(memory) ?? Promise.resolve();
  const own = before.then(() => task(memory)).catch(() => undefined);
  underWay.set(memory, own);
}

/** As much of it as is kept. */
export function bounded({ candidate, device, tried, searchedAt, isTrusted }: KeptVerdict): KeptVerdict {
  const isChosen = (each: KeptTrial): boolean => each.candidate === candidate;
  const few = tried.toSorted((a, b) => Number(isChosen(b)) - Number(isChosen(a))).slice(0, MAX_TRIED);
  return { candidate, device, tried: few.map(keptOf), searchedAt, ...(isTrusted === true ? { isTrusted } : {}) };
}

function keptOf({ candidate, passed, goldens, openMs, timings }: KeptTrial): KeptTrial {
  const few = timings.filter(({ shape }) => isText(shape)).slice(0, MAX_SHAPES);
  const plain = few.map(({ shape, runMs, referenceMs }) => ({ shape, runMs, referenceMs }));
  return { candidate, passed, goldens, openMs, timings: plain };
}

/** The verdict that a memory returned; undefined where it is none, or is too old. */
export function checked(value: unknown, now: number): KeptVerdict | undefined {
  if (!isRecord(value)) return undefined;
  const { candidate, device, tried, searchedAt, isTrusted } = value;
  if (!isTextIfAny(candidate) || !isTextIfAny(device) || !isAmount(searchedAt)) return undefined;
  if (!isListOf(tried, MAX_TRIED, isTrial)) return undefined;
  const trusted = isTrusted === true ? { isTrusted } : {};
  const kept = { candidate, device, tried: tried.map(keptOf), searchedAt, ...trusted };
  if (candidate !== undefined && chosenIn(kept) === undefined) return undefined;
  const ageMs = now - searchedAt;
  // One of the future was written by a clock that was wrong.
  return ageMs > -DAY_MS && ageMs < lifetimeOf(kept) ? kept : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT;
}

function isTextIfAny(value: unknown): value is string | undefined {
  return value === undefined || isText(value);
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < Infinity;
}

function isTrial(value: unknown): value is KeptTrial {
  if (!isRecord(value)) return false;
  const { candidate, passed, goldens, openMs, timings } = value;
  if (!isText(candidate) || typeof passed !== 'boolean' || !isAmount(goldens)) return false;
  return (openMs === undefined || isAmount(openMs)) && isListOf(timings, MAX_SHAPES, isTiming);
}

function isTiming(value: unknown): value is ShapeTiming {
  return isRecord(value) && isText(value['shape']) && isAmount(value['runMs']) && isAmount(value['referenceMs']);
}

function isListOf<T>(value: unknown, most: number, is: (each: unknown) => each is T): value is readonly T[] {
  return Array.isArray(value) && value.length <= most && value.every((each) => is(each));
}
