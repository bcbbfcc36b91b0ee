/** @module Whether the answers of an optimisation are still as near to the reference's as they were. */

import { systemClock } from '../clock.ts';
import { chain } from '../maybe-promise.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import { AlarmBudget } from './alarm-budget.ts';
import { measureOf } from './distance-measure.ts';
import type { DistanceMeasure, Distances, OutputMatcher, PairValidator } from './distance-measure.ts';
import { DriftChart, WEIGHT } from './drift-chart.ts';
import { RankHistory } from './rank-history.ts';

/** How many false alarms there may be, and how much is looked at. */
export interface DriftMonitorOptions {
  /** Share of the calls that are compared, 0 to 1. Default 0.01. */
  readonly sampleRate?: number | undefined;
  /** So many false alarms in `periodMs`, on average, at most, over all optimisations, distances and labels. Default 1. */
  readonly falseAlarms?: number | undefined;
  /** Milliseconds. Default 30 days. */
  readonly periodMs?: number | undefined;
  /**
   * Calls a second that are expected, on average over a period. The budget of false alarms holds whatever comes; a good guess finds
   * drift a little sooner, and ten times too many costs a few samples. Default 100.
   */
  readonly callsPerSecond?: number | undefined;
  readonly clock?: Pick<Clock, 'now'> | undefined;
  /** From 0 to below 1. */
  readonly random?: (() => number) | undefined;
}

/** One distance of one optimisation. */
export interface DriftScore {
  readonly optimizationName: string;
  /** Which inputs; undefined for all of them together. */
  readonly label: string | undefined;
  readonly metric: string;
  readonly comparisons: number;
  /** EWMA of the distance's ranks among earlier ones: 0.5 is as usual, 1 is further apart than ever before. */
  readonly score: number;
  /** Against all being as usual, from 0; at 1 there is an alarm, and it begins anew. */
  readonly evidence: number;
  /** Median of the distances that others are ranked among; undefined for all inputs together. */
  readonly usual: number | undefined;
  /** EWMA of the distance. */
  readonly recent: number;
}

/** What a drift monitor has seen. */
export interface DriftDiagnostics {
  readonly sampleRate: number;
  readonly comparisons: number;
  readonly alarms: number;
  readonly scores: readonly DriftScore[];
}

/** Inputs of further labels are counted together: callers may choose labels, and each costs up to 16 KB for each distance. */
const MAX_LABELS = 32;
const OTHERS = 'others';

interface Watch {
  readonly chart: DriftChart;
  comparisons: number;
  recent: number;
}

/** Of one label, or of all together, by metric. */
type Watches = Map<string, Watch>;

interface Watched {
  readonly pooled: Watches;
  readonly labels: Map<string, { readonly watches: Watches; readonly histories: Map<string, RankHistory> }>;
}

/**
 * Watches optimisations by shadow runs: of a sample of the calls, both answers are compared. How far they are from each other
 * when all is well is learnt from the first of them and needs no threshold. What is watched is whether they come to be further
 * apart than that: the rank of each distance among earlier ones goes into a chart, for each kind of distance and each label of
 * inputs, and for all labels together.
 *
 * False alarms. Whatever distribution the distances have, as long as those of a label come in no particular order while all is
 * well, their ranks are uniform and independent (see RankHistory), and a chart then alarms no more often than it is allowed to
 * (see DriftChart). What each comparison is allowed is divided among the charts it goes into, and averages add up, however the
 * charts depend on each other. Distances that rise and fall by the hour with what users ask, within one label, are in some order:
 * give such inputs labels.
 *
 * What it finds, at the default budget (one a month at 100 calls a second), by simulation of log-normal distances after 1000
 * comparisons: where all answers are further off than any before, 95 of 100 times within 6 comparisons; where half of them are,
 * within 25, a third, within 40; where all are further off by two standard deviations, within 20, by one, within 75. After 100
 * comparisons it finds the first of these within 16. It finds change: not a fault that was there from the start, which is what
 * the canary is for, nor one in a few answers of a hundred, which it gets used to and the validators' bounds are for.
 */
export class DriftMonitor {
  readonly #sampleRate: number;
  readonly #random: () => number;
  readonly #budget: AlarmBudget;
  readonly #watched = new Map<string, Watched>();
  /** Calls until the next that is compared. */
  #skip: number;
  #comparisons = 0;
  #alarms = 0;

  /** @throws RangeError for an option outside its range */
  constructor({
    sampleRate = 0.01,
    falseAlarms = 1,
    periodMs = 30 * 86_400_000,
    callsPerSecond = 100,
    clock = systemClock,
    random = Math.random,
  }: DriftMonitorOptions = {}) {
    for (const [name, value] of Object.entries({ falseAlarms, periodMs, callsPerSecond })) {
      if (!(value > 0 && value < Infinity)) throw new RangeError(`${name} is above 0, not ${value}.`);
    }
    if (!(sampleRate >= 0 && sampleRate <= 1)) throw new RangeError(`sampleRate is from 0 to 1, not ${sampleRate}.`);
    this.#sampleRate = sampleRate;
    this.#random = random;
    const comparisons = Math.max(1, (callsPerSecond * sampleRate * periodMs) / 1000);
    this.#budget = new AlarmBudget({ falseAlarms, periodMs, comparisons, clock });
    this.#skip = this.#drawGap();
  }

