/** @module How far an optimisation is proven, by the shape of the calls: a backend may be wrong for one of them alone. */

import { findNonFinite } from '../output-validity.ts';
import type { Portable } from '../portable.ts';
import { structureOf } from './output-structure.ts';

/** What is known of one shape. */
export interface ShapeTrial {
  readonly shape: string;
  stage: 'new' | 'shadow' | 'proven';
  /** That the reference answered while it was new. */
  calls: number;
  /** Times in a row that it could not be found out whether it is right. */
  attempts: number;
  /** Calls it was asked beside the reference, and right. */
  shadowed: number;
  /** Calls it answered since it was proven. */
  answers: number;
  /** Of the reference's answers; undefined where they vary, or none is known. */
  structure: string | undefined;
  /** Whether they were seen to vary: it stays unknown, also where what follows is alike. */
  varies: boolean;
  /** Whether an answer of the reference had only finite numbers: where none has, what is not finite is no fault. */
  isFinite: boolean;
}

/** Of more shapes, the one that came first is forgotten, and has to be proven again. */
const MAX_SHAPES = 1000;

export class GateShapes {
  readonly #trials = new Map<string, ShapeTrial>();

  of(shape: string): ShapeTrial {
    let trial = this.#trials.get(shape);
    if (trial === undefined) {
      const [oldest] = this.#trials.keys();
      if (this.#trials.size >= MAX_SHAPES) this.#trials.delete(oldest as string);
      trial = {
        shape,
        stage: 'new',
        calls: 0,
        attempts: 0,
        shadowed: 0,
        answers: 0,
        structure: undefined,
        varies: false,
        isFinite: false,
      };
      this.#trials.set(shape, trial);
    }
    return trial;
  }

  get proven(): number {
    let count = 0;
    for (const { stage } of this.#trials.values()) if (stage === 'proven') count++;
    return count;
  }

  /** All of them have to be proven again. */
  reset(): void {
    for (const trial of this.#trials.values()) Object.assign(trial, { stage: 'new', shadowed: 0, answers: 0 });
  }
}

/** What cannot be right in an answer, seen without the reference's; undefined where nothing is. */
export function faultOf(answer: Portable, { structure, isFinite }: ShapeTrial): string | undefined {
  const found = isFinite ? findNonFinite(answer) : undefined;
  if (found !== undefined || structure === undefined) return found;
  const own = structureOf(answer);
  return own === structure ? undefined : `It is ${own}, and the reference's is ${structure}`;
}

/** Takes in what the reference answers to calls of the shape, from the first golden on. */
export function learn(trial: ShapeTrial, outputs: readonly Portable[]): void {
  const structures = new Set(outputs.map(structureOf));
  if (trial.structure !== undefined) structures.add(trial.structure);
  trial.varies ||= structures.size > 1;
  trial.structure = trial.varies ? undefined : [...structures][0];
  trial.isFinite ||= outputs.some((each) => findNonFinite(each) === undefined);
}
