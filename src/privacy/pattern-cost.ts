/**
 * @module What a regular expression may cost, for whatever text. A matcher without memory takes a step for each character of
 * each way in which a pattern may match so far, from each place where it begins. Both are bounded:
 *
 * - the ways of one attempt, by following them all over all texts at once, until nothing new comes up or there are too many;
 *   also those that a matcher does not try because an earlier one matches;
 * - the attempts, where a match has no upper length: their number grows with the text only if there is a piece of text after
 *   which an attempt that was under way is where it was, and one that began with the piece is there as well.
 *
 * @see Weideman, van der Merwe, Berglund, Watson, "Analyzing Matching Time Behavior of Backtracking Regular Expression
 *   Matchers by Using Ambiguity of NFA" (2016); Weber, Seidl, "On the Degree of Ambiguity of Finite Automata" (1991)
 */

import { characterKinds } from './pattern-alphabet.ts';
import type { CharacterKind } from './pattern-alphabet.ts';
import { advance, FIRST } from './pattern-attempt.ts';
import type { Advance, Before, Ways } from './pattern-attempt.ts';
import type { PatternProgram } from './pattern-program.ts';

/** Ways of one attempt that may be open at once, where a match has no upper length. */
const MAX_WAYS = 200;
/** Steps of one attempt, where it has one. */
const MAX_STEPS = 4096;
/** Situations that are looked at, of one attempt and of two. */
const MAX_SITUATIONS = 20_000;
const MAX_PAIRS = 200_000;

/** Why a pattern is too costly, and for what text. */
export class TooCostly extends Error {
  readonly why: 'many_ways' | 'many_attempts' | 'intricate';
  readonly text: string;
  constructor(why: TooCostly['why'], text: string) {
    super(why);
    this.why = why;
    this.text = text;
  }
}

export interface CostOptions {
  readonly flags: string;
  /** Whether a match has no upper length. */
  readonly endless: boolean;
  /** The atom whose repeat the pattern begins with, where only the first possible place of each run of it is tried. */
  readonly lead?: number | undefined;
  /** Default 4096. */
  readonly maxSteps?: number | undefined;
}

/** An attempt under way. */
interface Situation {
  readonly key: string;
  readonly ways: Ways;
  readonly before: Before;
  /** Whether the run of leading characters that the last one belongs to was tried. */
  readonly tried: boolean;
  /** A text that leads here. */
  readonly text: string;
}

type Answers = ReadonlyMap<number, boolean>;

/** @throws TooCostly */
export function checkCost(program: PatternProgram, options: CostOptions): void {
  // Ways that come after one that matches are never tried, as in `(a+)+`; but whoever adds to the pattern makes them be.
  const allWays = new Walk(program, options, false);
  if (!options.endless) return allWays.checkSteps(options.maxSteps ?? MAX_STEPS);
  allWays.situations();
  const walk = new Walk(program, options, true);
  walk.checkAttempts(walk.situations());
}

class Walk {
  readonly #program: PatternProgram;
  readonly #kinds: readonly CharacterKind[];
  readonly #multiline: boolean;
  readonly #asserts: boolean;
  readonly #lead: number | undefined;
  readonly #endsAtMatch: boolean;

  constructor(program: PatternProgram, { flags, lead }: CostOptions, endsAtMatch: boolean) {
    this.#program = program;
    this.#kinds = characterKinds(program.atoms, flags);
    this.#multiline = flags.includes('m');
    this.#asserts = program.instructions.some((each) => each.do === 'assert');
    this.#lead = lead;
    this.#endsAtMatch = endsAtMatch;
  }

  /** The steps of an attempt at one place, for the text that costs most, are no more than `most`. */
  checkSteps(most: number): void {
    const known = new Map<string, number>();
    const stepsFrom = (from: Situation): number => {
      const steps = known.get(from.key);
      if (steps !== undefined) return steps;
      if (known.size > MAX_SITUATIONS) throw new TooCostly('intricate', from.text);
      let costliest = 0;
      for (const next of this.#successors(from)) {
        const rest = next.ways.length > most ? 0 : stepsFrom(next);
        costliest = Math.max(costliest, next.ways.length + rest);
        if (costliest > most) throw new TooCostly('many_ways', next.text);
      }
      known.set(from.key, costliest);
      return costliest;
    };
    for (const first of this.#beginnings()) stepsFrom(first);
  }

  /** All situations of an attempt, by their keys, and the keys of those that follow each. */
  situations(): ReadonlyMap<string, { readonly at: Situation; readonly next: readonly string[] }> {
    const found = new Map<string, { readonly at: Situation; readonly next: readonly string[] }>();
    const open = [...this.#beginnings()];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (found.has(at.key)) continue;
      const next = this.#successors(at).toSorted((a, b) => a.ways.length - b.ways.length);
      found.set(at.key, { at, next: next.map(({ key }) => key) });
      if (found.size > MAX_SITUATIONS) throw new TooCostly('intricate', at.text);
      for (const each of next) {
        if (each.ways.length > MAX_WAYS) throw new TooCostly('many_ways', each.text);
        open.push(each);
      }
    }
    return found;
  }

  /** No text lets the number of attempts grow that are under way at once. */
  checkAttempts(found: ReturnType<Walk['situations']>): void {
    let pairs = 0;
    for (const older of recurring(found)) {
      if (older.tried) continue;
      const seen = new Set<string>();
      const open: { readonly older: Situation; readonly younger: Ways }[] = [{ older, younger: FIRST }];
      for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
        for (const next of this.#pairsAfter(pair)) {
          const key = `${next.older.key} ${next.younger.join()}`;
          if (seen.has(key)) continue;
          seen.add(key);
          if (++pairs > MAX_PAIRS) throw new TooCostly('intricate', next.older.text);
          if (next.older.key === older.key && next.younger.join() === older.ways.join())
            throw new TooCostly('many_attempts', next.older.text);
          open.push(next);
        }
      }
    }
  }

