/** @module Regular expressions as trees, for telling what they cost. */

/** One regular expression, or a part of one. Groups are gone; what they hold stands in their place. */
export type PatternNode =
  /** What matches one character: a literal, an escape, a class. `wide` where a range of it goes beyond Latin-1. */
  | { readonly kind: 'atom'; readonly source: string; readonly mentions: readonly number[]; readonly wide: boolean }
  | { readonly kind: 'assertion'; readonly of: '^' | '$' | '\\b' | '\\B' }
  | { readonly kind: 'look'; readonly source: string; readonly behind: boolean; readonly body: PatternNode }
  | { readonly kind: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly options: readonly PatternNode[] }
  | {
      readonly kind: 'repeat';
      readonly body: PatternNode;
      readonly min: number;
      readonly max: number;
      readonly lazy: boolean;
    };

/** What a pattern costs cannot be told. Its message is what the pattern does: 'refers back to what a group matched'. */
export class UnknownSyntax extends Error {}

const QUANTIFIER = /(?:[*+?]|\{\d+(?:,\d*)?\})\??/y;
const GROUP = /\((?:\?(?:[:=!]|<[=!]|<[^>]*>)|(?!\?))/y;
const UNICODE_ESCAPE =
  /\\(?:u\{[0-9a-fA-F]+\}|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|[pP]\{[^}]*\})/y;
const ESCAPE = /\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|c[A-Za-z]|[^])/y;
const CONTROLS: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12, 0: 0 };

/**
 * The tree of a regular expression that the runtime accepts. Of its flags `u` is looked at, which decides what a character
 * is.
 *
 * @throws UnknownSyntax
 * @see https://tc39.es/ecma262/#sec-patterns
 */
export function parsePattern({ source, unicode }: RegExp): PatternNode {
  let at = 0;

  const take = (syntax: RegExp): string | undefined => {
    syntax.lastIndex = at;
    const text = syntax.exec(source)?.[0];
    at += text?.length ?? 0;
    return text;
  };
  const takeCharacter = (): string => {
    const character = unicode ? String.fromCodePoint(source.codePointAt(at) as number) : source.charAt(at);
    at += character.length;
    return character;
  };
  const takeEscape = (): string => (unicode ? take(UNICODE_ESCAPE) : undefined) ?? (take(ESCAPE) as string);

  const choice = (): PatternNode => {
    const options = [sequence()];
    while (source[at] === '|') {
      at++;
      options.push(sequence());
    }
    return options.length === 1 ? (options[0] as PatternNode) : { kind: 'choice', options };
  };

  const sequence = (): PatternNode => {
    const parts: PatternNode[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') {
      const part = repeated(single());
      if (part.kind === 'sequence') parts.push(...part.parts);
      else parts.push(part);
    }
    return parts.length === 1 ? (parts[0] as PatternNode) : { kind: 'sequence', parts };
  };

  const repeated = (body: PatternNode): PatternNode => {
    const quantifier = take(QUANTIFIER);
    if (quantifier === undefined) return body;
    const lazy = quantifier.length > 1 && quantifier.endsWith('?');
    const [min, max] = bounds(lazy ? quantifier.slice(0, -1) : quantifier);
    return { kind: 'repeat', body, min, max, lazy };
  };

  const single = (): PatternNode => {
    switch (source[at]) {
      case '(':
        return group();
      case '[':
        return characterClass();
      case '\\':
        return escape();
      case '^':
      case '$':
        return { kind: 'assertion', of: source[at++] as '^' | '$' };
      case '.':
        at++;
        return { kind: 'atom', source: '.', mentions: [], wide: true };
      default: {
        const character = takeCharacter();
        // Legacy syntax takes these for themselves where they close nothing.
        const quoted = /[{}\]]/.test(character) ? `\\${character}` : character;
        return { kind: 'atom', source: quoted, ...plain(codeOf(character)) };
      }
    }
  };

  const group = (): PatternNode => {
    const begin = at;
    const opening = take(GROUP);
    if (opening === undefined) throw new UnknownSyntax('changes its flags within a group');
    const body = choice();
    at++;
    const isLook = /^\(\?<?[=!]$/.test(opening);
    return isLook ? { kind: 'look', source: source.slice(begin, at), behind: opening.includes('<'), body } : body;
  };

  const escape = (): PatternNode => {
    const text = takeEscape();
    if (text === '\\b' || text === '\\B') return { kind: 'assertion', of: text };
    if (/^\\[1-9k]/.test(text)) throw new UnknownSyntax('refers back to what a group matched');
    if (text === '\\0' && /\d/.test(source.charAt(at))) throw new UnknownSyntax('has an octal escape');
    return { kind: 'atom', source: text, ...meaningOf(text) };
  };

  const characterClass = (): PatternNode => {
    const begin = at++;
    const mentions: number[] = [];
    let wide = source[at] === '^';
    if (wide) at++;
    for (let afterHyphen = false; source[at] !== ']';) {
      const isHyphen = source[at] === '-';
      const member = source[at] === '\\' ? meaningOf(takeEscape(), true) : plain(codeOf(takeCharacter()));
      mentions.push(...member.mentions);
      // A hyphen that makes no range is taken for one that does: no harm.
      if (member.wide || (afterHyphen && member.mentions.some((code) => code > 0xff))) wide = true;
      afterHyphen = isHyphen;
    }
    at++;
    return { kind: 'atom', source: source.slice(begin, at), mentions, wide };
  };

  return choice();
}

