/**
 * @module What a count says of a share: exact one-sided confidence bounds of Clopper and Pearson (1934), "The use of confidence
 * or fiducial limits illustrated in the case of the binomial", Biometrika 26. They hold for any number of samples, however few.
 */

/**
 * The smallest share, 0 to 1, that `successes` of `samples` leave possible: were the true share any smaller, so many successes would
 * come by chance in less than `alpha` of all cases.
 *
 * @throws RangeError where the counts are none, or alpha is not between 0 and 1
 */
export function shareAtLeast(successes: number, samples: number, alpha: number): number {
  check(successes, samples, alpha);
  if (successes === 0) return 0;
  if (successes === samples) return alpha ** (1 / samples);
  let low = 0;
  let high = successes / samples;
  // The chance of so many successes or more grows with the share: halve until the bound has all digits of a double.
  for (let i = 0; i < 200 && high - low > Number.EPSILON * high; i++) {
    const middle = (low + high) / 2;
    if (chanceOfAtLeast(successes, samples, middle) < alpha) low = middle;
    else high = middle;
  }
  return low;
}

/** The largest share that the counts leave possible, with the same meaning of `alpha`. @throws RangeError as above */
export function shareAtMost(successes: number, samples: number, alpha: number): number {
  return 1 - shareAtLeast(samples - successes, samples, alpha);
}

/**
 * How many samples it takes, where all of them are successes, until `shareAtLeast` reaches `share`. S. S. Wilks (1941),
 * "Determination of sample sizes for setting tolerance limits": 59 for 0.95 with a confidence of 0.95. Both are below 1.
 */
export function samplesNeeded(share: number, confidence: number): number {
  return share === 0 ? 0 : Math.ceil(Math.log1p(-confidence) / Math.log(share));
}

function check(successes: number, samples: number, alpha: number): void {
  if (!Number.isSafeInteger(samples) || samples < 0 || !Number.isSafeInteger(successes))
    throw new RangeError(`Samples are counted in whole numbers, not ${successes} of ${samples}.`);
  if (successes < 0 || successes > samples)
    throw new RangeError(`There cannot be ${successes} successes in ${samples}.`);
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha is between 0 and 1, not ${alpha}.`);
}

/** P(X ≥ successes) of a binomial X: the regularised incomplete beta function I_p(successes, samples − successes + 1). */
function chanceOfAtLeast(successes: number, samples: number, p: number): number {
  const a = successes;
  const b = samples - successes + 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(p) + b * Math.log1p(-p));
  // Each way of writing it converges fast on its side of the mean only.
  return p < (a + 1) / (a + b + 2) ? (front * betaFraction(p, a, b)) / a : 1 - (front * betaFraction(1 - p, b, a)) / b;
}

/** The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method. */
function betaFraction(x: number, a: number, b: number): number {
  const apart = (value: number): number => (Math.abs(value) < 1e-300 ? 1e-300 : value);
  let c = 1;
  let d = 1 / apart(1 - ((a + b) * x) / (a + 1));
  let result = d;
  // It takes about the square root of the larger parameter.
  for (let m = 1; m < 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / apart(1 + even * d);
    c = apart(1 + even / c);
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / apart(1 + odd * d);
    c = apart(1 + odd / c);
    result *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return result;
}

const LANCZOS = [
  676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** The logarithm of the gamma function from 1 on, by Lanczos's approximation with g = 7. */
function logGamma(x: number): number {
  const z = x - 1;
  let sum = 0.99999999999980993;
  for (const [i, each] of LANCZOS.entries()) sum += each / (z + i + 1);
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}
