import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgePattern } from '../../src/privacy/pattern-check.ts';
import { TextPattern } from '../../src/privacy/text-pattern.ts';
import type { TextRange } from '../../src/privacy/text-pattern.ts';
import { countSteps } from '../helpers/counting-matcher.ts';

const judge = (source: string, flags = 'u') => judgePattern(new RegExp(source, flags));
const refusalOf = (source: string, flags?: string): string | undefined => {
  const verdict = judge(source, flags);
  return 'refused' in verdict ? verdict.refused : undefined;
};

describe('patterns that can blow up are refused', () => {
  test.each([
    // Exponential, as in collections of such patterns (OWASP, safe-regex, rxxr2, the outage of Stack Exchange's kind).
    '(a+)+',
    '(a+)+$',
    '(a*)*b',
    '(a|a)*b',
    '(a|aa)+',
    '(a|aa)+$',
    '(a|a?)+b',
    '(?:.|a)*$x',
    '(x+x+)+y',
    '(\\w+\\s?)+$',
    '(\\w+)*=',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    '^(\\w+\\s*)*:$',
    '^([a-zA-Z0-9])(([\\-.]|[_]+)?([a-zA-Z0-9]+))*(@)',
    '(?:(?:x?|y?)a)*b',
    '([ab]*|[bc]*)*d',
    '(?:(?:a*)b?)+c',
    '(a+?)+?$',
    '(?:\\s|&nbsp;|\\u00a0)*,',
    // Polynomial of a high degree, or bounded but far too much.
    '(.*a){20}',
    '^(?:.*,){11}P',
    '(?:a?){30}a{30}',
    '(?:a{1,30}){1,30}b',
    '(a|aa){1,40}b',
    '(?:a?|b?){30}c',
    '(?:(?:(?:a{1,4}){1,4}){1,4}){1,4}b',
  ])('%s', (source) => expect(refusalOf(source)).toContain('too many ways'));

  test.each(['\\d+\\d+x', 'a.*b.*c', '.*.*=.*', '\\w+\\d+!', '\\s+\\n\\s+;', '(?:foo|f)[^]*o+x'])(
    'quadratic within one attempt: %s',
    (source) => expect(refusalOf(source)).toContain('too many ways'),
  );

  test.each([
    '<[^>]*>',
    'name:.*;',
    '\\s*,',
    '(?:[a-z]+\\.)+com',
    'x*y',
    'a[ab]*c|a',
    '(?:foo|\\w+)@',
    '\\bfoo[^]*bar',
  ])('quadratic because it begins at many places and runs on: %s', (source) =>
    expect(refusalOf(source)).toContain('begins again and again'),
  );

  test.each([
    ['(.)\\1+', 'refers back'],
    ['(?<quote>["\'])x+\\k<quote>', 'refers back'],
    ['(?=.*\\d)x', 'looks without end'],
    ['(?<=a+)b', 'looks without end'],
    ['.{0,3000}x.{0,3000}y', 'too long'],
    ['a{5000}', 'too long'],
    ['(?=(?:a|a){20}b)c', 'too many ways'],
    ['(?<=(?:a|a){20}b)c', 'too many ways'],
  ])('%s: it %s', (source, why) => expect(refusalOf(source)).toContain(why));

  test.each([
    '',
    'a*',
    '(?:)',
    '\\b',
    '^',
    '$',
    'a?|b',
    '(?=a)',
    '(?<!a)',
    '\\b\\w*\\b',
    '(?:a*)+',
    'a{0}',
    '(a*)*',
    '|',
  ])('the empty text is matched by %j', (source) => expect(refusalOf(source)).toContain('empty text'));
});

