/** @module How far an optimisation has come, why, and what stands behind it. */

import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { GateChange, GateDiagnostics, GateEvidence, GateState } from './gate-report.ts';

/** In their order: what was reached is not gone back to, but through 'recovering'. */
const ASCENT: readonly GateState[] = ['capturing', 'canary', 'shadow', 'staged', 'on'];

export interface GateProgressParts {
  readonly optimizationName: string;
  /** Share of the calls that it answers while it is used: 0 to 1. */
  readonly share: () => number;
  /** Shapes of calls that it may answer. */
  readonly shapes: () => number;
}

export class GateProgress {
  readonly onChange: EventSource<GateChange>;
  /** Answers that callers got of it, comparisons, calls that the reference answered in its place, and times that it was built anew. */
  readonly counts = { answered: 0, compared: 0, fallbacks: 0, recoveries: 0 };
  readonly #parts: GateProgressParts;
  readonly #changes = new Emitter<GateChange>();
  #state: GateState = 'capturing';
  #reason = 'No call was answered yet.';

  constructor(parts: GateProgressParts) {
    this.#parts = parts;
    this.onChange = this.#changes.event;
  }

  get state(): GateState {
    return this.#state;
  }

  /** Whether it is, or may come to be, used as it is now. */
  get isTried(): boolean {
    return ASCENT.includes(this.#state);
  }

  get hasEnded(): boolean {
    return this.#state === 'off' || this.#state === 'closed';
  }

  /** Where it begins: nobody is told. */
  begin(at: GateState, reason: string): void {
    this.#state = at;
    this.#reason = reason;
  }

  become(to: GateState, reason: string, wasWrong = false): void {
    const from = this.#state;
    this.begin(to, reason);
    const { optimizationName } = this.#parts;
    this.#changes.emit({ optimizationName, from, to, reason, wasWrong, ...this.#evidence() });
  }

  /** What was reached before is not gone back to. */
  ascend(to: GateState, reason: string): void {
    if (ASCENT.indexOf(to) > ASCENT.indexOf(this.#state)) this.become(to, reason);
  }

  getDiagnostics(): GateDiagnostics {
    const { optimizationName } = this.#parts;
    const { recoveries } = this.counts;
    return { optimizationName, state: this.#state, reason: this.#reason, ...this.#evidence(), recoveries };
  }

  #evidence(): GateEvidence {
    const { answered, compared, fallbacks } = this.counts;
    const isUsed = this.#state === 'staged' || this.#state === 'on';
    return { share: isUsed ? this.#parts.share() : 0, answered, compared, fallbacks, shapes: this.#parts.shapes() };
  }
}
