/** @module How many rows the next batch takes, and whether it is worth waiting for more. */

import { sizeAbove, sizeBelow, sizeWithin } from './batch-sizes.ts';
import type { CostCurve } from './cost-curve.ts';

/** Sizes whose rows a millisecond are within this share of the best are as good: the smallest answers first. */
const TIE = 0.01;
/** Whom a batch would leave behind it takes along, where that serves as many and it is longer by no more than this share. */
const LEFT_BEHIND = 1 / 3;
/** A batch must serve so many times the rows of single runs: for less it is not worth the copies that it takes. */
const PAYS = 1.05;
/** What waiting must gain in rows a millisecond before anybody is kept waiting for it. */
const WORTH_WAITING = 1.05;
/**
 * A batch that takes longer than this share of the target latency must serve more than a shorter one by this much: whoever
 * comes while it runs waits for it.
 */
const LONG_BATCHES = [
  { share: 0.5, worth: 1.05 },
  { share: 1, worth: 1.1 },
] as const;
/**
 * A size that was not run for so long, or for so many times its cost, is run again while the budget allows; and the longer, the
 * more often in a row it cost what it was known to.
 */
const STALE_MS = 100;
const STALE_RUNS = 50;
/** One that has to be gathered first, while the device idles, is run again so many times more seldom. */
const GATHERED = 10;
/** Runs that may be under way at once in a pipeline. */
export const MOST_IN_PIPELINE = 8;
/** A page that draws a frame's worth of its own, or collects garbage, must not leave the host with nothing to do. */
const PAUSE_MS = 5;

/** What the policy looks at. Durations in milliseconds. */
export interface BatchSituation {
  readonly curve: CostCurve;
  /** Rows that wait, those of the oldest request included; or that would, if all came who are expected. */
  readonly queuedRows: number;
  /** Rows that wait indeed. */
  readonly waitingRows: number;
  /** All rows that wait, run, or are expected: so many can be under way at once. */
  readonly population: number;
  /**
   * Milliseconds that a run takes beyond its cost, on its way to another thread and back, while others may run there; 0 where
   * runs are not pipelined.
   */
  readonly wayMs: number;
  /**
   * Milliseconds a run that the other thread has nothing to do while runs are on their way to it: what this thread needs for
   * each run, however many are under way.
   */
  readonly idleMs: number;
  /** How long the request that is served next has waited. */
  readonly oldestWaitMs: number;
  /** Rows whose callers were just answered and are likely to ask again, and in how many milliseconds; Infinity: never. */
  readonly returningRows: number;
  readonly returningInMs: number;
  /** Runs that share the device now: a batch takes as many times its cost. */
  readonly inFlight: number;
  readonly maxRows: number;
  readonly targetLatencyMs: number;
  readonly maxWaitMs: number;
  /** Whether a size that may turn out worse can be afforded. */
  readonly mayExplore: boolean;
  readonly now: number;
}

export interface BatchChoice {
  /** Rows to take now, at most; or to wait for. */
  readonly rows: number;
  /** Above 0: take nothing yet, and no longer than this. */
  readonly waitMs: number;
  /** Whether the size is tried in order to learn its cost. */
  readonly explores: boolean;
}

/** Chooses the batch that serves the most rows a millisecond, of those that keep the latency. */
export function chooseBatch(situation: BatchSituation): BatchChoice {
  const { curve, queuedRows, maxRows } = situation;
  const available = Math.max(1, Math.min(queuedRows, maxRows));
  const tried = situation.mayExplore ? sizeToExplore(situation, available) : undefined;
  if (tried !== undefined) return { rows: tried, waitMs: 0, explores: true };
  const rows = bestSize(situation, available);
  return { rows, waitMs: waitFor(situation, rows, available), explores: !curve.isKnown(rows) };
}

/** The size that a busy model gathers for: what `chooseBatch` would take if enough were waiting. */
export function preferredSize(curve: CostCurve, maxRows: number): number {
  const known = curve.knownSizes();
  const largest = known.at(-1) ?? 1;
  return mostEfficient(
    { curve, population: 0, wayMs: 0, idleMs: 0 },
    known.filter((size) => size <= maxRows && size <= largest),
  );
}

/**
 * Runs that keep a pipeline busy: those on their way last as long as the one that is carried out, also while this thread
 * has something else to do for a moment.
 */
export function pipelineDepth(costMs: number | undefined, wayMs: number): number {
  if (costMs === undefined) return 2;
  return Math.max(2, Math.min(MOST_IN_PIPELINE, 1 + Math.ceil((wayMs + PAUSE_MS) / Math.max(costMs, 1e-6))));
}

type Throughput = Pick<BatchSituation, 'curve' | 'population' | 'wayMs' | 'idleMs'>;

/**
 * Rows a millisecond in batches of so many: as many of them as there are rows for are under way at once, and of these one
 * is carried out.
 */
function efficiency({ curve, population, wayMs, idleMs }: Throughput, rows: number): number {
  const cost = curve.costOf(rows);
  if (cost === undefined) return 0;
  const underWay = Math.max(1, Math.min(MOST_IN_PIPELINE, Math.floor(population / rows)));
  return rows / Math.max(cost + idleMs, (cost + wayMs) / underWay, 1e-6);
}

