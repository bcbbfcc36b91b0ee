import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { InputRedactor } from '../../src/privacy/input-redactor.ts';
import type { InputRedactorOptions } from '../../src/privacy/input-redactor.ts';
import { isPortable } from '../../src/portable.ts';
import type { Portable } from '../../src/portable.ts';
import { Tensor } from '../../src/tensor.ts';
import { portable } from '../helpers/arbitraries.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
const redactor = (options: InputRedactorOptions): InputRedactor => new InputRedactor(options);
const digits = redactor({ patterns: ['\\d+'], replacement: '#' });

function errorOf(options: InputRedactorOptions): ConfigError {
  try {
    redactor(options);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error as ConfigError;
  }
  throw new Error('Nothing was thrown.');
}

describe('strings', () => {
  test('each match is replaced, by [REDACTED] unless something else is named', () => {
    const ssn = redactor({ patterns: ['\\b\\d{3}-\\d{2}-\\d{4}\\b'] });
    expect(ssn.redact('123-45-6789 and 987-65-4321.')).toBe('[REDACTED] and [REDACTED].');
    expect(ssn.redact('123-45-678')).toBe('123-45-678');
    expect(ssn.replacement).toBe('[REDACTED]');
    expect(redactor({ patterns: ['b'], replacement: '' }).redact('abc')).toBe('ac');
  });

  test('a redactor without patterns changes nothing', () => {
    const none = redactor({});
    const value = { a: ['x', bytes(1)] };
    expect(none.redact(value)).toBe(value);
    expect(none.matches(value)).toBe(false);
  });

  test('the replacement is text, not a template', () => {
    expect(redactor({ patterns: ['(b)(c)'], replacement: '$1$&$$' }).redact('abcd')).toBe('a$1$&$$d');
  });

  test('matches that overlap or touch are one, whichever patterns they are of', () => {
    const both = redactor({ patterns: ['abc', 'cde', '\\d'], replacement: '#' });
    expect(both.redact('xabcdex')).toBe('x#x');
    expect(both.redact('abcabc12 3')).toBe('# #');
    expect(redactor({ patterns: ['b', 'abcd'], replacement: '#' }).redact('abcde')).toBe('#e');
  });

  test('a pattern that matches the replacement does not go on for ever, and redacting twice changes nothing more', () => {
    const words = redactor({ patterns: ['[A-Za-z]+'] });
    const once = words.redact('my name: x9');
    expect(once).toBe('[REDACTED] [REDACTED]: [REDACTED]9');
    expect(words.redact(once)).toBe(once);
    expect(words.matches(once)).toBe(false);
    expect(words.redact('[REDACTED]x')).toBe('[REDACTED][REDACTED]');
    expect(redactor({ patterns: ['\\[?\\w+\\]?'] }).redact('[REDACTED] a')).toBe('[REDACTED] [REDACTED]');
    // What only looks alike is no replacement.
    expect(words.redact('REDACTED')).toBe('[REDACTED]');
  });

  test('a regular expression keeps no state, and its own is left alone', () => {
    for (const flags of ['g', 'y', 'gy', 'd', 'gu']) {
      const given = new RegExp('ab', flags);
      given.lastIndex = 3;
      const own = redactor({ patterns: [given], replacement: '#' });
      for (let i = 0; i < 3; i++) {
        expect(own.matches('xxab')).toBe(true);
        expect(own.redact('xxabxab')).toBe('xx#x#');
      }
      expect(given.lastIndex).toBe(3);
    }
  });

  test('flags count: of a RegExp, or in front of a string', () => {
    expect(redactor({ patterns: [/secret/i], replacement: '#' }).redact('SeCrEt')).toBe('#');
    expect(redactor({ patterns: ['(?i)secret'], replacement: '#' }).redact('SeCrEt')).toBe('#');
    expect(redactor({ patterns: ['(?ms)^x.y$'], replacement: '#' }).redact('a\nx\ny\nb')).toBe('a\n#\nb');
    expect(redactor({ patterns: ['secret'], replacement: '#' }).redact('SeCrEt')).toBe('SeCrEt');
  });

  test('characters beyond the BMP are never halved', () => {
    expect(redactor({ patterns: ['.'], replacement: '#' }).redact('💥💥')).toBe('#');
    expect(redactor({ patterns: ['[^a]b'], replacement: '#' }).redact('a💥b')).toBe('a#');
    expect(redactor({ patterns: ['💥'], replacement: '#' }).redact('x💥y💦')).toBe('x#y💦');
    // Without the flag u a dot is half of one.
    expect(redactor({ patterns: [/.b/], replacement: '#' }).redact('a💥b')).toBe('a#');
    expect(redactor({ patterns: [/a./], replacement: '#' }).redact('a💥b')).toBe('#b');
    expect(redactor({ patterns: ['\\p{Lu}'], replacement: '#' }).redact('Ünder 𝐀')).toBe('#nder #');
  });
});

