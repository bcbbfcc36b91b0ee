/** @module What is said of each model's search: to the model, and to who listens. */

import type { SearchReport } from '../host/hosted-model.ts';
import type { GoldenStore } from '../safety/golden-store.ts';
import type { CompilableModel, CompileEvent } from './compile-request.ts';
import type { Verdict } from './trial.ts';

export class SearchReports {
  readonly #goldens: GoldenStore;
  readonly #emit: (event: CompileEvent) => void;
  readonly #reports = new WeakMap<CompilableModel, SearchReport>();

  constructor(goldens: GoldenStore, emit: (event: CompileEvent) => void) {
    this.#goldens = goldens;
    this.#emit = emit;
  }

  /** What was tried so far. */
  verdicts(model: CompilableModel): readonly Verdict[] {
    return this.#reports.get(model)?.verdicts ?? [];
  }

  /** Says what is new; the rest is as it was said before. */
  say(model: CompilableModel, news: Partial<SearchReport> & Pick<SearchReport, 'state'>): void {
    const { captured, generated } = this.#goldens.summary(model.identity);
    const before = this.#reports.get(model) ?? { verdicts: [], chosen: undefined };
    const now: SearchReport = { ...before, ...news, goldens: { captured, generated } };
    this.#reports.set(model, now);
    model.report(now);
  }

  /** The reference goes on to answer all. */
  keepReference(model: CompilableModel, reason: string, verdicts: readonly Verdict[] = []): undefined {
    this.say(model, { state: verdicts.length > 0 ? 'done' : 'off', reason, verdicts });
    this.#emit({ identity: model.identity, kind: 'kept_reference', reason, verdicts });
  }

  refuseVariants(model: CompilableModel, reason: string, verdicts: readonly Verdict[]): void {
    this.say(model, { state: 'done', missing: undefined, reason, verdicts });
    this.#emit({ identity: model.identity, kind: 'variants_refused', reason, verdicts });
  }
}
