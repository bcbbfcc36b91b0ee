/** @module What a gate says of an optimisation. */

/** How far an optimisation came. But in 'staged' and 'on' the reference answers all calls. */
export type GateState =
  /** Waits for a first call, to have an answer that it can be held against. */
  | 'capturing'
  /** Is asked the goldens, of which it must get all right. */
  | 'canary'
  /** Is asked beside the reference. */
  | 'shadow'
  /** Answers some of the calls, and each of its answers is held against the reference's. */
  | 'staged'
  /** Answers all calls of shapes that it was proven on; a sample of its answers is held against the reference's. */
  | 'on'
  /** Failed, or drifted: it is built anew after a while, and begins again at the canary. */
  | 'recovering'
  /** Was wrong, or has nothing that it can be held against: it is not tried again. */
  | 'off'
  /** Is no longer used by anybody. */
  | 'closed';

/** What a decision rests on: numbers since the gate was made. */
export interface GateEvidence {
  /** Share of the calls, of shapes that it was proven on, that it answers now: 0 to 1. */
  readonly share: number;
  /** Calls that it answered. */
  readonly answered: number;
  /** Its answers that were held against the reference's, those to goldens among them. */
  readonly compared: number;
  /** Calls that it was asked and the reference had to answer. */
  readonly fallbacks: number;
  /** Shapes of calls that it is proven on. */
  readonly shapes: number;
}

/** The gate decided. */
export interface GateChange extends GateEvidence {
  readonly optimizationName: string;
  readonly from: GateState;
  /** The same as `from` where only the share has grown. */
  readonly to: GateState;
  readonly reason: string;
  /** Whether an answer of it was another one than the reference's: those that were kept before may be wrong as well. */
  readonly wasWrong: boolean;
}

/** A snapshot. */
export interface GateDiagnostics extends GateEvidence {
  readonly optimizationName: string;
  readonly state: GateState;
  /** Of its present state. */
  readonly reason: string;
  /** Times it failed and was, or is to be, built anew. */
  readonly recoveries: number;
}
