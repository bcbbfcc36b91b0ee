import { describe, expect, test } from 'vitest';
import { BUILT_IN_PATTERNS } from '../../src/privacy/built-in-patterns.ts';
import type { BuiltInPattern } from '../../src/privacy/built-in-patterns.ts';
import { InputRedactor } from '../../src/privacy/input-redactor.ts';
import { judgePattern } from '../../src/privacy/pattern-check.ts';

const names = Object.keys(BUILT_IN_PATTERNS) as BuiltInPattern[];

test.each(names)('%s is as safe as patterns of one’s own must be', (name) => {
  for (const { regexp, lead } of BUILT_IN_PATTERNS[name]) {
    expect(judgePattern(regexp), String(regexp)).toEqual({ lead });
    expect(regexp.flags).toContain('u');
  }
});

/** Texts in which what is meant stands between ‹ and ›. */
const hits: Readonly<Record<BuiltInPattern, readonly string[]>> = {
  email: [
    '‹ann@example.com›',
    'mail to ‹ann.b+news_2%x-y@mail.example.co.uk›, please.',
    '<‹ann@example.com›>;(‹bob@example.org›)',
    '‹müller@straße.de› ‹用户@例子.中国› ‹ann@xn--exmple-cua.xn--p1ai›',
    'mailto:‹ANN@EXAMPLE.COM›?subject=x',
    `‹${'a'.repeat(300)}@example.com›`,
    '"‹ann@example.com›"',
  ],
  phone: [
    // E.164 and the ways it is written.
    '‹+14155552671›',
    '‹+1 (415) 555-2671› ext. 5',
    '‹+49 (0)30 1234567›, ‹+49 30 / 123 45 67›',
    '‹+44 20 7946 0958› or ‹+44 (0)20 7946 0958›',
    '‹+33 1 23 45 67 89›',
    '‹+81 3-1234-5678›',
    '‹+91 98765 43210›',
    '‹+55 (11) 91234-5678›',
    '‹+420 601 123 456›, ‹+358 40 1234567›',
    'tel:‹+49-30-1234567›',
    '‹0049 30 1234567›, ‹0044 20 7946 0958›',
    // Without the country.
    '‹415-555-2671›, ‹(415) 555-2671›, ‹(415)555-2671›, ‹415.555.2671›, ‹415 555 2671›, ‹1-800-555-1234›',
    'Tel: ‹030 1234567›, ‹030/1234567›, ‹0171 1234567›, ‹0171-123 45 67›',
    '‹020 7946 0958› ‹07911 123456› ‹(020) 7946 0958›',
    '‹01 23 45 67 89› ‹01.23.45.67.89› ‹0123456789›',
    '‹03-1234-5678› ‹090-1234-5678›',
    '‹(02) 9876 5432› ‹0412 345 678›',
    '‹98765 43210› ‹98765-43210›',
    '‹138 1234 5678› ‹13812345678›',
    '‹(11) 91234-5678› ‹11 3456-7890›',
  ],
  credit_card: [
    '‹4111111111111111›',
    'card=‹4111 1111 1111 1111›, exp 12/27',
    '‹4111-1111-1111-1111›',
    '‹378282246310005› ‹3782 822463 10005›',
    '‹5555555555554444› ‹2223003122003222›',
    '‹6011111111111117› ‹30569309025904› ‹3530111333300000› ‹6200000000000005›',
    '‹4222222222222› ‹6759649826438453›',
    'order 5 ‹4111 1111 1111 1111› 22',
    'visa‹4111111111111111›',
    '‹4111\u00a01111\u00a01111\u00a01111›',
  ],
  iban: [
    '‹DE89370400440532013000›',
    'IBAN: ‹DE89 3704 0044 0532 0130 00› BIC COBADEFFXXX',
    '‹GB82 WEST 1234 5698 7654 32› PLEASE',
    '‹FR14 2004 1010 0505 0001 3M02 606›',
    '‹NO93 8601 1117 947› ‹BE68-5390-0754-7034› ‹CH93 0076 2011 6238 5295 7›',
    '‹MT84MALT011000012345MTLCAST001S› ‹LC14 BOSL 1234 5678 9012 3456 7890 1234›',
    '‹SA03 8000 0000 6080 1016 7519› ‹BR18 0036 0305 0000 1000 9795 493C 1›',
    '‹de89 3704 0044 0532 0130 00›',
  ],
  ssn: [
    '‹123-45-6789›',
    'SSN ‹123 45 6789›.',
    'ssn: ‹123456789›',
    'Social Security Number: ‹123456789›, Social security no. ‹123456789›',
  ],
  ip_address: [
    '‹192.168.0.1›, ‹8.8.8.8›:53',
    '‹255.255.255.255› ‹0.0.0.0›.',
    '‹2001:0db8:85a3:0000:0000:8a2e:0370:7334›',
    '‹2001:db8::1› and [‹2001:DB8::8a2e:370:7334›]:443',
    '‹fe80::1›%eth0 ‹::1› ‹2001:db8::›',
    '‹::ffff:192.0.2.128› ‹64:ff9b::192.0.2.33›',
    'at ‹2001:db8::1›: refused',
    '‹dead:beef::cafe›',
  ],
  jwt: [
    '‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U›',
    'token=‹eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0›.',
    'id_‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3›.',
    'x.‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3›',
    '‹eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..5LLUTQGkBE6dXuJY.7xRr4w.Wg8UjDk1qJ0YDxFGfqqj5w›',
  ],
  api_key: [
    `‹sk-${'a1B2'.repeat(6)}› ‹sk-proj-${'a1_-'.repeat(8)}›`,
    `‹sk_live_${'a1'.repeat(12)}› ‹rk_test_${'a1'.repeat(12)}›`,
    `‹ghp_${'a1'.repeat(18)}› ‹github_pat_${'a1'.repeat(12)}› ‹glpat-${'a1-_'.repeat(5)}›`,
    '‹AKIAIOSFODNN7EXAMPLE› ‹xoxb-123456789012-abcdef›',
    `‹AIza${'aB3_-'.repeat(7)}› ‹hf_${'aB'.repeat(17)}› ‹npm_${'a1'.repeat(18)}›`,
    `‹SG.${'a1'.repeat(11)}.${'b2'.repeat(21)}b›`,
    'API_KEY="‹abcdef123456›"; apikey: ‹abcdef123456›, password=‹hunter2!›',
    `{"client_secret": "‹abc$%def›", 'access-token':'‹abcdef›'}`,
  ],
  bearer_token: [
    'Authorization: Bearer ‹mF_9.B5f-4.1JqM›',
    'authorization: basic ‹QWxhZGRpbjpvcGVuIHNlc2FtZQ==›',
    'bearer  ‹abcdefghijklmnopqrstuvwxyz›',
  ],
  private_key: [
    '‹-----BEGIN PRIVATE KEY-----\nMIIEvQ+/a==\n-----END PRIVATE KEY-----›\n',
    'x ‹-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES-128-CBC,00AA\r\n\r\nMIIE\r\n-----END RSA PRIVATE KEY-----› y',
    '"‹-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEE\\n-----END EC PRIVATE KEY-----›"',
    '‹-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk›',
  ],
};

