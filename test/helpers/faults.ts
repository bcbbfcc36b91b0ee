/** What goes wrong with faster ways of running a model: each as it was seen of GPU backends and compilers, or may be. */

import type { Portable } from '../../src/portable.ts';
import type { TensorLike } from '../../src/tensor.ts';
import { createRandom } from './cache-traces.ts';

/** What becomes of one run: it is answered, late or not, or it is not. */
export type Fate = 'crashes' | 'hangs' | 'loses the device' | 'leaks' | { readonly lateMs: number };
/** What a model answers: tensors by name. */
export type Answer = Record<string, TensorLike>;

/** One run of a host, counted from 1, and the rows of its inputs. */
export interface Run {
  readonly n: number;
  readonly rows: number;
}

export interface Fault {
  readonly name: string;
  /** Whether it is there in each run from the first on, or shows only later, or only in some runs. */
  readonly appears: 'at the start' | 'later';
  /** What can be seen of it: an error or what cannot be an answer, another answer, or time and memory only. */
  readonly shows: 'a failure' | 'another answer' | 'nothing in answers';
  readonly opening?: 'refused' | 'never ends';
  readonly fate?: (run: Run) => Fate | undefined;
  /** Another answer than the real one; undefined leaves it. */
  readonly spoil?: (answer: Answer, run: Run) => Answer | undefined;
  /** Answers of runs that wait at the same time are given to one another's callers. */
  readonly swaps?: true;
  /** What waits for it waits long, so that the clock of its test has to run faster. */
  readonly hangs?: true;
  /** Once it has happened, what is opened anew is sound: as a driver that was reset. */
  readonly passes?: true;
}

/** Runs until what comes later comes: more than a trial takes. */
const LATER = 300;

const firstOf = (answer: Answer): string => Object.keys(answer)[0] as string;
const floats = ({ data }: TensorLike): Float32Array => data as Float32Array;

/** The first output, otherwise. */
function change(answer: Answer, how: (values: Float32Array, output: TensorLike) => void): Answer {
  const name = firstOf(answer);
  const output = answer[name] as TensorLike<'float32'>;
  const data = Float32Array.from(output.data);
  how(data, output);
  return { ...answer, [name]: { ...output, data } };
}
const twice = (answer: Answer): Answer =>
  change(answer, (values) => values.forEach((each, i) => (values[i] = each * 2)));
const one = (value: number) => (answer: Answer) =>
  change(answer, (values) => {
    values[values.length - 1] = value;
  });
const secondRow = (answer: Answer): Answer =>
  change(answer, (values, { dims: [rows = 1] }) => {
    const width = values.length / rows;
    for (let i = width; i < 2 * width; i++) values[i] = -(values[i] as number) - 1;
  });
const wholeNumbers = (answer: Answer): Answer =>
  Object.fromEntries(
    Object.entries(answer).map(([name, output]) => [
      name,
      output.type === 'int64'
        ? { ...output, data: (output as TensorLike<'int64'>).data.map((each) => each + 1n) }
        : output,
    ]),
  );
const renamed = (answer: Answer): Answer =>
  Object.fromEntries(Object.entries(answer).map(([name, output]) => [`${name}_0`, output]));
const flat = (answer: Answer): Answer =>
  Object.fromEntries(
    Object.entries(answer).map(([name, output]) => [name, { ...output, dims: [floats(output).length] }]),
  );

/** With a chance, from run `from` on; seeded, so that each host has it in the same runs. */
function sometimes(chance: number, from: number): (run: Run) => boolean {
  const random = createRandom(7);
  return ({ n }) => random() < chance && n >= from;
}

