/** @module The straight line through what batches cost. */

/** A size, what its batches cost in the mean, and how many were seen. */
export interface MeanCost {
  readonly size: number;
  readonly meanMs: number;
  readonly count: number;
}

/** So many of one size weigh as much as any number. */
const MOST = 32;

/**
 * The line of the least squares of how far sizes are off, as a share of what they cost: a fixed part and one for each row, none
 * below zero. Undefined of fewer than three sizes, which say nothing of each other.
 */
export function fitLine(sizes: readonly MeanCost[]): ((size: number) => number) | undefined {
  if (sizes.length < 3) return undefined;
  let [w, x, y, xx, xy] = [0, 0, 0, 0, 0];
  for (const { size, meanMs, count } of sizes) {
    const weight = Math.min(count, MOST) / meanMs ** 2;
    w += weight;
    x += weight * size;
    y += weight * meanMs;
    xx += weight * size * size;
    xy += weight * size * meanMs;
  }
  const spread = w * xx - x * x;
  const slope = spread > 0 ? (w * xy - x * y) / spread : 0;
  const fixed = (y - slope * x) / w;
  if (slope < 0) return () => y / w;
  if (fixed < 0) return (size) => (size * xy) / xx;
  return (size) => fixed + slope * size;
}
