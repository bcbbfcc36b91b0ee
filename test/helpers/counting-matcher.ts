/** A backtracking matcher that counts its steps: what a regular expression costs, without a clock. */

import { parsePattern } from '../../src/privacy/pattern-syntax.ts';
import type { PatternNode } from '../../src/privacy/pattern-syntax.ts';

type Continue = (at: number) => boolean;

/** Steps are counted up to here. */
const MAX_STEPS = 3_000_000;

/** Characters taken while looking for all matches; `begins` says at which places an attempt is made. */
export function countSteps(
  regexp: RegExp,
  text: string,
  begins: (at: number, lastEnd: number) => boolean = () => true,
): number {
  const tree = parsePattern(regexp);
  const flags = regexp.flags.replace(/[gy]/g, '');
  const testers = new Map<string, RegExp>();
  let steps = 0;

  const matchesAtom = (source: string, character: string): boolean => {
    let tester = testers.get(source);
    if (tester === undefined) testers.set(source, (tester = new RegExp(`^(?:${source})$`, flags)));
    return tester.test(character);
  };
  const isWord = (at: number): boolean => /\w/.test(text.charAt(at));
  const holds = (of: string, at: number): boolean => {
    if (of === '^') return at === 0;
    if (of === '$') return at === text.length;
    return (isWord(at - 1) !== isWord(at)) === (of === '\\b');
  };

  const match = (node: PatternNode, at: number, then: Continue): boolean => {
    if (steps > MAX_STEPS) return true;
    switch (node.kind) {
      case 'atom':
        if (at === text.length || !matchesAtom(node.source, text.charAt(at))) return false;
        steps++;
        return then(at + 1);
      case 'assertion':
        return holds(node.of, at) && then(at);
      case 'look':
        throw new Error('Lookarounds are not counted.');
      case 'sequence': {
        const from = (i: number, place: number): boolean => {
          const part = node.parts[i];
          return part === undefined ? then(place) : match(part, place, (next) => from(i + 1, next));
        };
        return from(0, at);
      }
      case 'choice':
        return node.options.some((option) => match(option, at, then));
      case 'repeat': {
        const { body, min, max, lazy } = node;
        const from = (count: number, place: number): boolean => {
          const once = (): boolean =>
            count < max && match(body, place, (next) => (next > place || count < min) && from(count + 1, next));
          if (count < min) return once();
          return lazy ? then(place) || once() : once() || then(place);
        };
        return from(0, at);
      }
    }
  };

  for (let at = 0, lastEnd = 0; at <= text.length; at++) {
    if (steps > MAX_STEPS) return steps;
    if (!begins(at, lastEnd)) continue;
    let end = at;
    if (match(tree, at, (place) => ((end = place), true)) && end > at) {
      lastEnd = end;
      at = end - 1;
    }
  }
  return steps;
}