describe('bytes', () => {
  test('are matched as UTF-8 and stay what they were around it', () => {
    expect(digits.redact(utf8('ä12💥3é'))).toEqual(utf8('ä#💥#é'));
    expect(redactor({ patterns: ['ä💥'], replacement: '€' }).redact(utf8('xä💥y'))).toEqual(utf8('x€y'));
    expect(digits.matches(utf8('ä1'))).toBe(true);
    expect(digits.matches(utf8('ä'))).toBe(false);
  });

  test('those that are no text are left as they are, at the beginning, within and at the end', () => {
    const junk = [
      bytes(0xff),
      bytes(0xc3),
      bytes(0x80, 0xbf),
      bytes(0xe2, 0x82),
      bytes(0xf0, 0x9f, 0x92),
      bytes(0xed, 0xa0, 0x80),
    ];
    for (const each of [...junk, bytes(0xc0, 0xaf), bytes(0xf4, 0x90, 0x80, 0x80), bytes(0xf8, 0x88)]) {
      expect(digits.redact(concat(each, utf8('é12'), each, utf8('3💥'), each))).toEqual(
        concat(each, utf8('é#'), each, utf8('#💥'), each),
      );
      expect(digits.redact(each)).toBe(each);
      expect(redactor({ patterns: ['[^]'] }).matches(each)).toBe(false);
    }
  });

  test('a match that runs over bytes that are no text is replaced around them', () => {
    const all = redactor({ patterns: ['\\S+'], replacement: '#' });
    expect(all.redact(concat(utf8('a💥'), bytes(0xff, 0xfe), utf8('b c')))).toEqual(
      concat(utf8('#'), bytes(0xff, 0xfe), utf8('# #')),
    );
  });

  test('a byte order mark is text like any other', () => {
    expect(digits.redact(concat(bytes(0xef, 0xbb, 0xbf), utf8('1')))).toEqual(
      concat(bytes(0xef, 0xbb, 0xbf), utf8('#')),
    );
  });

  test('a Node Buffer and a part of a larger buffer are bytes as well', () => {
    const whole = Buffer.from('x12y');
    expect(digits.redact(whole.subarray(1))).toEqual(utf8('#y'));
    expect(whole.toString()).toBe('x12y');
  });

  test('whatever the bytes: those that are no text stay, in order', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (given) => {
        const before = given.slice();
        const result = digits.redact(given);
        expect(given).toEqual(before);
        const withoutDigits = (each: Uint8Array): number[] => [...each].filter((byte) => byte < 0x30 || byte > 0x39);
        expect(withoutDigits(result).filter((byte) => byte !== 0x23)).toEqual(
          withoutDigits(given).filter((byte) => byte !== 0x23),
        );
        expect([...result].some((byte) => byte >= 0x30 && byte <= 0x39)).toBe(false);
      }),
    );
  });
});