describe('patterns that cannot are accepted', () => {
  test.each([
    'secret',
    '.',
    '\\d+',
    '\\d{16}',
    '[A-Z]{2}\\d{6}',
    '\\bEMP-\\d{6}\\b',
    '\\b\\d{3}-\\d{2}-\\d{4}\\b',
    '(?!000|666|9\\d\\d)\\d{3}-(?!00)\\d{2}-(?!0000)\\d{4}',
    '[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}',
    '\\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Z|a-z]{2,}\\b',
    '[\\w.]{1,64}@[\\w-]{1,63}(?:\\.[\\w-]{1,63}){1,8}',
    '[\\w.]{1,64}@[\\w.]+',
    '\\b(?:\\d[ -]*?){13,16}\\b',
    '(?:\\d{4}[ -]?){3}\\d{4}',
    '(?:\\d{1,3}[ -]?){4}',
    '\\b(?:(?:25[0-5]|2[0-4]\\d|[01]?\\d\\d?)\\.){3}(?:25[0-5]|2[0-4]\\d|[01]?\\d\\d?)\\b',
    '(\\+\\d{1,2}\\s?)?\\(?\\d{3}\\)?[\\s.\\-]?\\d{3}[\\s.\\-]?\\d{4}',
    '[A-Z]{2}\\d{2}(?: ?[A-Z0-9]){11,30}',
    'password=\\S+',
    '\\bpassword=\\S+\\b',
    '(?<=password=)\\S+',
    '(?<=pin: {0,3})\\d+',
    '\\w+(?=@)',
    '"password"\\s*:\\s*"[^"]*"',
    '".*?"',
    '"[^"]*"',
    'Bearer\\s+\\S+',
    'https?://[^\\s/]+/\\S*',
    '[-+]?\\d+(?:\\.\\d+)?',
    '\\$?\\d+(?:,\\d{3})*(?:\\.\\d{2})?',
    '(?:\\d+-)+\\d+',
    '[a-f0-9]{32,}',
    'sk-[A-Za-z0-9_-]{20,}',
    '[\\p{L}\\p{M}]+',
    '[^\\x00-\\x7f]+',
    '[а-яё]+\\s[А-ЯЁ]',
    '(?:Smith|Sanders|Stone|Sato)\\w*',
    '.{0,1000}foo',
    'a{0}b',
  ])('%s', (source) => expect(refusalOf(source)).toBeUndefined());

  test('trailing spaces are quadratic only where a matcher tries each of them', () => {
    expect(judge('\\s+$')).toEqual({ lead: { atom: '\\s', condition: '' } });
    const text = `${' '.repeat(1000)}x`;
    expect(countSteps(/\s+$/u, text)).toBeGreaterThan(500_000);
    expect(countSteps(/\s+$/u, text, (at) => at === 0)).toBe(1000);
  });

  test('a repeat at the beginning is found behind assertions and within repeats', () => {
    expect(judge('\\b(?:(?<![x])[a-z]+-)+[a-z]+')).toEqual({ lead: { atom: '[a-z]', condition: '\\b(?<![x])' } });
    expect(judge('a{3,}b')).toEqual({ lead: { atom: 'a', condition: '' } });
    expect(judge('a{3,9}b')).toEqual({ lead: undefined });
  });
});

describe('what a pattern means is read as the runtime reads it', () => {
  test('flags decide what overlaps', () => {
    expect(refusalOf('(?:a|A)*b', 'u')).not.toContain('too many ways');
    expect(refusalOf('(?:a|A)*b', 'iu')).toContain('too many ways');
    expect(refusalOf('(?:.|\\n)*b', 'u')).not.toContain('too many ways');
    expect(refusalOf('(?:.|\\n)*b', 'su')).toContain('too many ways');
    expect(refusalOf('(?:\\w|ſ)*b', 'u')).not.toContain('too many ways');
    expect(refusalOf('(?:\\w|ſ)*b', 'iu')).toContain('too many ways');
    expect(refusalOf('(?:^a+)+x', 'u')).toBeUndefined();
  });

  test.each([
    ['\\x61', 'a'],
    ['\\u0061', 'a'],
    ['\\u{61}', 'a'],
    ['\\ud83d\\udca5', '💥'],
    ['\\u{1f4a5}', '[\\u{1f400}-\\u{1f4ff}]'],
    ['\\cJ', '\\n'],
    ['\\t', '[\\s]'],
    ['\\p{L}', '[a-z]'],
    ['\\p{Lu}', '[α-ω]'],
    ['[^a]', 'ж'],
    ['[\\b]', '\\x08'],
    ['[\\]]', '\\]'],
    ['[a\\-z]', '-'],
    ['[中-文]', '[丰-丽]'],
    ['\\/', '[/]'],
    ['\\0', '[\\x00-\\x1f]'],
  ])('%s and %s overlap', (one, other) => expect(refusalOf(`(?:${one}|${other})*!`)).toContain('too many ways'));

  test.each([
    ['[a-f]', '[g-z]'],
    ['\\d', '\\D'],
    ['💥', '💦'],
    ['ж', '[^ж]'],
    ['[[]', '\\]'],
    ['\\s', '\\S'],
  ])('%s and %s do not', (one, other) => expect(refusalOf(`!(?:${one}|${other})*`)).toBeUndefined());

  test.each([
    ['a{', 'a'],
    ['a{,3}', 'a'],
    ['a]b', 'a'],
    ['[^]', 'a'],
    ['\\-', '-'],
    ['\\u{61}', 'u'],
  ])('without the flag u, %s is read as it was before it', (source) => {
    expect(refusalOf(source, '')).toBeUndefined();
  });

  test('without the flag u a character beyond the BMP is two', () => {
    expect(refusalOf('(?:[💥]|\\udca5)+!', '')).toContain('too many ways');
    expect(refusalOf('!(?:[💥]|\\udca5)+', 'u')).toBeUndefined();
  });

  test('what cannot be read is refused, not guessed', () => {
    expect(refusalOf('\\012', '')).toContain('octal');
    expect(refusalOf('(a)\\2', '')).toContain('refers back');
  });
});

