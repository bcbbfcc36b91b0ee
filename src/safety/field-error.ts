/** @module What is wrong with an input. */

/** The first element that is out of range, its place in the flattened values, and how many are. */
export interface OutOfRange {
  readonly value: number | bigint;
  readonly index: number;
  readonly count: number;
}

/** 'shape' also where values and dims do not fit each other; 'unreadable' where looking at the input is an error. */
export type FieldProblem = 'missing' | 'type' | 'shape' | 'range' | 'unreadable';

/** One thing that is wrong with one input: as data, and as a sentence. */
export class FieldError {
  readonly field: string;
  readonly problem: FieldProblem;
  /** A type, a shape (-1 is any size), or a range. */
  readonly expected:
    | string
    | readonly number[]
    | { readonly minVal?: number | bigint; readonly maxVal?: number | bigint };
  /** A type or value in words, a shape, or what is out of range. */
  readonly got: string | readonly number[] | OutOfRange;
  readonly message: string;

  constructor(
    field: string,
    problem: FieldProblem,
    expected: FieldError['expected'],
    got: FieldError['got'],
    message: string,
  ) {
    this.field = field;
    this.problem = problem;
    this.expected = expected;
    this.got = got;
    this.message = `${field}: ${message}`;
    Object.freeze(this);
  }

  toString(): string {
    return this.message;
  }
}
