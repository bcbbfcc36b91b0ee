/** @module The kinds of characters that a regular expression tells apart. */

import type { Atom } from './pattern-program.ts';

/** Characters that the same atoms match. */
export interface CharacterKind {
  /** One of them. */
  readonly example: string;
  /** By the atom's number. */
  readonly matchedBy: readonly boolean[];
  readonly isWord: boolean;
  readonly isLineBreak: boolean;
}

/** For messages, what can be read comes first. */
const LATIN1 = [
  ...'a1A- !"#$%&\'()*+,./:;<=>?@[\\]^_`{|}~',
  ...Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)),
];
/** What classes and the comparison of letters without regard to case treat apart beyond Latin-1. */
const BEYOND = [0x17f, 0x212a, 0x2028, 0x2029, 0x2003, 0x3000, 0xfeff, 0x3a9, 0x416, 0x4e2d, 0x660, 0xd800, 0x1f4a5];
/** Stands for all other characters; each atom that has a range among them is taken to match it. */
const OTHER = '\u{10fffd}';

/**
 * The kinds, of characters that stand for all: Latin-1, each that the atoms name and its neighbours, and one that stands for
 * the rest. Ranges beyond Latin-1 are taken to overlap, so what is told apart is never more than the matcher does.
 */
export function characterKinds(atoms: readonly Atom[], flags: string): readonly CharacterKind[] {
  const kept = flags.replace(/[^isu]/g, '');
  const testers = atoms.map(({ source }) => new RegExp(`^(?:${source})$`, kept));
  const word = new RegExp('^\\w$', kept);
  const named = atoms.flatMap(({ mentions }) => mentions.flatMap((code) => [code - 1, code, code + 1]));
  const codes = [...named, ...BEYOND].filter((code) => code >= 0 && code <= (kept.includes('u') ? 0x10ffff : 0xffff));

  const kinds = new Map<string, CharacterKind>();
  const add = (kind: CharacterKind): void => {
    const signature = [...kind.matchedBy, kind.isWord, kind.isLineBreak].map(Number).join('');
    if (!kinds.has(signature)) kinds.set(signature, kind);
  };
  for (const example of [...LATIN1, ...codes.map((code) => String.fromCodePoint(code))]) {
    add({
      example,
      matchedBy: testers.map((tester) => tester.test(example)),
      isWord: word.test(example),
      isLineBreak: /^[\n\r\u2028\u2029]$/.test(example),
    });
  }
  add({ example: OTHER, matchedBy: atoms.map(({ wide }) => wide), isWord: false, isLineBreak: false });
  return [...kinds.values()];
}