/** Patterns over a and b, of everything that the matcher that counts knows. */
const pattern: fc.Arbitrary<string> = fc.letrec<{ part: string; whole: string }>((tie) => ({
  part: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('a', 'b', '[ab]', '.', '-', '\\b', '[^a]'),
    fc
      .tuple(tie('whole'), fc.constantFrom('', '*', '+', '?', '+?', '*?', '{2}', '{0,3}', '{2,}', '{1,3}?'))
      .map(([whole, quantifier]) => `(?:${whole})${quantifier}`),
    fc
      .tuple(fc.constantFrom('a', 'b', '[ab]', '.'), fc.constantFrom('*', '+', '+?', '{2,}', '{0,4}'))
      .map((each) => each.join('')),
  ),
  whole: fc.oneof(
    { maxDepth: 4 },
    tie('part'),
    fc.array(tie('part'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
    fc.array(tie('part'), { minLength: 2, maxLength: 3 }).map((parts) => parts.join('|')),
  ),
})).whole;

const word = fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 4 });
const pumped = fc.string({ unit: fc.constantFrom('a', 'b', '-'), minLength: 1, maxLength: 3 });

/** Places where an attempt is made, where only the first possible one of each run is; a condition is `\b` or nothing. */
function placesOf(lead: { readonly atom: string; readonly condition: string } | undefined, text: string) {
  if (lead === undefined) return undefined;
  const leads = new RegExp(`^${lead.atom}$`, 'u');
  let [tried, before] = [-1, 0];
  return (at: number, lastEnd: number): boolean => {
    if (lastEnd > before) [tried, before] = [-1, lastEnd];
    if (!leads.test(text.charAt(at))) return false;
    const condition = new RegExp(lead.condition, 'uy');
    condition.lastIndex = at;
    if (!condition.test(text)) return false;
    const sameRun = tried >= 0 && Array.from(text.slice(tried, at)).every((each) => leads.test(each));
    if (sameRun) return false;
    tried = at;
    return true;
  };
}

test('what is accepted takes steps in proportion to the text, whatever the text', () => {
  fc.assert(
    fc.property(pattern, word, pumped, word, (source, before, again, after) => {
      const verdict = judge(source);
      if ('refused' in verdict) return;
      const steps = [60, 120, 240].map((times) => {
        const text = before + again.repeat(times) + after;
        return countSteps(new RegExp(source, 'u'), text, placesOf(verdict.lead, text));
      }) as [number, number, number];
      expect(steps[2] - steps[1], `${source} ${steps.join()}`).toBeLessThanOrEqual(3 * (steps[1] - steps[0]) + 2500);
    }),
    { numRuns: 1000 },
  );
});

test('trying only the first possible place of each run finds what trying all finds', () => {
  const led = fc
    .tuple(
      fc.constantFrom('', '\\b', '(?<!b)'),
      fc.constantFrom('a', '[ab]', '[a-]'),
      fc.constantFrom('+', '+?', '{2,}'),
      pattern,
    )
    .map((parts) => parts.join(''));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 24 });
  let searched = 0;
  fc.assert(
    fc.property(led, text, (source, given) => {
      const verdict = judge(source);
      if ('refused' in verdict || verdict.lead === undefined) return;
      searched++;
      const found: TextRange[] = [];
      new TextPattern(new RegExp(source, 'u'), verdict).some(given, (range) => (found.push(range), false));
      const all = [...given.matchAll(new RegExp(source, 'gu'))].map(({ index, 0: { length } }) => ({
        start: index,
        end: index + length,
      }));
      expect(found).toEqual(all);
    }),
    { numRuns: 500 },
  );
  expect(searched).toBeGreaterThan(50);
});
