/** @module Which regular expressions are safe to run over texts that anybody may have written. */

import { checkCost, TooCostly } from './pattern-cost.ts';
import { programOf } from './pattern-program.ts';
import type { Look } from './pattern-program.ts';
import { longestMatch, matchesNothing, parsePattern, UnknownSyntax } from './pattern-syntax.ts';
import type { PatternNode } from './pattern-syntax.ts';

/** How a pattern begins that repeats one atom without end, after what only looks: each run of the atom is tried once. */
export interface PatternLead {
  readonly atom: string;
  /** What must hold where it begins: assertions, or ''. */
  readonly condition: string;
}

/** Whether a pattern may be used: how it begins, if that matters for searching, or why it may not. */
export type PatternVerdict = { readonly lead: PatternLead | undefined } | { readonly refused: string };

/** Steps that a lookaround may take. */
const MAX_LOOK_STEPS = 256;

/**
 * Refuses what could take more than a fixed number of steps for each character of a text, whatever the text: nested repeats,
 * repeats one after another that may take the same characters, and what begins at many places and runs on from all of them,
 * as `<[^>]*>` does through a text of '<'. `\s+$` is accepted, since only the beginning of each run of spaces is tried.
 * Refused as well is what cannot be told (back references), and what matches the empty text.
 */
export function judgePattern(pattern: RegExp): PatternVerdict {
  try {
    const tree = parsePattern(pattern);
    if (matchesNothing(tree)) return { refused: 'It matches the empty text, which is everywhere.' };
    return { lead: checkTree(tree, pattern.flags) };
  } catch (error) {
    if (error instanceof UnknownSyntax) return { refused: `It ${error.message}, so what it costs cannot be told.` };
    if (error instanceof TooCostly) return { refused: describe(error) };
    throw error;
  }
}

function checkTree(tree: PatternNode, flags: string): PatternLead | undefined {
  const program = programOf(tree);
  for (const look of program.looks) checkLook(look, flags);
  const endless = longestMatch(tree) === Infinity;
  const lead = endless ? leadOf(tree) : undefined;
  const atom = lead && program.atoms.findIndex(({ source }) => source === lead.atom);
  checkCost(program, { flags, endless, lead: atom });
  return lead;
}

function checkLook({ body, behind, source }: Look, flags: string): void {
  if (longestMatch(body) === Infinity) throw new UnknownSyntax(`looks without end in ${source}`);
  const program = programOf(body, behind);
  for (const look of program.looks) checkLook(look, flags);
  checkCost(program, { flags, endless: false, maxSteps: MAX_LOOK_STEPS });
}

/**
 * Where a run's first possible place does not match, none after it does: from there the repeat could have gone on to where
 * that one goes on.
 */
function leadOf(tree: PatternNode, condition = ''): PatternLead | undefined {
  if (tree.kind === 'repeat') {
    if (tree.min === 0) return undefined;
    if (tree.body.kind !== 'atom') return leadOf(tree.body, condition);
    return tree.max === Infinity ? { atom: tree.body.source, condition } : undefined;
  }
  if (tree.kind !== 'sequence') return undefined;
  const first = tree.parts.findIndex(({ kind }) => kind !== 'assertion' && kind !== 'look');
  const conditions = tree.parts
    .slice(0, first)
    .map((part) => (part.kind === 'look' ? part.source : (part as { readonly of: string }).of));
  return leadOf(tree.parts[first] as PatternNode, condition + conditions.join(''));
}

function describe({ why, text }: TooCostly): string {
  const example = JSON.stringify(text.length > 24 ? `${text.slice(0, 24)}…` : text);
  switch (why) {
    case 'many_ways':
      return `There are too many ways in which it can match a text such as ${example}. Let no two of its repeats take the same characters, one inside or after the other.`;
    case 'many_attempts':
      return `In a text such as ${example} it begins again and again and runs on from each beginning. Give its repeats a maximum, as in {1,64}, or let them exclude what it begins with.`;
    case 'intricate':
      return `It is too intricate to tell what it costs in a text such as ${example}. Make it several simpler ones.`;
  }
}