  *#beginnings(): Iterable<Situation> {
    for (const before of this.#asserts ? (['text', 'line', 'word', 'other'] as const) : (['other'] as const))
      yield situation(FIRST, before, false, '');
  }

  #successors(from: Situation): readonly Situation[] {
    return this.#branch((next, answers) => {
      const result = this.#advance(from.ways, from.before, next, answers);
      if (result === undefined) throw new TooCostly('many_ways', from.text + next.example);
      if ('ask' in result) return result;
      if (result.ways.length === 0) return undefined;
      const tried = from.ways === FIRST || (from.tried && !result.matched);
      return this.#after(from, result.ways, next, tried);
    });
  }

  /** Two attempts a character later, where both are still under way. */
  #pairsAfter({ older, younger }: { readonly older: Situation; readonly younger: Ways }) {
    return this.#branch((next, answers) => {
      const first = this.#advance(older.ways, older.before, next, answers);
      if (first === undefined || 'ask' in first) return first;
      // It ends here or later: none that began before is made, and one that begins here is not when this comes around again.
      if (first.matched || first.ways.length === 0) return undefined;
      const second = this.#advance(younger, older.before, next, answers);
      if (second === undefined || 'ask' in second) return second;
      if (second.ways.length === 0) return undefined;
      const tried = younger === FIRST || (older.tried && !second.matched);
      return { older: this.#after(older, first.ways, next, tried), younger: second.ways };
    });
  }

  #after(from: Situation, ways: Ways, next: CharacterKind, tried: boolean): Situation {
    const before = !this.#asserts ? 'other' : next.isWord ? 'word' : next.isLineBreak ? 'line' : 'other';
    const leads = this.#lead !== undefined && next.matchedBy[this.#lead] === true;
    return situation(ways, before, tried && leads, from.text + next.example);
  }

  #advance(
    ways: Ways,
    before: Before,
    next: CharacterKind,
    answers: Answers,
  ): Advance | { readonly ask: number } | undefined {
    return advance(this.#program, ways, {
      before,
      next,
      answers,
      multiline: this.#multiline,
      endsAtMatch: this.#endsAtMatch,
    });
  }

  /** What comes of each kind of character, and of each answer that lookarounds may give there. */
  #branch<T extends object>(
    ofNext: (next: CharacterKind, answers: Answers) => T | { readonly ask: number } | undefined,
  ): readonly T[] {
    const results: T[] = [];
    for (const next of this.#kinds) {
      const open: Answers[] = [new Map()];
      for (let answers = open.pop(); answers !== undefined; answers = open.pop()) {
        const result = ofNext(next, answers);
        if (result === undefined) continue;
        if ('ask' in result) for (const answer of [false, true]) open.push(new Map(answers).set(result.ask, answer));
        else results.push(result);
      }
    }
    return results;
  }
}

function situation(ways: Ways, before: Before, tried: boolean, text: string): Situation {
  return { key: `${ways.join()} ${before} ${tried}`, ways, before, tried, text };
}

/** Situations that a text can come back to, or that lie between such: what is left without dead ends and beginnings. */
function recurring(found: ReturnType<Walk['situations']>): readonly Situation[] {
  const next = new Map([...found].map(([key, each]) => [key, new Set(each.next)]));
  const before = new Map([...found.keys()].map((key) => [key, new Set<string>()]));
  for (const [key, followers] of next) for (const each of followers) before.get(each)?.add(key);
  const kept = new Set(found.keys());
  for (const [outward, inward] of [
    [next, before],
    [before, next],
  ] as const) {
    const ends = [...kept].filter((key) => outward.get(key)?.size === 0);
    for (let key = ends.pop(); key !== undefined; key = ends.pop()) {
      kept.delete(key);
      for (const neighbour of inward.get(key) ?? []) {
        outward.get(neighbour)?.delete(key);
        if (outward.get(neighbour)?.size === 0) ends.push(neighbour);
      }
      for (const neighbour of outward.get(key) ?? []) inward.get(neighbour)?.delete(key);
    }
  }
  return [...kept].map((key) => (found.get(key) as { readonly at: Situation }).at);
}