const misses: Readonly<Record<BuiltInPattern, readonly string[]>> = {
  email: [
    '@ann',
    'ann@',
    'a@b',
    'ann@localhost',
    '1@2.3',
    'ann @example.com',
    'ann@example',
    'icon@2x.png',
    'a@b@c',
    'x@.com',
  ],
  phone: [
    '2024-01-15 10:30:00',
    '01.02.2024 10:30',
    '05/06/2023 12:00 and 05-06-2023 99',
    '123-45-6789',
    '192.168.100.200',
    '0.0123456789, 3.14159265358979, -0,0123456789',
    '4111 1111 1111 1111',
    'v1.20.300.4000',
    '1700000000000',
    '+1 234',
    'a+14155552671',
    '415-555-26711',
    '550e8400-e29b-41d4-a716-446655440000',
    '007 123',
    '[0.012, 0.345, 0.6789]',
    '12345678',
  ],
  credit_card: [
    '4111111111111112',
    '4111 1111 1111 1112',
    '411111111111111',
    '41111111111111110000',
    '1234567890123456',
    '1700000000000',
    '9999999999999995',
    '550e8400-e29b-41d4-a716-446655440000',
    '4111,1111,1111,1111',
  ],
  iban: [
    'DE89370400440532013001',
    'DE89 3704 0044 0532 0130',
    'DE893704004405320130000',
    'XX89370400440532013000',
    'ADE89370400440532013000',
    'GB82 WEST 1234 5698 7654 33',
    'AB12CD34EF56GH78IJ90',
  ],
  ssn: [
    '000-12-3456',
    '666-12-3456',
    '900-12-3456',
    '123-00-4567',
    '123-45-0000',
    '123-456-789',
    '123456789',
    '1123-45-6789',
    '123-45-67890',
    '123-45 6789',
    '415-555-2671',
    'X123-45-6789',
  ],
  ip_address: [
    '256.1.1.1',
    '1.2.3',
    '1.2.3.4.5',
    'v1.2.3.4',
    '01.2.3.4',
    '10:30:45',
    '00:1A:2B:3C:4D:5E',
    'std::vector',
    'a::b',
    '::',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '2001:db8::12345',
    '::256.0.0.1',
  ],
  jwt: [
    'a.b.c',
    'www.example.com',
    'eyJ',
    'eyJhbGciOiJIUzI1NiJ9',
    'eyJ.a.b',
    'ayJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3',
  ],
  api_key: [
    'sk-short',
    'task-force-of-people-and-machines-and-more',
    'AKIA123',
    'ghp_short',
    'the password is known',
    'password:',
    'api key',
    'hf_model',
  ],
  bearer_token: [
    'bearer of bad news',
    'a Bearer',
    'basic understanding of things',
    'bearer certificates',
    'forebearer abcdefg123',
  ],
  private_key: [
    '-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----',
    '-----BEGIN CERTIFICATE-----',
    'BEGIN PRIVATE KEY',
  ],
};

describe.each(names)('%s', (name) => {
  const redactor = new InputRedactor({ builtIns: [name], replacement: '#' });

  test.each(hits[name])('is found in %s', (marked) => {
    const text = marked.replace(/[‹›]/g, '');
    expect(redactor.redact(text)).toBe(marked.replace(/‹[^›]*›/g, '#'));
    expect(redactor.matches(text)).toBe(true);
  });

  test.each(misses[name])('is not found in %s', (text) => {
    expect(redactor.redact(text)).toBe(text);
    expect(redactor.matches(text)).toBe(false);
  });
});

test('texts that are made to be slow are read to their ends', () => {
  const redactor = new InputRedactor({ builtIns: names });
  for (const piece of [
    'a',
    '1',
    ' ',
    '-',
    '.',
    ':',
    '1 ',
    '1.',
    'a:',
    'eyJ.',
    '0 ',
    '+1',
    'a@',
    'a@a.',
    'DE89 ',
    '4111 ',
    'key=',
    '-----BEGIN ',
  ])
    redactor.matches(piece.repeat(20_000));
});
