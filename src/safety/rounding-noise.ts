/** @module What rounding alone does to a model's answers, by how large they are as a rule. */

import type { Portable } from '../portable.ts';
import { scaleOf } from './distances.ts';
import { alignOutputs } from './output-leaves.ts';

/** Units in the last place, of numbers of 32 bits as large as the largest, that differences of no more say nothing. */
const UNITS = 4;
/** The unit of 1. */
const UNIT = 2 ** -23;

/**
 * Absolute differences at `path` that are rounding, where the answers to other inputs are larger: a detector answers a picture with
 * nothing in it with what is left of 1 − 1, and right backends are off there by any share of that.
 */
export function roundingNoise(outputs: readonly Portable[], path: string): number {
  let scale = 0;
  for (const output of outputs)
    for (const leaf of alignOutputs(output, output).leaves)
      if (leaf.kind === 'numbers' && leaf.path === path && !leaf.isDiscrete)
        scale = Math.max(scale, scaleOf(leaf.expected));
  return UNITS * UNIT * scale;
}
