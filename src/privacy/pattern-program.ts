/**
 * @module What a backtracking matcher does with a regular expression, as a program of few instructions.
 * @see https://swtch.com/~rsc/regexp/regexp2.html (Russ Cox, "Regular Expression Matching: the Virtual Machine Approach")
 */

import { UnknownSyntax } from './pattern-syntax.ts';
import type { PatternNode } from './pattern-syntax.ts';

export type Atom = Extract<PatternNode, { readonly kind: 'atom' }>;

export type Look = Extract<PatternNode, { readonly kind: 'look' }>;

export type Instruction =
  /** Takes one character that the atom matches. */
  | { readonly do: 'take'; readonly atom: number }
  /** Goes on at each of these places, in this order, as long as nothing matches. */
  | { readonly do: 'try'; readonly places: readonly number[] }
  /** The same, with an endless repeat's body at one of the places, which is entered. */
  | { readonly do: 'enter'; readonly body: number; readonly exit: number; readonly lazy: boolean }
  /** The end of such a body: back to where it was entered, if it took something. */
  | { readonly do: 'again'; readonly entry: number }
  | { readonly do: 'assert'; readonly of: '^' | '$' | '\\b' | '\\B' }
  /** Asks a lookaround, whose answer may be any. */
  | { readonly do: 'ask'; readonly look: number }
  | { readonly do: 'match' };

export interface PatternProgram {
  readonly instructions: readonly Instruction[];
  /** Each once. */
  readonly atoms: readonly Atom[];
  readonly looks: readonly Look[];
}

/** Repeats are written out, as often as they may be: more instructions are not looked through. */
const MAX_INSTRUCTIONS = 4000;
const TOO_LONG = 'is too long when its repeats are written out';

/** @throws UnknownSyntax where it would be too long. */
export function programOf(pattern: PatternNode, backward = false): PatternProgram {
  const instructions: Instruction[] = [];
  const atoms: Atom[] = [];
  const looks: Look[] = [];

  const add = (instruction: Instruction): number => {
    if (instructions.length === MAX_INSTRUCTIONS) throw new UnknownSyntax(TOO_LONG);
    return instructions.push(instruction) - 1;
  };
  /** Reserves a place for an instruction that is known later. */
  const reserve = (): number => add({ do: 'match' });

  const atomOf = (atom: Atom): number => {
    const known = atoms.findIndex((each) => each.source === atom.source);
    return known === -1 ? atoms.push(atom) - 1 : known;
  };

  const write = (node: PatternNode): void => {
    switch (node.kind) {
      case 'atom':
        add({ do: 'take', atom: atomOf(node) });
        return;
      case 'assertion':
        add({ do: 'assert', of: node.of });
        return;
      case 'look':
        add({ do: 'ask', look: looks.includes(node) ? looks.indexOf(node) : looks.push(node) - 1 });
        return;
      case 'sequence':
        for (const part of backward ? node.parts.toReversed() : node.parts) write(part);
        return;
      case 'choice':
        return writeChoice(node.options);
      case 'repeat':
        return writeRepeat(node);
    }
  };

  const writeChoice = (options: readonly PatternNode[]): void => {
    const entry = reserve();
    const places: number[] = [];
    const exits: number[] = [];
    for (const option of options) {
      places.push(instructions.length);
      write(option);
      exits.push(reserve());
    }
    instructions[entry] = { do: 'try', places };
    for (const exit of exits) instructions[exit] = { do: 'try', places: [instructions.length] };
  };

  const writeRepeat = ({ body, min, max, lazy }: Extract<PatternNode, { readonly kind: 'repeat' }>): void => {
    if (min > MAX_INSTRUCTIONS || (max > MAX_INSTRUCTIONS && max !== Infinity)) throw new UnknownSyntax(TOO_LONG);
    for (let i = 0; i < min; i++) write(body);
    if (max === Infinity) {
      const entry = reserve();
      write(body);
      add({ do: 'again', entry });
      instructions[entry] = { do: 'enter', body: entry + 1, exit: instructions.length, lazy };
      return;
    }
    const entries: number[] = [];
    for (let i = min; i < max; i++) {
      entries.push(reserve());
      write(body);
    }
    const exit = instructions.length;
    for (const entry of entries)
      instructions[entry] = { do: 'try', places: lazy ? [exit, entry + 1] : [entry + 1, exit] };
  };

  write(pattern);
  add({ do: 'match' });
  return { instructions, atoms, looks };
}
