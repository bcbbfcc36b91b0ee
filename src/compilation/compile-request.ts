/** @module What is asked of the search for faster ways, and what it says. */

import type { FastPath } from '../host/fast-path.ts';
import type { OpenedHost, SearchReport } from '../host/hosted-model.ts';
import type { Clock } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { GoldenStore } from '../safety/golden-store.ts';
import type { OutputValidator } from '../safety/output-validator.ts';
import type { SafetyOrchestrator } from '../safety/safety-orchestrator.ts';
import type { Candidate } from './candidates.ts';
import type { CompileSafetyMonitor } from './compile-safety-monitor.ts';
import type { OpenWay } from './contest.ts';
import type { Refinement } from './refinements.ts';
import type { Differs, Verdict } from './trial.ts';
import type { VariantSearch } from './variants.ts';
import type { VerdictMemory } from './verdict-memory.ts';

/** What of a hosted model the compiler needs. */
export interface CompilableModel {
  readonly identity: string;
  /** Asks the reference, whatever faster way there is. */
  askReference(args: readonly Portable[], signal: AbortSignal): Promise<Portable>;
  observe(listener: ((args: readonly Portable[], answer: Portable) => void) | undefined): void;
  use(fast: FastPath | undefined): void;
  report(search: SearchReport): void;
  /**
   * Closes the reference while nobody needs it: at once, and after so many milliseconds in which nobody asked it. Undefined: it stays
   * open. Without it the reference always does.
   */
  restReference?(idleMs: number | undefined): void;
  /** Whether the reference is closed, so that to ask it opens it. */
  readonly referenceRests?: boolean;
  /** Ends a host of a faster way once it has answered what it was asked. */
  leave(host: OpenedHost): Promise<void>;
  /** Called once, when it is being closed; at once where it is. */
  onClosing(listener: () => void): void;
}

/** A model that is to be compiled. */
export interface CompileRequest<Model extends CompilableModel> {
  readonly model: Model;
  readonly modelBytes: number;
  /** What there is to try: found out when the search begins. */
  readonly candidates: () => Promise<readonly Candidate[]>;
  /**
   * All that there may be, whether it is here or not: to open what was chosen at an earlier start without finding out what else there
   * is, which takes longer than to open it. Default: `candidates`.
   */
  readonly possible?: (() => readonly Candidate[]) | undefined;
  /** The reference itself, as a way: it may be refined as well, and variants run as it does. Default: it is no way to try. */
  readonly reference?: Candidate | undefined;
  /** Options by which the best way is made better, one after another. Default none. */
  readonly refinements?: readonly Refinement[] | undefined;
  /** What may be right of a way that opened and was wrong. Default: nothing. */
  readonly mended?: ((way: Candidate) => Candidate | undefined) | undefined;
  /** Made-up inputs of the sizes that are called, with which the search need not wait for the first calls. Default none. */
  readonly generated?: readonly (readonly Portable[])[] | undefined;
  /** What says later whether a call of somebody was under way since: it would disturb what is timed. Default: nobody knows. */
  readonly watchCalls?: (() => () => boolean) | undefined;
  /** Variants of the model, which are tried once there are enough different inputs. Default none. */
  readonly variants?: VariantSearch | undefined;
  /** What a verdict holds for: the framework's version, the browser or driver, the device. Default ''. */
  readonly place?: string | undefined;
  readonly differs: Differs;
  /** By what drift is measured of a way with the same answers. Default: number by number. */
  readonly driftValidator?: OutputValidator | undefined;
  /** Opens a candidate in a place of its own, which may be killed. */
  readonly open: OpenWay;
  /** Called where what was used gave another answer than the reference: those that were kept before may be wrong as well. */
  readonly onWrong?: (() => void) | undefined;
}

/** How a search is made. */
export interface ModelCompilerOptions {
  readonly clock: Clock;
  readonly goldens: GoldenStore;
  /** Real calls before the search begins, and runs of each golden before a candidate counts as ready. Default 3. */
  readonly warmupRequests?: number | undefined;
  /** Milliseconds that the run itself took which gave an answer, where that is known. Default: what there is from asking to answer. */
  readonly timeOf?: ((answer: Portable) => number | undefined) | undefined;
  /** Lets in what was chosen, and watches it. */
  readonly orchestrator: Pick<SafetyOrchestrator, 'gateOptimization'>;
  readonly monitor?: CompileSafetyMonitor | undefined;
  /**
   * Megabytes that the copies of one model may take, by the monitor's estimate. Where two are more, the reference is closed while a
   * faster way is in use and nobody needs it. Default 0: no limit.
   */
  readonly memoryBudgetMb?: number | undefined;
  /** What earlier searches came to. Default: nothing is kept. */
  readonly memory?: VerdictMemory | undefined;
}

/** What was decided of a model, for logs. */
export interface CompileEvent {
  readonly identity: string;
  /** 'recycled': the memory of its host grew run by run, and another one is to take its place. */
  readonly kind: 'chosen' | 'kept_reference' | 'shape_proven' | 'variants_refused' | 'recycled' | 'rolled_back';
  readonly candidate?: string | undefined;
  readonly reason?: string | undefined;
  readonly verdicts?: readonly Verdict[] | undefined;
  /** Of 'rolled_back': whether an answer of it was another one than the reference's. */
  readonly wasWrong?: boolean | undefined;
}

/** With the defaults filled in. */
export type CompilerOptions = {
  readonly [Name in keyof ModelCompilerOptions]-?: NonNullable<ModelCompilerOptions[Name]>;
};

export type AnyRequest = CompileRequest<CompilableModel>;

/** By what a verdict is kept. */
export function keyOf({ model, place = '' }: AnyRequest): string {
  return JSON.stringify([model.identity, place]);
}
