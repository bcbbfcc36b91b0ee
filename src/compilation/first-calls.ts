/** @module The first real calls of a model, which a search begins with. */

import { copyPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { CompilableModel } from './compile-request.ts';

interface Waiting {
  readonly calls: number;
  readonly resolve: (inputs: readonly Portable[]) => void;
}

/** Watches calls from the beginning, also while nobody knows yet how many of them are needed. */
export class FirstCalls {
  readonly #model: CompilableModel;
  readonly #signal: AbortSignal;
  #kept = 0;
  #last: readonly Portable[] = [];
  #waiting: readonly Waiting[] = [];

  /** `keep` takes each call and its answer; a call counts once that is done. */
  constructor(
    model: CompilableModel,
    keep: (args: readonly Portable[], answer: Portable) => Promise<unknown>,
    signal: AbortSignal,
  ) {
    this.#model = model;
    this.#signal = signal;
    model.observe((args, answer) => {
      const counted = (): void => this.#count(args);
      void keep(args, answer).then(counted, counted);
    });
  }

  /** The inputs of the last call, once there were so many. @throws the reason of the signal */
  reached(calls: number): Promise<readonly Portable[]> {
    return new Promise((resolve, reject) => {
      if (this.#signal.aborted) return reject(this.#signal.reason as Error);
      if (this.#kept >= calls) return resolve(copyPortable(this.#last));
      this.#signal.addEventListener('abort', () => reject(this.#signal.reason as Error), { once: true });
      this.#waiting = [...this.#waiting, { calls, resolve }];
    });
  }

  end(): void {
    this.#model.observe(undefined);
  }

  #count(args: readonly Portable[]): void {
    this.#kept++;
    this.#last = args;
    const due = this.#waiting.filter(({ calls }) => calls <= this.#kept);
    this.#waiting = this.#waiting.filter(({ calls }) => calls > this.#kept);
    for (const { resolve } of due) resolve(copyPortable(args));
  }
}
