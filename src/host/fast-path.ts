/** @module A faster way of running a model, beside the reference: it answers what it is trusted with, and the reference all else. */

import type { CallOptions } from '../call.ts';
import type { Portable } from '../portable.ts';
import type { GateDiagnostics } from '../safety/gate-report.ts';
import type { OpenedHost } from './hosted-model.ts';

/** What a model is told of a faster way of running it. */
export interface FastPath {
  /** The candidate, as reports name it. */
  readonly name: string;
  /** Where it runs: another one once it was opened again. */
  readonly host: OpenedHost;
  /** What it is trusted with now. */
  readonly gate: GateDiagnostics;
  /**
   * Answers a call within its deadline, by whoever is to. It may be asked again what it was asked, after the call as well, so that
   * the arguments are not changed by anybody meanwhile.
   *
   * @throws what the reference throws
   */
  run(args: readonly Portable[], options: Pick<CallOptions, 'signal' | 'deadlineMs'>): Promise<Portable>;
  /** The memory of its host grew run by run, by so many bytes: another one is to take its place. */
  onLeak(grownBytes: number): void;
  /** Ends what it holds. Calls under way are answered by the reference. */
  close(): void;
}
