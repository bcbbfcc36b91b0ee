/** @module How far two answers to one question are from each other. */

import type { InferenceAdapter } from '../adapters/adapter.ts';
import { runSteps, settled } from '../maybe-promise.ts';
import type { Steps } from '../maybe-promise.ts';
import type { MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';

/** Distances by name, of any unit, larger where the answers agree less. Infinity or NaN: they cannot agree at all. */
export type Distances = Readonly<Record<string, number>>;

/** How far an answer is from another, by the name of each distance. */
export type DistanceMeasure = (original: unknown, optimized: unknown, workloadType: string) => MaybePromise<Distances>;

/** Tells whether two answers agree within a tolerance: an adapter does. */
export type OutputMatcher = Pick<InferenceAdapter, 'outputsMatch'>;

/** Says by how much answers miss their bounds, of which here only what was measured counts: a validator does. */
export interface PairValidator {
  validate(pairs: readonly { readonly expected: Portable; readonly actual: Portable }[]): MaybePromise<{
    readonly metrics: readonly {
      readonly name: string;
      readonly value: number;
      readonly direction: 'at_least' | 'at_most';
      readonly samples: number;
    }[];
  }>;
}

export function measureOf(comparer: DistanceMeasure | OutputMatcher | PairValidator): DistanceMeasure {
  if (typeof comparer === 'function') return comparer;
  return 'validate' in comparer ? metricDistances(comparer) : toleranceDistance(comparer);
}

/** What a validator measured; of what is to be large, what is missing to 1. */
function metricDistances(validator: PairValidator): DistanceMeasure {
  return (original, optimized) =>
    runSteps(
      (function* (): Steps<Distances> {
        const pair = { expected: original as Portable, actual: optimized as Portable };
        const { metrics } = yield* settled(validator.validate([pair]));
        const measured = metrics
          .filter(({ samples }) => samples > 0)
          .map(({ name, value, direction }) => (direction === 'at_most' ? [name, value] : [`1 - ${name}`, 1 - value]));
        return Object.fromEntries(measured) as Distances;
      })(),
    );
}

/** Tolerances are tried from 2 ** -30 to 2 ** 4, each the square root of 2 times the one before. */
const [FINEST, COARSEST] = [-60, 8];

/** The smallest tolerance within which the answers match, 0 where they are equal, Infinity where none is wide enough. */
function toleranceDistance(adapter: OutputMatcher): DistanceMeasure {
  return (original, optimized) => {
    const matches = (tolerance: number): MaybePromise<boolean> => adapter.outputsMatch(original, optimized, tolerance);
    return runSteps(
      (function* (): Steps<Distances> {
        if (yield* settled(matches(0))) return { tolerance: 0 };
        if (!(yield* settled(matches(2 ** (COARSEST / 2))))) return { tolerance: Infinity };
        let [from, to] = [FINEST, COARSEST];
        while (from < to) {
          const middle = (from + to) >> 1;
          if (yield* settled(matches(2 ** (middle / 2)))) to = middle;
          else from = middle + 1;
        }
        return { tolerance: 2 ** (to / 2) };
      })(),
    );
  };
}