/** Whether it may match the empty text, somewhere. */
export function matchesNothing(node: PatternNode): boolean {
  switch (node.kind) {
    case 'atom':
      return false;
    case 'assertion':
    case 'look':
      return true;
    case 'sequence':
      return node.parts.every(matchesNothing);
    case 'choice':
      return node.options.some(matchesNothing);
    case 'repeat':
      return node.min === 0 || matchesNothing(node.body);
  }
}

/** Characters that it matches at most. */
export function longestMatch(node: PatternNode): number {
  switch (node.kind) {
    case 'atom':
      return 1;
    case 'assertion':
    case 'look':
      return 0;
    case 'sequence':
      return node.parts.reduce((sum, part) => sum + longestMatch(part), 0);
    case 'choice':
      return Math.max(...node.options.map(longestMatch));
    case 'repeat': {
      const body = longestMatch(node.body);
      return body === 0 ? 0 : body * node.max;
    }
  }
}

function bounds(quantifier: string): readonly [number, number] {
  if (quantifier === '*') return [0, Infinity];
  if (quantifier === '+') return [1, Infinity];
  if (quantifier === '?') return [0, 1];
  const [min, max = min] = quantifier.slice(1, -1).split(',') as [string, string?];
  return [Number(min), max === '' ? Infinity : Number(max)];
}

/** The characters that an atom speaks of, and whether it has a range beyond Latin-1. */
interface Meaning {
  readonly mentions: readonly number[];
  readonly wide: boolean;
}

function plain(code: number): Meaning {
  return { mentions: [code], wide: false };
}

function meaningOf(escape: string, inClass = false): Meaning {
  const rest = escape.slice(1);
  const letter = rest.charAt(0);
  if (/^[pPDSW]/.test(rest)) return { mentions: [], wide: true };
  if (/^[dsw]/.test(rest)) return { mentions: [], wide: false };
  if (rest.length === 1) return plain(inClass && letter === 'b' ? 8 : (CONTROLS[letter] ?? codeOf(letter)));
  if (letter === 'c') return plain(codeOf(rest.charAt(1)) % 32);
  const units = rest.split('\\').map((each) => Number.parseInt(each.replace(/[ux{}]/g, ''), 16));
  return plain(units.length === 1 ? (units[0] as number) : codeOf(String.fromCharCode(...units)));
}

function codeOf(character: string): number {
  return character.codePointAt(0) as number;
}