/** `everybody`: rows of all who wait, none of whom is left behind for a size that is only as good. */
function mostEfficient(through: Throughput, sizes: readonly number[], everybody = Infinity): number {
  let best = 0;
  for (const size of sizes) best = Math.max(best, efficiency(through, size));
  if (sizes.includes(1) && best < efficiency(through, 1) * PAYS) return 1;
  const asGood = sizes.filter((size) => efficiency(through, size) >= best * (1 - TIE));
  const [smallest = 1] = asGood;
  return asGood.includes(everybody) && everybody <= smallest * (1 + LEFT_BEHIND) ? everybody : smallest;
}

function bestSize(situation: BatchSituation, available: number): number {
  const { curve, inFlight, targetLatencyMs } = situation;
  const known = curve.knownSizes();
  const sizes = known.filter((size) => size <= available);
  // What waits is a candidate itself, between two sizes that are known.
  if (available < (known.at(-1) ?? 1) && !sizes.includes(available)) sizes.push(available);
  if (sizes.length === 0) return 1;
  const best = mostEfficient(situation, sizes, available);
  for (const { share, worth } of LONG_BATCHES) {
    const short = sizes.filter((size) => (curve.costOf(size) ?? 0) * (inFlight + 1) <= targetLatencyMs * share);
    if (short.length === 0) continue;
    const size = mostEfficient(situation, short, available);
    if (efficiency(situation, size) * worth >= efficiency(situation, best)) return size;
  }
  return best;
}

/**
 * A size whose cost is not known, or not any more, that is worth to be tried: double the largest while that one is the
 * best, and now and then one of those that may be better than they were.
 */
function sizeToExplore(situation: BatchSituation, available: number): number | undefined {
  const { curve, now } = situation;
  const known = curve.knownSizes();
  const largest = known.at(-1);
  // Each size counts from its second batch on.
  const begun = curve.points.find((each) => each.size <= available && !known.includes(each.size))?.size;
  if (largest === undefined) return 1;
  if (begun !== undefined && isTolerable(situation, begun)) return begun;
  const best = mostEfficient(
    situation,
    known.filter((size) => size <= available),
  );
  const larger = sizeWithin(Math.min(largest * 2, available));
  const growing = efficiency(situation, largest) >= efficiency(situation, best) * (1 - TIE);
  if (larger > largest && growing && isTolerable(situation, larger)) return larger;
  let stalest: { readonly size: number; readonly at: number } | undefined;
  for (const size of [
    1,
    sizeWithin(best / 2),
    sizeBelow(best),
    best,
    sizeAbove(best),
    best * 2,
    sizeWithin(available),
  ]) {
    if (size === undefined || size < 1 || size > available || size > largest * 2 || !isTolerable(situation, size))
      continue;
    const at = curve.lastObserved(size) ?? -Infinity;
    const staleMs = Math.max(STALE_MS, STALE_RUNS * (curve.hopedCostOf(size) ?? 0)) * curve.steadiness(size);
    const stale = now - at > (size > situation.waitingRows ? GATHERED : 1) * staleMs;
    if (stale && (stalest === undefined || at < stalest.at)) stalest = { size, at };
  }
  return stalest?.size;
}

/**
 * Whether whoever waits is still answered in time should the size be half as expensive again as expected; or is late anyway,
 * and the size promises to be worth its length.
 */
function isTolerable(situation: BatchSituation, size: number): boolean {
  const { curve, queuedRows, oldestWaitMs, targetLatencyMs } = situation;
  const expected = curve.hopedCostOf(size) ?? 0;
  if (oldestWaitMs + expected * 1.5 <= targetLatencyMs) return true;
  const [first] = curve.points;
  if (first === undefined || oldestWaitMs + (first.costMs / first.size) * queuedRows <= targetLatencyMs) return false;
  const largest = curve.knownSizes().findLast((each) => each < size) ?? 1;
  const { worth } = LONG_BATCHES[1];
  return expected <= targetLatencyMs || efficiency(situation, size) >= efficiency(situation, largest) * worth;
}

/**
 * Milliseconds to wait for those who were just answered; 0 where it is not worth it. Nobody is kept waiting for those who may
 * come or not: while a batch runs more gather for the next, the more the longer it takes.
 */
function waitFor(situation: BatchSituation, rows: number, available: number): number {
  const { curve, oldestWaitMs, inFlight, targetLatencyMs, maxWaitMs, maxRows } = situation;
  const { returningRows, returningInMs } = situation;
  const now = efficiency(situation, rows);
  if (now === 0 || returningRows === 0 || returningInMs > maxWaitMs) return 0;
  // Enough wait already, unless larger batches than any so far may be better still.
  if (rows < available && rows < (curve.knownSizes().at(-1) ?? 1)) return 0;
  const size = Math.min(available + returningRows, maxRows);
  const cost = curve.costOf(size) as number;
  if (oldestWaitMs + returningInMs + cost * (inFlight + 1) > targetLatencyMs) return 0;
  return size / (cost + returningInMs) > now * WORTH_WAITING ? returningInMs : 0;
}
