/** @module The search among a model's variants, once there are as many different inputs as it takes to judge them. */

import type { Portable } from '../portable.ts';
import type { Candidate } from './candidates.ts';
import type { AnyRequest, CompilerOptions } from './compile-request.ts';
import { Contest } from './contest.ts';
import type { ContestOptions } from './contest.ts';
import type { Found } from './model-compiler.ts';
import type { SearchReports } from './search-reports.ts';
import type { Verdict } from './trial.ts';
import { gatherInputs } from './variants.ts';
import type { VariantSearch } from './variants.ts';
import type { WaysInUse } from './ways-in-use.ts';

export interface VariantSearchParts
  extends
    Pick<CompilerOptions, 'clock' | 'warmupRequests' | 'timeOf'>,
    Pick<ContestOptions, 'worthwhile' | 'budgetMs'> {
  readonly request: AnyRequest;
  readonly search: VariantSearch;
  /** What the search for a way with the same answers came to. */
  readonly found: Found;
  readonly signal: AbortSignal;
  readonly reports: SearchReports;
  readonly ways: WaysInUse;
}

/** Waits for as many inputs as it takes, and tries the variants. Never rejects: what there is answers on. */
export async function searchVariants(parts: VariantSearchParts): Promise<void> {
  const { request, search, signal, reports } = parts;
  const { model } = request;
  const earlier = reports.verdicts(model);
  const decided: Verdict[] = [];
  const all = (more: readonly Verdict[] = []): readonly Verdict[] => [...earlier, ...decided, ...more];
  try {
    let candidates = search.candidates(parts.found.bases);
    for (let factor = 1; factor <= 2 && candidates.length > 0; factor++) {
      const onProgress = (missing: number): void => reports.say(model, { state: 'gathering', missing });
      reports.say(model, { state: 'gathering' });
      await gatherInputs({ model, search, factor, signal, onProgress });
      const { contest, undecided } = await tryAll(parts, candidates, all);
      const { best } = contest;
      if (best !== undefined) return letIn(parts, best, all(contest.verdicts));
      decided.push(...contest.verdicts.filter((each) => each.undecided !== true || factor === 2));
      candidates = undecided;
    }
    reports.refuseVariants(model, 'None of the variants is right for the workload, and faster.', all());
  } catch (error) {
    if (!signal.aborted)
      reports.refuseVariants(model, `The variants were not tried: ${(error as Error).message}`, all());
  } finally {
    // Nobody asks them any more, and they may be large.
    search.goldens.forget(model.identity);
  }
}

async function tryAll(
  {
    request,
    search,
    found,
    signal,
    reports,
    ways,
    clock,
    warmupRequests,
    timeOf,
    worthwhile,
    budgetMs,
  }: VariantSearchParts,
  candidates: readonly Candidate[],
  all: (more: readonly Verdict[]) => readonly Verdict[],
): Promise<{ readonly contest: Contest; readonly undecided: readonly Candidate[] }> {
  const { model, open, watchCalls } = request;
  // It has to be faster than what answers now, which is right to the rounding.
  const least = worthwhile * (ways.get(model) === undefined ? 1 : Math.min(1, found.share));
  const contest = new Contest({ clock, signal, open, worthwhile: least, budgetMs });
  const undecided: Candidate[] = [];
  for (const candidate of candidates) {
    reports.say(model, { state: 'searching', missing: undefined, verdicts: all(contest.verdicts) });
    const goldens = search.goldens.get(model.identity);
    const reference = (inputs: readonly Portable[], until: AbortSignal): Promise<Portable> =>
      model.askReference(inputs, until);
    const { differs, proves } = search;
    const verdict = await contest.enter(candidate, {
      reference,
      goldens,
      differs,
      proves,
      warmupRequests,
      timeOf,
      watchCalls,
    });
    if (verdict.undecided === true) undecided.push(candidate);
  }
  return { contest, undecided };
}

function letIn(
  { request, search: { differs }, signal, ways }: VariantSearchParts,
  best: NonNullable<Contest['best']>,
  verdicts: readonly Verdict[],
): void {
  // Its copy of the model is closed; it is opened again where the variant turns out to be wrong.
  const bringBack = ways.toBringBack(request, { verdicts, signal });
  ways.letIn(request, best, { verdicts, signal, differs, bringBack });
}
