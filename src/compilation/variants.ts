/** @module Variants of a model: what they are held to, and the inputs that it takes to hold them to it. */

import type { EventSource } from '../events.ts';
import type { AnsweredCall } from '../host/hosted-model.ts';
import type { Portable } from '../portable.ts';
import type { GoldenStore } from '../safety/golden-store.ts';
import type { OutputPair } from '../safety/output-validator.ts';
import type { ValidationReport } from '../safety/validation-report.ts';
import type { Candidate } from './candidates.ts';
import type { CompilableModel } from './compile-request.ts';
import type { Differs } from './trial.ts';

/** How ways are judged whose answers may differ from the reference's within what the workload bears. */
export interface VariantSearch {
  /** The ways to try, made of those that gave the reference's answers. */
  readonly candidates: (bases: readonly Candidate[]) => readonly Candidate[];
  /** Keeps as many different inputs as it takes; apart from those that other ways are held against. */
  readonly goldens: GoldenStore;
  /** Why one answer cannot be that of a right way; undefined where it can. */
  readonly differs: Differs;
  /** Whether the answers to all goldens together show that a way is right. */
  readonly proves: (pairs: readonly OutputPair[]) => ValidationReport;
  /** Of how many different inputs it takes the answers, of which this is one. */
  readonly needed: (output: Portable) => number;
  /** Tells of the model's calls. */
  readonly onAnswered: EventSource<AnsweredCall>;
}

export interface Gathering {
  readonly model: CompilableModel;
  readonly search: Pick<VariantSearch, 'goldens' | 'needed' | 'onAnswered'>;
  /** Times as many as it takes at least. */
  readonly factor: number;
  readonly signal: AbortSignal;
  readonly onProgress: (missing: number) => void;
}

/**
 * Waits for as many calls with different inputs, and keeps them with the reference's answers. Where a faster way answered, the reference is
 * asked behind the call, one at a time.
 *
 * @throws Error where so many do not fit; the reason of the signal
 */
export function gatherInputs({ model, search, factor, signal, onProgress }: Gathering): Promise<void> {
  const { goldens, needed, onAnswered } = search;
  const ask = (inputs: readonly Portable[]): Promise<Portable> => model.askReference(inputs, signal);
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    let busy = false;
    let target: number | undefined;
    const take = async ({ args, answer }: AnsweredCall): Promise<void> => {
      const output = answer ?? (await ask(args));
      target ??= needed(output) * factor;
      const before = goldens.summary(model.identity).captured;
      const refusal = await goldens.capture(model.identity, args, output, ask);
      const { captured } = goldens.summary(model.identity);
      // One that was kept, and took the place of another: more do not fit.
      if (refusal === 'too_large' || (refusal === undefined && captured <= before))
        return end(() => reject(new Error(`${target} inputs and answers of this size are too much to keep.`)));
      onProgress(Math.max(0, target - captured));
      if (captured >= target) end(resolve);
    };
    const listening = onAnswered((call) => {
      if (busy) return;
      busy = true;
      // A reference that could not be asked is asked with the next call.
      void take(call)
        .catch(() => undefined)
        .finally(() => (busy = false));
    });
    const leave = (): void => end(() => reject(signal.reason as Error));
    signal.addEventListener('abort', leave);
    function end(settle: () => void): void {
      listening[Symbol.dispose]();
      signal.removeEventListener('abort', leave);
      settle();
    }
  });
}
