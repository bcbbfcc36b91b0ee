/** @module t(b): what a batch of b rows costs, learned from the batches that were run. */

import { nearestSize } from './batch-sizes.ts';
import { fitLine } from './fit-line.ts';

/**
 * A size's cost is the mean of its latest, each weighing no less than this: on a machine that others use as well, small batches
 * are mostly spared what large ones mostly pay, and the median of each would hide that from both.
 */
const NEWEST = 1 / 32;
/** What took more than so many times the mean was held up for a reason of its own, and counts as that much. */
const HELD_UP = 3;
/** From so many on one pause among them does not decide what a size is taken to cost. */
const TRUSTED = 3;
/**
 * How far sizes are off the straight line through all of them, as a share, or more where that was seen: where single costs vary by
 * less, a size's own mean counts, where by more, the line.
 */
const OFF_THE_LINE = 0.05;
/** How much costs of one size vary, as a share, before it is known. */
const USUAL_SPREAD = 0.1;
/**
 * So many costs in a row, for so long, all off to the same side by more than `CHANGED`, and by more than they usually are: the
 * machine has changed, and all sizes with it. What is shorter is a pause of the garbage collector's, or of another process.
 */
const CHANGE_RUN = 4;
/** A size that goes on costing what it did is looked at so many times more seldom in the end. */
const MOST_STEADY = 32;
/** What took less than a clock can tell. */
const LEAST_MS = 1e-6;
const CHANGE_MS = 200;
const CHANGED = 1.25;
const USUAL = 2;

/** A point of the curve. */
export interface CostPoint {
  /** Rows of the batch. */
  readonly size: number;
  /** Milliseconds of the device that a batch of this size takes: the mean of the latest, and of what other sizes let expect. */
  readonly costMs: number;
  /** How many batches of about this size were run. */
  readonly batches: number;
}

interface Point {
  readonly size: number;
  batches: number;
  /** The mean of the costs that count, and their number. */
  meanMs: number;
  count: number;
  /** What it is taken to cost. */
  costMs: number;
  /** The first batch of a size pays for what is done once (shaders, memory): its cost is replaced by the second's. */
  provisional: boolean;
  observedAt: number;
  steadiness: number;
}

export class CostCurve {
  /** By size, ascending. */
  readonly #points: Point[] = [];
  /** The last costs, as long as all are off to the same side: outliers, or a machine that has changed. */
  readonly #odd: { readonly point: Point; readonly cost: number; readonly ratio: number; readonly side: number }[] = [];
  #oddSince = 0;
  /** The mean square of how far costs are off, as a share of what was expected. */
  #variance = USUAL_SPREAD ** 2;

  get points(): readonly CostPoint[] {
    return this.#points.map(({ size, costMs, batches }) => ({ size, costMs, batches }));
  }

  /** The sizes whose cost is known from more than a first batch, ascending. */
  knownSizes(): readonly number[] {
    return this.#points.filter((each) => !each.provisional).map((each) => each.size);
  }

  /** Whether a size was run, and when last. */
  lastObserved(size: number): number | undefined {
    return this.#find(size)?.observedAt;
  }

  /** How much longer than another a size need not be run: 1 to 32, doubled by each run that cost what was expected. */
  steadiness(size: number): number {
    return this.#find(size)?.steadiness ?? 1;
  }

  isKnown(size: number): boolean {
    return this.#find(size)?.provisional === false;
  }

