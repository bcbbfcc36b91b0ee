/** @module One attempt of a backtracking matcher to match, character by character, with all ways that are open at once. */

import type { CharacterKind } from './pattern-alphabet.ts';
import type { PatternProgram } from './pattern-program.ts';

/** What came before a place in the text, as far as assertions ask. */
export type Before = 'text' | 'line' | 'word' | 'other';

/** The instructions at which an attempt goes on, one for each way that is open, in the order in which they are tried. */
export type Ways = readonly number[];

/** How following instructions ended, if not at the end of them: at a match, or at a lookaround's question. */
type Outcome = 'match' | { readonly ask: number };

export interface Advance {
  readonly ways: Ways;
  /** Whether the attempt could have ended before this character. */
  readonly matched: boolean;
}

/** Instructions that are followed for one character; more are too many ways. */
const MAX_FOLLOWED = 100_000;

/** What every beginning of an attempt goes on at. */
export const FIRST: Ways = [0];

/**
 * How an attempt goes on with the next character, or the number of the lookaround whose answer it depends on. Undefined
 * where it would take more than can be followed.
 */
export function advance(
  program: PatternProgram,
  ways: Ways,
  situation: {
    readonly before: Before;
    readonly next: CharacterKind;
    readonly answers: ReadonlyMap<number, boolean>;
    readonly multiline: boolean;
    /** Whether ways behind a match are gone, as they are for a matcher; otherwise they go on. */
    readonly endsAtMatch: boolean;
  },
): Advance | { readonly ask: number } | undefined {
  const { instructions } = program;
  const { before, next, answers, multiline, endsAtMatch } = situation;
  const open: number[] = [];
  /** Endless repeats whose body was entered since the last character. */
  const entered = new Set<number>();
  let followed = 0;
  let matched = false;

  const holds = (of: '^' | '$' | '\\b' | '\\B'): boolean => {
    if (of === '^') return before === 'text' || (multiline && before === 'line');
    // The text goes on, so this is not its end.
    if (of === '$') return multiline && next.isLineBreak;
    return ((before === 'word') !== next.isWord) === (of === '\\b');
  };

  const follow = (place: number): Outcome | undefined => {
    if (++followed > MAX_FOLLOWED) return undefined;
    const instruction = instructions[place] as PatternProgram['instructions'][number];
    switch (instruction.do) {
      case 'match':
        matched = true;
        return endsAtMatch ? 'match' : undefined;
      case 'take':
        if (next.matchedBy[instruction.atom]) open.push(place + 1);
        return undefined;
      case 'assert':
        return holds(instruction.of) ? follow(place + 1) : undefined;
      case 'ask': {
        const answer = answers.get(instruction.look);
        if (answer === undefined) return { ask: instruction.look };
        return answer ? follow(place + 1) : undefined;
      }
      case 'try':
        return followAll(instruction.places);
      case 'enter': {
        const { body, exit, lazy } = instruction;
        const wasEntered = entered.has(place);
        entered.add(place);
        const outcome = followAll(lazy ? [exit, body] : [body, exit]);
        if (!wasEntered) entered.delete(place);
        return outcome;
      }
      case 'again':
        return entered.has(instruction.entry) ? undefined : follow(instruction.entry);
    }
  };
  const followAll = (places: readonly number[]): Outcome | undefined => {
    for (const place of places) {
      const outcome = follow(place);
      if (outcome !== undefined) return outcome;
    }
    return undefined;
  };

  const outcome = followAll(ways);
  if (followed > MAX_FOLLOWED) return undefined;
  if (typeof outcome === 'object') return outcome;
  return { ways: open, matched };
}
