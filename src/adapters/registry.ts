/** @module The adapters that are asked, in order, whether a model is theirs. */

import type { InferenceAdapter, LazyAdapter } from './adapter.ts';

type AnyAdapter = InferenceAdapter | LazyAdapter;

export class AdapterRegistry {
  #entries: readonly { readonly adapter: AnyAdapter }[];

  constructor(builtIn: readonly AnyAdapter[]) {
    this.#entries = builtIn.map((adapter) => ({ adapter }));
  }

  /** Adds an adapter in front of the others. Disposing removes it. */
  register(adapter: InferenceAdapter): Disposable {
    const entry = { adapter };
    this.#entries = [entry, ...this.#entries];
    return {
      [Symbol.dispose]: () => {
        this.#entries = this.#entries.filter((each) => each !== entry);
      },
    };
  }

  /** The first adapter that recognises the value. One whose `detect` throws does not. */
  find(value: unknown): AnyAdapter | undefined {
    return this.#entries.find(({ adapter }) => detects(adapter, value))?.adapter;
  }

  /** The classes that are recognised, for people: 'InferenceSession (onnxruntime)'. */
  supported(): readonly string[] {
    return this.#entries.flatMap(({ adapter }) => adapter.getModelClasses().map((name) => `${name} (${adapter.name})`));
  }
}

function detects(adapter: AnyAdapter, value: unknown): boolean {
  try {
    return adapter.detect(value);
  } catch {
    return false; // A third party's, or a value that throws when looked at: another adapter may know it.
  }
}
