/** @module A pattern, ready to be looked for in texts. */

import { ConfigError } from '../errors.ts';
import { judgePattern } from './pattern-check.ts';
import type { PatternVerdict } from './pattern-check.ts';

/** From where to where, in UTF-16 code units; the end is not included. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** What of a match is meant; undefined where nothing is. */
export type Refine = (match: string, text: string, start: number) => TextRange | undefined;

/** Flags that say how to search, not what to look for. */
const SEARCH_FLAGS = /[gyd]/g;

/** A regular expression that was found to be safe. */
export class TextPattern {
  readonly #regexp: RegExp;
  readonly #refine: Refine | undefined;
  /** Runs of the characters that the pattern begins with a repeat of: of each only the first possible place is tried. */
  readonly #runs: RegExp | undefined;
  readonly #condition: RegExp | undefined;

  constructor(regexp: RegExp, verdict: Exclude<PatternVerdict, { readonly refused: string }>, refine?: Refine) {
    const flags = regexp.flags.replace(SEARCH_FLAGS, '');
    const { lead } = verdict;
    this.#regexp = new RegExp(regexp.source, `${flags}${lead === undefined ? 'g' : 'y'}`);
    this.#refine = refine;
    if (lead === undefined) return;
    this.#runs = new RegExp(`(?:${lead.atom})+`, `${flags}g`);
    if (lead.condition !== '') this.#condition = new RegExp(lead.condition, `${flags}g`);
  }

  /** Calls `found` for each match, from left to right, none within another, until it returns true. Whether it did. */
  some(text: string, found: (range: TextRange) => boolean): boolean {
    return this.#runs === undefined ? this.#search(text, found) : this.#searchRuns(this.#runs, text, found);
  }

  #search(text: string, found: (range: TextRange) => boolean): boolean {
    const regexp = this.#regexp;
    regexp.lastIndex = 0;
    for (let match = regexp.exec(text); match !== null; match = regexp.exec(text)) {
      const range = this.#rangeOf(match, text);
      if (range === undefined) regexp.lastIndex = match.index + widthAt(text, match.index);
      else if (found(range)) return true;
      else regexp.lastIndex = range.end;
    }
    return false;
  }

  #searchRuns(runs: RegExp, text: string, found: (range: TextRange) => boolean): boolean {
    const regexp = this.#regexp;
    const places = this.#places(text);
    let end = 0;
    runs.lastIndex = 0;
    for (let run = runs.exec(text); run !== null; run = runs.exec(text)) {
      const runEnd = run.index + run[0].length;
      for (let place = places(Math.max(run.index, end)); place < runEnd; place = places(end)) {
        regexp.lastIndex = place;
        const match = regexp.exec(text);
        if (match === null) break;
        const range = this.#rangeOf(match, text);
        if (range === undefined) break;
        if (found(range)) return true;
        ({ end } = range);
      }
    }
    return false;
  }

  /** The first place from one on, each no smaller than the one before, where the pattern may begin; Infinity: nowhere. */
  #places(text: string): (from: number) => number {
    const condition = this.#condition;
    if (condition === undefined) return (from) => from;
    let next = -1;
    return (from) => {
      if (next < from) {
        condition.lastIndex = from;
        next = condition.exec(text)?.index ?? Infinity;
      }
      return next;
    };
  }

  #rangeOf(match: RegExpExecArray, text: string): TextRange | undefined {
    const { index: start } = match;
    if (this.#refine === undefined) return { start, end: start + match[0].length };
    return this.#refine(match[0], text, start);
  }
}

/**
 * A pattern to look for. A string is read with the flag `u`, and may begin with other flags as in `(?i)`.
 * @throws ConfigError naming the field, where it is no regular expression, or one that is not safe.
 */
export function compilePattern(pattern: string | RegExp, field: string): TextPattern {
  const regexp = typeof pattern === 'string' ? fromString(pattern, field) : pattern;
  if (regexp.flags.includes('v'))
    throw new ConfigError(field, `The pattern ${regexp} has the flag v. Write it with the flag u.`);
  const verdict = judgePattern(regexp);
  if ('refused' in verdict) throw new ConfigError(field, `The pattern ${regexp} is refused. ${verdict.refused}`);
  return new TextPattern(regexp, verdict);
}

function fromString(pattern: string, field: string): RegExp {
  const [prefix = '', flags = ''] = /^\(\?([ims]+)\)/.exec(pattern) ?? [];
  try {
    return new RegExp(pattern.slice(prefix.length), `${flags}u`);
  } catch (cause) {
    throw new ConfigError(
      field,
      `${JSON.stringify(pattern)} is no regular expression of JavaScript with the flag u: ${(cause as Error).message}`,
      { cause },
    );
  }
}

function widthAt(text: string, index: number): number {
  return (text.codePointAt(index) as number) > 0xffff ? 2 : 1;
}