  /**
   * Milliseconds that a batch of `rows` takes: on straight lines between the sizes that were run, and on the last of them
   * beyond the largest; in proportion where there is but one. Undefined before the first batch.
   */
  costOf(rows: number): number | undefined {
    return interpolate(this.#points, rows);
  }

  /** Whether what a size costs is known from so many batches that a pause in one of them does not decide it. */
  isTrusted(size: number): boolean {
    return (this.#find(size)?.count ?? 0) >= TRUSTED;
  }

  /**
   * Milliseconds that a batch may take if what was seen of its size, in few batches, was bad luck: a size that a pause of the
   * machine's once made slow is one to try again.
   */
  hopedCostOf(size: number): number | undefined {
    const own = this.costOf(size);
    if (own === undefined || this.isTrusted(size)) return own;
    const others = this.#points.filter((each) => each.size !== size && !each.provisional);
    return Math.min(own, interpolate(others, size) ?? own);
  }

  /** Takes in what a batch cost. */
  observe(rows: number, costMs: number, now: number): void {
    const size = nearestSize(rows);
    // A size that is kept under its neighbour's counts for what the neighbour would have taken.
    const others = size === rows ? [] : this.#points.filter((each) => each.size !== size);
    const scale = (interpolate(others, size) ?? size) / (interpolate(others, rows) ?? rows);
    // Where a clock sees nothing of a run, ratios would have no end, and no way back.
    const cost = Math.max(LEAST_MS, costMs * (Number.isFinite(scale) ? scale : 1));
    const point = this.#find(size);
    if (point === undefined) {
      this.#points.push({
        size,
        batches: 1,
        meanMs: cost,
        count: 1,
        costMs: cost,
        provisional: true,
        observedAt: now,
        steadiness: 1,
      });
      this.#points.sort((a, b) => a.size - b.size);
      return;
    }
    point.batches++;
    // An estimate, of before the machine changed, counts for no more than a first batch.
    const estimated = point.provisional || point.observedAt === -Infinity;
    point.observedAt = now;
    if (estimated) {
      point.provisional = false;
      point.count = 0;
      this.#take(point, cost);
      return this.#estimate();
    }
    const ratio = cost / point.costMs;
    const side = Math.sign(Math.log(ratio));
    const usual = Math.max(CHANGED, 1 + USUAL * Math.sqrt(this.#variance));
    const isUsual = Math.max(ratio, 1 / ratio) <= usual;
    point.steadiness = isUsual ? Math.min(MOST_STEADY, point.steadiness * 2) : 1;
    if (!isUsual && this.#odd.every((each) => each.side === side)) {
      if (this.#odd.length === 0) this.#oddSince = now;
      this.#odd.push({ point, cost, ratio, side });
      if (this.#odd.length < CHANGE_RUN) return;
      if (now - this.#oddSince >= CHANGE_MS) this.#rescale(now);
      else if (this.#odd.length > MOST_ODD) this.#odd.shift();
      return;
    }
    // It was no change after all.
    for (const each of this.#odd.splice(0)) this.#take(each.point, each.cost);
    this.#take(point, cost);
    this.#estimate();
  }

  #take(point: Point, cost: number): void {
    const isTrusted = point.count >= TRUSTED;
    point.count++;
    if (!isTrusted) {
      // The best of the first: a size that is thought to be better than it is shows that as soon as it is used.
      point.meanMs = point.count === 1 ? cost : Math.min(point.meanMs, cost);
      return;
    }
    const counted = Math.min(cost, HELD_UP * point.meanMs);
    const off = Math.min(HELD_UP, counted / point.costMs) - 1;
    this.#variance += (off * off - this.#variance) * NEWEST;
    point.meanMs += (counted - point.meanMs) * Math.max(NEWEST, 1 / point.count);
  }

  /**
   * What each size is taken to cost: between its own mean and the line through all, the nearer to the line the more costs vary and
   * the fewer were seen of it. (Shrinkage towards a common regression, as by empirical Bayes: Efron and Morris 1975.)
   */
  #estimate(): void {
    const known = this.#points.filter((each) => !each.provisional);
    const line = fitLine(known);
    let [off, weights] = [0, 0];
    for (const { size, meanMs, count } of known) {
      if (line === undefined) break;
      off += count * (meanMs / line(size) - 1) ** 2 - this.#variance;
      weights += count;
    }
    const offTheLine = Math.max(OFF_THE_LINE ** 2, off / Math.max(1, weights));
    for (const point of known) {
      const expected = line?.(point.size) ?? point.meanMs;
      const own = point.count / (point.count + this.#variance / offTheLine);
      point.costMs = point.meanMs * own + expected * (1 - own);
    }
  }

  /** The shape of the curve is kept, its height is not. */
  #rescale(now: number): void {
    const odd = this.#odd.splice(0);
    const ratio = median(odd.map((each) => each.ratio));
    const seen = new Set(odd.map((each) => each.point));
    for (const point of this.#points) {
      point.costMs *= ratio;
      point.meanMs *= ratio;
      point.count = 1;
      point.steadiness = 1;
      point.observedAt = seen.has(point) ? now : -Infinity;
    }
  }

  #find(size: number): Point | undefined {
    return this.#points.find((each) => each.size === size);
  }
}

/** Of a longer run the latest count. */
const MOST_ODD = 7;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

function interpolate(points: readonly Point[], rows: number): number | undefined {
  if (points.length === 0) return undefined;
  if (points.length === 1) {
    const [only] = points as [Point];
    return rows <= only.size ? only.costMs : (only.costMs * rows) / only.size;
  }
  const above = points.findIndex((each) => each.size >= rows);
  if (above === 0) return (points[0] as Point).costMs;
  const high = points.at(above < 0 ? -1 : above) as Point;
  const low = points.at(above < 0 ? -2 : above - 1) as Point;
  const slope = (high.costMs - low.costMs) / (high.size - low.size);
  return Math.max(low.costMs + slope * (rows - low.size), above < 0 ? high.costMs : 0);
}
