/** Distances between answers as they come when all is well: each function draws one. */

/** Standard normal (G. E. P. Box, M. E. Muller, 1958). */
export function drawNormal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export const DISTANCES: Readonly<Record<string, (random: () => number) => number>> = {
  'log-normal': (random) => Math.exp(2 * drawNormal(random)),
  'without a mean': (random) => (1 - random()) ** -2,
  'of few values': (random) => Math.floor(5 * random() ** 2),
  'mostly zero': (random) => (random() < 0.97 ? 0 : random()),
  constant: () => 1e-7,
};
