/** @module What a search came to, for the next start. */

import type { MaybePromise } from '../platform.ts';
import type { ShapeTiming } from './trial.ts';

/** What was chosen the last time. No user data. */
export interface KeptVerdict {
  /** Undefined: nothing was faster than the reference. */
  readonly candidate: string | undefined;
  /** The device that it ran on, where its host names one: on another it is searched again. */
  readonly device?: string | undefined;
  /** Shapes that it was proven on, and what they took. */
  readonly timings: readonly ShapeTiming[];
  /** Names of all that was tried: where nothing was faster, and there is something else by now, it is searched again. */
  readonly tried: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly searchedAt: number;
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

/** Most shapes and names that are kept of a model, and most characters of each: what a store returns may be anything. */
const MAX_ITEMS = 256;
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

/** As much of it as is kept. */
export function bounded({ candidate, device, timings, tried, searchedAt }: KeptVerdict): KeptVerdict {
  const ofFewShapes = timings.filter(({ shape }) => isText(shape)).slice(0, MAX_ITEMS);
  return { candidate, device, timings: ofFewShapes, tried: tried.slice(0, MAX_ITEMS), searchedAt };
}

/** The verdict that a memory returned; undefined where it is none, or is too old. */
export function checked(value: unknown, now: number): KeptVerdict | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { candidate, device, timings, tried, searchedAt } = value as Readonly<Record<string, unknown>>;
  if (!isTextIfAny(candidate) || !isTextIfAny(device) || !isAmount(searchedAt)) return undefined;
  if (!isListOf(tried, isText) || !isListOf(timings, isTiming)) return undefined;
  const kept = {
    candidate,
    device,
    timings: timings.map(({ shape, runMs, referenceMs }) => ({ shape, runMs, referenceMs })),
    tried,
    searchedAt,
  };
  const ageMs = now - searchedAt;
  // One of the future was written by a clock that was wrong.
  return ageMs > -DAY_MS && ageMs < lifetimeOf(kept) ? kept : undefined;
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

function isTiming(value: unknown): value is ShapeTiming {
  if (typeof value !== 'object' || value === null) return false;
  const { shape, runMs, referenceMs } = value as Readonly<Record<string, unknown>>;
  return isText(shape) && isAmount(runMs) && isAmount(referenceMs);
}

function isListOf<T>(value: unknown, is: (each: unknown) => each is T): value is readonly T[] {
  return Array.isArray(value) && value.length <= MAX_ITEMS && value.every((each) => is(each));
}