const atStart = (name: string, rest: Omit<Fault, 'name' | 'appears'>): Fault => ({
  name,
  appears: 'at the start',
  ...rest,
});
const later = (name: string, rest: Omit<Fault, 'name' | 'appears'>): Fault => ({ name, appears: 'later', ...rest });
const wrong = (spoil: NonNullable<Fault['spoil']>): Omit<Fault, 'name' | 'appears'> => ({
  shows: 'another answer',
  spoil,
});
const failing = (fate: NonNullable<Fault['fate']>, hangs?: true): Omit<Fault, 'name' | 'appears'> => ({
  shows: 'a failure',
  fate,
  ...(hangs && { hangs }),
});
const from =
  <T>(n: number, what: (...args: [Answer, Run]) => T) =>
  (answer: Answer, run: Run): T | undefined =>
    run.n >= n ? what(answer, run) : undefined;

/** Made anew for each use: those that draw remember what they drew. */
export function makeFaults(): readonly Fault[] {
  const rarelyNaN = sometimes(0.05, LATER);
  const rarelyWrong = sometimes(0.1, LATER);
  return [
    atStart('wrong: twice the value', wrong(twice)),
    atStart('wrong from the second run on', wrong(from(2, twice))),
    atStart(
      'wrong in one number',
      wrong((answer) => change(answer, (values) => (values[0] = (values[0] as number) + 0.01))),
    ),
    atStart(
      'wrong in the second row of a batch',
      wrong((answer, { rows }) => (rows > 1 ? secondRow(answer) : undefined)),
    ),
    atStart(
      'wrong for one shape',
      wrong((answer, { rows }) => (rows === 3 ? twice(answer) : undefined)),
    ),
    atStart('wrong in the output of whole numbers', wrong(wholeNumbers)),
    atStart('another name of an output', wrong(renamed)),
    atStart('another shape of an output', wrong(flat)),
    atStart('infinity', { shows: 'a failure', spoil: one(Infinity) }),
    atStart('does not open', { shows: 'a failure', opening: 'refused' }),
    atStart('opens for ever', { shows: 'a failure', opening: 'never ends', hangs: true }),
    atStart(
      'crashes',
      failing(() => 'crashes'),
    ),
    atStart(
      'hangs',
      failing(() => 'hangs', true),
    ),
    atStart(
      'loses the device',
      failing(() => 'loses the device'),
    ),
    atStart('slow', { shows: 'nothing in answers', fate: () => ({ lateMs: 20 }) }),
    later('NaN in one run of twenty, after a while', {
      shows: 'a failure',
      spoil: (answer, run) => (rarelyNaN(run) ? one(NaN)(answer) : undefined),
    }),
    later('wrong after a while', wrong(from(LATER, twice))),
    later(
      'wrong in one run of ten, after a while',
      wrong((answer, run) => (rarelyWrong(run) ? twice(answer) : undefined)),
    ),
    later(
      'wrong in the second row of a batch, after a while',
      wrong((answer, { n, rows }) => (n >= LATER && rows > 1 ? secondRow(answer) : undefined)),
    ),
    later('another name of an output, after a while', wrong(from(LATER, renamed))),
    later('answers of calls at one time swapped', { shows: 'another answer', swaps: true }),
    later('crashes after a while', { ...failing(({ n }) => (n >= LATER ? 'crashes' : undefined)), passes: true }),
    later('hangs after a while', { ...failing(({ n }) => (n >= LATER ? 'hangs' : undefined), true), passes: true }),
    later('loses the device after a while', {
      ...failing(({ n }) => (n >= LATER ? 'loses the device' : undefined)),
      passes: true,
    }),
    later('slow after a while', {
      shows: 'nothing in answers',
      fate: ({ n }) => (n >= LATER ? { lateMs: 20 } : undefined),
    }),
    later('leaks', { shows: 'nothing in answers', fate: () => 'leaks' }),
  ];
}

/** Rows of a call's first tensor. */
export function rowsOf(args: readonly Portable[]): number {
  const [first] = Object.values((args[0] ?? {}) as Record<string, TensorLike>);
  return first?.dims?.[0] ?? 1;
}
