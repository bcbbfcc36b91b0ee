/** @module Lengths to which sequences are padded: four a doubling, so that little is wasted and few batches are too small. */

/** 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, ... */
export function sequenceBucket(length: number): number {
  if (length <= 4) return 4;
  const step = Math.max(4, 2 ** (Math.floor(Math.log2(length - 1)) - 2));
  return Math.ceil(length / step) * step;
}