describe('portable values', () => {
  test('strings, keys and bytes within are redacted, the rest is as it was', () => {
    const pixels = new Uint8ClampedArray([49, 50]);
    const weights = new Tensor('uint8', bytes(49, 50), [2]);
    const given = {
      prompt: 'call 123',
      nested: [['a1', 5, null, undefined, true, 7n]],
      body: utf8('x1'),
      names: new Tensor('string', ['a', 'b2'], [1, 2]),
      pixels,
      weights,
      plain: { deep: ['no match'] },
    };
    const before = structuredClone({ ...given, names: null, weights: null });
    const result = digits.redact(given);
    expect(result).toEqual({
      prompt: 'call #',
      nested: [['a#', 5, null, undefined, true, 7n]],
      body: utf8('x#'),
      names: new Tensor('string', ['a', 'b#'], [1, 2]),
      pixels,
      weights,
      plain: { deep: ['no match'] },
    });
    expect(result.names).toBeInstanceOf(Tensor);
    expect(result.plain).toBe(given.plain);
    expect(result.weights).toBe(weights);
    expect(structuredClone({ ...given, names: null, weights: null })).toEqual(before);
    expect(digits.matches(given)).toBe(true);
    expect(digits.matches({ pixels, weights, plain: given.plain })).toBe(false);
  });

  test('what holds no match is returned as it is', () => {
    const value = { a: ['x', { b: utf8('y') }] };
    expect(digits.redact(value)).toBe(value);
  });

  test('keys that become the same keep their values', () => {
    expect(digits.redact({ a1: 1, a2: 2, 'a#': 3, b: 4 })).toEqual({ 'a# 2': 1, 'a# 3': 2, 'a#': 3, b: 4 });
    const proto = JSON.parse('{"__proto__":"1"}') as Portable;
    const result = digits.redact(proto) as object;
    expect(Object.entries(result)).toEqual([['__proto__', '#']]);
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
  });

  test('what is no plain data, or nested without end, is refused', () => {
    expect(() => digits.redact(new Date() as unknown as string)).toThrow(TypeError);
    expect(() => digits.matches({ a: new Map() } as unknown as Portable)).toThrow(TypeError);
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    expect(() => digits.redact(cyclic as Portable)).toThrow(RangeError);
    expect(() => digits.matches(cyclic as Portable)).toThrow(RangeError);
  });

  test('`matches` says whether `redact` changes something; nothing that was given is changed', () => {
    const options = fc.record({
      patterns: fc.subarray(['a', '[0-9]', '.', 'REDACTED', '\\s', '[^a-z]+', 'b+', '\\ud800', '\\]', 'DE'], {
        minLength: 1,
      }),
      replacement: fc.constantFrom('[REDACTED]', '', 'a', '#', '💥'),
    });
    const frozen = (value: Portable): string =>
      JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each));
    fc.assert(
      fc.property(options, portable, (chosen, value) => {
        const own = redactor(chosen);
        const before = frozen(value);
        const result = own.redact(value);
        expect(frozen(value)).toBe(before);
        expect(own.matches(value)).toBe(!Object.is(result, value));
        expect(isPortable(result)).toBe(true);
        expect(typeof result).toBe(typeof value);
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is refused', () => {
  test('names the pattern and says why', () => {
    expect(errorOf({ patterns: ['ok', '(a+)+$'] })).toMatchObject({
      field: 'patterns[1]',
      message: expect.stringMatching(/^The pattern \/\(a\+\)\+\$\/u is refused\. There are too many ways .* "aa/),
    });
    expect(errorOf({ patterns: ['a*'] }).message).toContain('empty text');
    expect(errorOf({ patterns: ['<[^>]*>'] }).message).toContain('{1,64}');
    expect(errorOf({ patterns: ['('] })).toMatchObject({
      field: 'patterns[0]',
      message: expect.stringContaining('"(" is no regular expression'),
    });
    expect(errorOf({ patterns: ['\\-'] }).message).toContain('flag u');
    expect(errorOf({ patterns: ['(?x)a'] }).message).toContain('no regular expression');
    expect(errorOf({ patterns: [new RegExp('[a--b]', 'v')] }).message).toContain('flag v');
    expect(errorOf({ builtIns: ['emails' as 'email'] })).toMatchObject({
      field: 'builtIns[0]',
      message: expect.stringContaining('no built-in pattern "emails", only email, phone'),
    });
    expect(() => redactor({ builtIns: ['toString' as 'email'] })).toThrow(ConfigError);
  });
});

test('sets and patterns of one’s own work together', () => {
  const both = redactor({ patterns: ['EMP-\\d{6}'], builtIns: ['email', 'ip_address'] });
  expect(both.redact('EMP-123456 <ann@example.com> from 10.0.0.1')).toBe('[REDACTED] <[REDACTED]> from [REDACTED]');
});
