/** @module t(b): what a batch of b rows costs, learned from the batches that were run. */

import { nearestSize } from './batch-sizes.ts';

/** How many of a size's last costs are kept: their median is its cost, so that three slow ones of seven change nothing. */
const WINDOW = 7;
/** From so many on one pause among them does not decide what a size is taken to cost. */
const TRUSTED = 3;
/**
 * So many costs in a row, for so long, all off to the same side by more than `CHANGED`: the machine has changed, and all
 * sizes with it. What is shorter is a pause of the garbage collector's, or of another process.
 */
const CHANGE_RUN = 4;
const CHANGE_MS = 200;
const CHANGED = 1.25;

/** A point of the curve. */
export interface CostPoint {
  /** Rows of the batch. */
  readonly size: number;
  /** Milliseconds of the device that a batch of this size takes: the median of the last few. */
  readonly costMs: number;
  /** How many batches of about this size were run. */
  readonly batches: number;
}

interface Point {
  size: number;
  costs: number[];
  batches: number;
  medianMs: number;
  /** The first batch of a size pays for what is done once (shaders, memory): its cost is replaced by the second's. */
  provisional: boolean;
  observedAt: number;
}

export class CostCurve {
  /** By size, ascending. */
  readonly #points: Point[] = [];
  /** The last costs, as long as all are off to the same side: outliers, or a machine that has changed. */
  readonly #odd: { readonly point: Point; readonly cost: number; readonly ratio: number; readonly side: number }[] = [];

  #oddSince = 0;

  get points(): readonly CostPoint[] {
    return this.#points.map(({ size, medianMs, batches }) => ({ size, costMs: medianMs, batches }));
  }

  /** The sizes whose cost is known from more than a first batch, ascending. */
  knownSizes(): readonly number[] {
    return this.#points.filter((each) => !each.provisional).map((each) => each.size);
  }

  /** Whether a size was run, and when last. */
  lastObserved(size: number): number | undefined {
    return this.#find(size)?.observedAt;
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
    return (this.#find(size)?.costs.length ?? 0) >= TRUSTED;
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
    const cost = costMs * (Number.isFinite(scale) ? scale : 1);
    const point = this.#find(size);
    if (point === undefined) {
      this.#points.push({ size, costs: [cost], batches: 1, medianMs: cost, provisional: true, observedAt: now });
      this.#points.sort((a, b) => a.size - b.size);
      return;
    }
    point.batches++;
    // An estimate, of before the machine changed, counts for no more than a first batch.
    const estimated = point.provisional || point.observedAt === -Infinity;
    point.observedAt = now;
    if (estimated) {
      point.provisional = false;
      point.costs = [];
      take(point, cost);
      return;
    }
    const ratio = cost / point.medianMs;
    const side = Math.sign(Math.log(ratio));
    if (Math.max(ratio, 1 / ratio) > CHANGED && this.#odd.every((each) => each.side === side)) {
      if (this.#odd.length === 0) this.#oddSince = now;
      this.#odd.push({ point, cost, ratio, side });
      if (this.#odd.length < CHANGE_RUN) return;
      if (now - this.#oddSince >= CHANGE_MS) this.#rescale(now);
      else if (this.#odd.length > WINDOW) this.#odd.shift();
      return;
    }
    // It was no change after all.
    for (const each of this.#odd.splice(0)) take(each.point, each.cost);
    take(point, cost);
  }

  /** The shape of the curve is kept, its height is not. */
  #rescale(now: number): void {
    const odd = this.#odd.splice(0);
    const ratio = median(odd.map((each) => each.ratio));
    const seen = new Set(odd.map((each) => each.point));
    for (const point of this.#points) {
      point.medianMs *= ratio;
      point.costs = [point.medianMs];
      point.observedAt = seen.has(point) ? now : -Infinity;
    }
  }

  #find(size: number): Point | undefined {
    return this.#points.find((each) => each.size === size);
  }
}

function take(point: Point, cost: number): void {
  point.costs.push(cost);
  if (point.costs.length > WINDOW) point.costs.shift();
  point.medianMs = median(point.costs);
}

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
    return rows <= only.size ? only.medianMs : (only.medianMs * rows) / only.size;
  }
  const above = points.findIndex((each) => each.size >= rows);
  if (above === 0) return (points[0] as Point).medianMs;
  const high = points.at(above < 0 ? -1 : above) as Point;
  const low = points.at(above < 0 ? -2 : above - 1) as Point;
  const slope = (high.medianMs - low.medianMs) / (high.size - low.size);
  return Math.max(low.medianMs + slope * (rows - low.size), above < 0 ? high.medianMs : 0);
}
