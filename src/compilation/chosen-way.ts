/** @module The way that was chosen, in use: held against the reference on a sample, and dropped at the first difference. */

import { callShape } from '../call-shape.ts';
import type { FastPath } from '../host/fast-path.ts';
import type { OpenedHost } from '../host/hosted-model.ts';
import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { Golden } from '../safety/golden-store.ts';
import { GatheredComparisons } from './gathered-comparisons.ts';
import type { CompilableModel, ModelCompilerOptions } from './model-compiler.ts';
import { findNonFinite } from './output-validity.ts';
import type { Verdict } from './trial.ts';

/** Why a way is no longer used. */
export interface DroppedWay {
  readonly reason: string;
  /** Whether an answer of it was another one than the reference's. */
  readonly wasWrong: boolean;
}

export interface ChosenWayParts extends Pick<ModelCompilerOptions, 'clock' | 'differs'> {
  readonly warmupRequests: number;
  readonly sampleRate: number;
  readonly model: CompilableModel;
  readonly host: OpenedHost;
  readonly verdict: Verdict;
  /** Shapes that it was proven on at an earlier start: one call of each is enough to try it on it. */
  readonly knownShapes?: ReadonlySet<string> | undefined;
  /** The model is being closed. */
  readonly signal: AbortSignal;
  readonly onShapeProven: (shape: string) => void;
  readonly onDropped: (dropped: DroppedWay) => void;
  readonly onLeak?: FastPath['onLeak'];
}

/** Calls of a shape that a faster way was not proven on, after which it is tried on it. */
const NEW_SHAPE_CALLS = 3;
/** Of more shapes that are not proven, the calls are counted anew. */
const MAX_UNPROVEN = 1000;

/** Lets it answer what it was proven on, from now on. */
export function useChosenWay(parts: ChosenWayParts): FastPath {
  const { model, host, verdict, knownShapes, sampleRate, onDropped } = parts;
  let due = 0;
  const comparisons = new GatheredComparisons({
    ...parts,
    compare: ({ inputs, answer }) => compareOne(parts, inputs, answer),
  });
  const proving = new Map<string, number>();
  const fast: FastPath = {
    name: verdict.candidate,
    host,
    shapes: new Set(verdict.timings.map(({ shape }) => shape)),
    faultOf: findNonFinite,
    onAnswered(args, answer) {
      due += sampleRate;
      // One at a time: what is sampled must not be what the machine does.
      if (due < 1 || comparisons.isBusy) return;
      due -= 1;
      comparisons.add({ inputs: args, answer: copyPortable(answer) });
    },
    onFailed: (reason) => onDropped({ reason, wasWrong: false }),
    onLeak: parts.onLeak,
  };
  host.client.onFailed((error) => onDropped({ reason: error.message, wasWrong: false }));
  model.use(fast);
  model.observe((args, answer) => {
    const shape = callShape(args);
    const calls = (proving.get(shape) ?? 0) + 1;
    if (proving.size >= MAX_UNPROVEN) proving.clear();
    proving.set(shape, calls);
    if (calls !== (knownShapes?.has(shape) === true ? 1 : NEW_SHAPE_CALLS) || fast.shapes.has(shape)) return;
    void prove(parts, fast, { inputs: copyPortable(args), output: copyPortable(answer), shape });
  });
  return fast;
}

/** Off the caller's path: the reference is asked what was answered. */
async function compareOne(
  { model, differs, signal, onDropped }: ChosenWayParts,
  inputs: readonly Portable[],
  answer: Portable,
): Promise<void> {
  try {
    const output = await model.askReference(inputs, signal);
    const difference = differs({ output }, answer);
    if (difference !== undefined)
      onDropped({ reason: `It answered otherwise than the reference: ${difference}`, wasWrong: true });
  } catch {
    // The reference could not be asked: that says nothing of the other.
  }
}

/** A shape that came later: until the faster way was right on it, again and again, the reference answers. */
async function prove(
  { differs, warmupRequests, signal, onShapeProven, onDropped }: ChosenWayParts,
  { host, shapes }: FastPath,
  { inputs, output, shape }: Omit<Golden, 'origin'>,
): Promise<void> {
  try {
    for (let round = 0; round <= warmupRequests; round++) {
      const answer = await host.client.request('run', inputs, { signal });
      const difference = differs({ output }, answer);
      if (difference !== undefined)
        return onDropped({ reason: `It is wrong for ${shape}: ${difference}`, wasWrong: true });
    }
    shapes.add(shape);
    onShapeProven(shape);
  } catch {
    // It stays with the reference.
  }
}
