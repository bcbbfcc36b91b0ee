/** @module The sizes that a cost is kept of: each up to 8, then four a doubling, so that none is off by more than an eighth. */

/** 1 to 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, ... */
export function nearestSize(rows: number): number {
  if (rows <= 8) return rows;
  const step = stepAt(rows);
  return Math.round(rows / step) * step;
}

/** The largest kept size of no more rows. */
export function sizeWithin(rows: number): number {
  return rows <= 8 ? Math.floor(rows) : Math.floor(rows / stepAt(rows)) * stepAt(rows);
}

/** The kept size before this one; undefined of 1. */
export function sizeBelow(size: number): number | undefined {
  if (size <= 1) return undefined;
  return size <= 8 ? size - 1 : size - stepAt(size - 1);
}

export function sizeAbove(size: number): number {
  return size < 8 ? size + 1 : size + stepAt(size);
}

/** A quarter of the power of two at or below `rows`. */
function stepAt(rows: number): number {
  return 2 ** (Math.floor(Math.log2(rows)) - 2);
}
