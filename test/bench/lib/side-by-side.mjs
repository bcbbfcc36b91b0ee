/** Times several ways of one thing in turn, so that a machine whose speed drifts slows all of them alike. */

import { measure } from 'mitata';

const ROUNDS = 21;

/**
 * @param ways name -> asynchronous function to time
 * @returns name -> median over the rounds of the mean time of one call, in microseconds
 */
export async function sideBySide(ways, { minSamples = 20, minMs = 60 } = {}) {
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const { avg } = await measure(way, { min_cpu_time: minMs * 1e6, min_samples: minSamples, inner_gc: false });
      times[name].push(avg / 1000);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