  /** Whether to compare this call: asked once for each. Nobody can tell beforehand. */
  shouldSample(): boolean {
    if (this.#skip > 0) {
      this.#skip--;
      return false;
    }
    this.#skip = this.#drawGap();
    return true;
  }

  /**
   * Takes in both answers to one call; `label` says to what kind of input, such as its shape. At once where the comparer answers
   * at once.
   *
   * @returns what has drifted, in words; undefined where nothing has
   */
  recordShadowComparison(
    optimizationName: string,
    originalOutput: unknown,
    optimizedOutput: unknown,
    comparer: DistanceMeasure | OutputMatcher | PairValidator,
    workloadType: string,
    label = '',
  ): MaybePromise<string | undefined> {
    const watched = getOrMake(this.#watched, optimizationName, () => ({ pooled: new Map(), labels: new Map() }));
    const distances = measureOf(comparer)(originalOutput, optimizedOutput, workloadType);
    return chain(distances, (each) =>
      // Where the reference was refreshed meanwhile, these are answers of before.
      this.#watched.get(optimizationName) === watched
        ? this.#record(optimizationName, watched, each, label)
        : undefined,
    );
  }

  /** What was usual is learnt anew from the next comparisons: the optimisation, or the reference, is another one now. */
  refreshReference(optimizationName: string): void {
    this.#watched.delete(optimizationName);
  }

  /**
   * By distance, over all inputs: the EWMA of its ranks among earlier ones, from 0 to 1; 0.5 is as usual. Undefined where nothing
   * was compared.
   */
  getEwmaScores(optimizationName: string): Readonly<Record<string, number>> | undefined {
    const watched = this.#watched.get(optimizationName);
    if (watched === undefined || watched.pooled.size === 0) return undefined;
    return Object.fromEntries([...watched.pooled].map(([metric, { chart }]) => [metric, chart.score]));
  }

  getDiagnostics(): DriftDiagnostics {
    const scores = [...this.#watched].flatMap(([optimizationName, { pooled, labels }]) => [
      ...describe(optimizationName, undefined, pooled),
      ...[...labels].flatMap(([label, each]) => describe(optimizationName, label, each.watches, each.histories)),
    ]);
    return { sampleRate: this.#sampleRate, comparisons: this.#comparisons, alarms: this.#alarms, scores };
  }

  #record(optimizationName: string, watched: Watched, distances: Distances, label: string): string | undefined {
    this.#comparisons++;
    const entries = Object.entries(distances);
    // Each distance goes into two charts.
    const chance = this.#budget.next() / (2 * entries.length);
    const broken = entries.filter(([, distance]) => !Number.isFinite(distance)).map(([metric]) => metric);
    if (broken.length > 0) {
      this.#alarms++;
      return `An answer of ${optimizationName}${forInputs(label)} is nowhere near the reference's: ${broken.join(', ')} is not finite.`;
    }
    const known = watched.labels.has(label) || watched.labels.size < MAX_LABELS ? label : OTHERS;
    const { watches, histories } = getOrMake(watched.labels, known, () => ({
      watches: new Map(),
      histories: new Map(),
    }));
    const reasons: string[] = [];
    for (const [metric, distance] of entries) {
      const history = getOrMake(histories, metric, () => new RankHistory(this.#random));
      const usual = history.median;
      const rank = history.observe(distance);
      const isLabelOff = observe(watches, metric, distance, rank, chance);
      const isOff = observe(watched.pooled, metric, distance, rank, chance);
      if (!isLabelOff && !isOff) continue;
      this.#alarms += Number(isLabelOff) + Number(isOff);
      const { recent } = watches.get(metric) as Watch;
      const inputs = isLabelOff ? forInputs(known) : ' to inputs of several kinds';
      const values = `${metric} was ${show(usual)} as a rule and is ${show(recent)} of late`;
      const latest = isLabelOff ? '' : ` in those${forInputs(known)}`;
      reasons.push(
        `The answers of ${optimizationName}${inputs} have drifted from the reference's: ${values}${latest}.`,
      );
    }
    return reasons.length > 0 ? reasons.join(' ') : undefined;
  }

  /** Calls between two that are compared, each of which is with the chance of `sampleRate`. */
  #drawGap(): number {
    if (this.#sampleRate === 0) return Infinity;
    return Math.floor(Math.log(1 - this.#random()) / Math.log(1 - this.#sampleRate));
  }
}

/** Whether there is an alarm. */
function observe(watches: Watches, metric: string, distance: number, rank: number, chance: number): boolean {
  const watch = getOrMake(watches, metric, () => ({ chart: new DriftChart(), comparisons: 0, recent: distance }));
  watch.comparisons++;
  watch.recent += WEIGHT * (distance - watch.recent);
  return watch.chart.observe(rank, chance);
}

function describe(
  optimizationName: string,
  label: string | undefined,
  watches: Watches,
  histories?: ReadonlyMap<string, RankHistory>,
): readonly DriftScore[] {
  return [...watches].map(([metric, { chart, comparisons, recent }]) => {
    const { score, evidence } = chart;
    const usual = histories?.get(metric)?.median;
    return { optimizationName, label, metric, comparisons, score, evidence, usual, recent };
  });
}

const forInputs = (label: string): string => (label === '' ? '' : ` to ${label}`);
const show = (distance: number | undefined): string => distance?.toPrecision(2) ?? 'unknown';

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
