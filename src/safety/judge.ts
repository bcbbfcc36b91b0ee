/** @module From what was measured of each sample to a verdict that is none of chance. */

import { ConfigError } from '../errors.ts';
import { samplesNeeded, shareAtLeast, shareAtMost } from './confidence.ts';
import type { MetricReport, ValidationReport, ValidationVerdict, WorstSample } from './validation-report.ts';

/** How sure a verdict has to be. Each sample counts as one, so pairs should be answers to different inputs. */
export interface EvidenceOptions {
  /** The share of answers that must be within the bounds, between 0 and 1. Default 0.95, which 59 samples can show. */
  readonly share?: number | undefined;
  /**
   * How unlikely it must be that a path passes whose share is smaller, as 1 − its chance. Default 0.95. It holds for each
   * metric, and since all must pass, for the whole (R. L. Berger 1982, the intersection-union test).
   */
  readonly confidence?: number | undefined;
  /**
   * The chance that a path whose share is large enough fails, over all metrics of a report. Default 1e-6. Split among the metrics
   * (Bonferroni). Metrics that one sample can fail take nothing of it: their bounds are where no rounding reaches.
   */
  readonly falseAlarmRate?: number | undefined;
}

export type Evidence = Readonly<Record<keyof EvidenceOptions, number>>;

/** What a metric holds each sample to. */
export interface MetricBound {
  readonly name: string;
  readonly bound: number;
  /** A metric that must be at least so much is 1 at best; one that must be at most so much is 0. */
  readonly direction: 'at_least' | 'at_most';
  /** Whether one sample out of bounds fails. Default false: so many of them that the share cannot be the required one. */
  readonly every?: boolean | undefined;
  /** Whether it is left out of the report where it could be measured of no sample. Default false: it is undecided then. */
  readonly optional?: boolean | undefined;
}

/** A metric and what it measured: one value for each pair, undefined where the pair has nothing of the kind. NaN is out of bounds. */
export interface Measured extends MetricBound {
  readonly values: readonly (number | undefined)[];
}

/** @throws ConfigError naming the option. */
export function evidenceOf(options: EvidenceOptions): Evidence {
  const evidence = {
    share: options.share ?? 0.95,
    confidence: options.confidence ?? 0.95,
    falseAlarmRate: options.falseAlarmRate ?? 1e-6,
  };
  for (const [name, value] of Object.entries(evidence))
    if (!(value > 0 && value < 1)) throw new ConfigError(name, `${name} is between 0 and 1, not ${value}.`);
  return evidence;
}

/**
 * Puts measurements of the same pairs together; for validators that wait for what they measure. `labels` are those of the pairs. Nothing is passed
 * without a metric.
 *
 * @throws ConfigError naming an option that is out of range
 */
export function judge(
  workloadType: string,
  labels: readonly (string | undefined)[],
  measured: readonly Measured[],
  options: EvidenceOptions = {},
): ValidationReport {
  const evidence = evidenceOf(options);
  const counted = measured.filter(
    ({ optional, values }) => optional !== true || values.some((value) => value !== undefined),
  );
  const split = evidence.falseAlarmRate / Math.max(1, counted.filter(({ every }) => every !== true).length);
  const metrics = counted.map((each) => judgeMetric(each, labels, { ...evidence, falseAlarmRate: split }));
  return {
    workloadType,
    verdict: overall(metrics),
    samples: labels.length,
    metrics,
    worst: worstOf(metrics),
    message: metrics
      .map(sentence)
      .filter((each) => each !== '')
      .join(' '),
  };
}

function judgeMetric(
  { name, bound, direction, every = false, values }: Measured,
  labels: readonly (string | undefined)[],
  { share, confidence, falseAlarmRate }: Evidence,
): MetricReport {
  let samples = 0;
  let within = 0;
  let sum = 0;
  let worst: WorstSample | undefined;
  for (const [index, value] of values.entries()) {
    if (value === undefined) continue;
    samples++;
    sum += value;
    if (direction === 'at_least' ? value >= bound : value <= bound) within++;
    if (
      worst === undefined ||
      Number.isNaN(value) ||
      (direction === 'at_least' ? value < worst.value : value > worst.value)
    )
      if (!Number.isNaN(worst?.value)) worst = { index, label: labels[index], metric: name, value };
  }
  const atLeast = shareAtLeast(within, samples, 1 - confidence);
  const atMost = shareAtMost(within, samples, falseAlarmRate);
  const isFailed = every ? within < samples : atMost < share;
  const verdict = isFailed ? 'failed' : atLeast >= share ? 'passed' : 'undecided';
  return {
    name,
    verdict,
    met: verdict === 'passed',
    value: worst?.value ?? NaN,
    mean: sum / samples,
    bound,
    direction,
    every,
    samples,
    within,
    requiredShare: share,
    shareAtLeast: atLeast,
    shareAtMost: atMost,
    samplesNeeded: samplesNeeded(share, confidence),
    worst,
  };
}

function overall(metrics: readonly MetricReport[]): ValidationVerdict {
  if (metrics.some(({ verdict }) => verdict === 'failed')) return 'failed';
  return metrics.length > 0 && metrics.every(({ met }) => met) ? 'passed' : 'undecided';
}

/** How much of its bound the worst sample of a metric uses: above 1 it is out of bounds. */
function usedOf({ value, bound, direction }: MetricReport): number {
  const [distance, allowed] = direction === 'at_least' ? [1 - value, 1 - bound] : [value, bound];
  if (Number.isNaN(distance)) return Infinity;
  return distance <= 0 ? 0 : distance / allowed;
}

function worstOf(metrics: readonly MetricReport[]): WorstSample | undefined {
  let worst: MetricReport | undefined;
  for (const each of metrics) {
    if (each.worst === undefined) continue;
    if (worst === undefined || usedOf(each) > usedOf(worst)) worst = each;
  }
  return worst?.worst;
}

function sentence(report: MetricReport): string {
  const { name, verdict, value, bound, direction, samples, within, every, requiredShare, worst } = report;
  if (verdict === 'passed') return '';
  const held = `${name}: ${within} of ${samples} samples are ${direction.replace('_', ' ')} ${bound}`;
  const at = worst === undefined ? '' : `; the worst, ${worst.label ?? `number ${worst.index}`}, has ${value}`;
  if (verdict === 'undecided')
    return `${held}${at}; that is too few to say that ${percent(requiredShare)} of the answers are (at least ${report.samplesNeeded}).`;
  return every
    ? `${held}, where all must be${at}.`
    : `${held}, where ${percent(requiredShare)} of the answers must be${at}.`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(4))} %`;
}
