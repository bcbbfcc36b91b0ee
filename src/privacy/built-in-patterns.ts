/** @module Patterns of what is personal or secret, to choose by name. */

import { findIban, findIpv6, findJwt, findPaymentCard, isDateLike } from './built-in-checks.ts';
import type { PatternLead } from './pattern-check.ts';
import { TextPattern } from './text-pattern.ts';
import type { Refine } from './text-pattern.ts';

/** The names of the sets. */
export type BuiltInPattern =
  | 'email'
  | 'phone'
  | 'credit_card'
  | 'iban'
  | 'ssn'
  | 'ip_address'
  | 'jwt'
  | 'api_key'
  | 'bearer_token'
  | 'private_key';

interface BuiltIn {
  readonly regexp: RegExp;
  /** As `judgePattern` finds it, which takes a while. */
  readonly lead?: PatternLead;
  readonly refine?: Refine;
}

/** What stands between the digits of a telephone number. */
const GAP = '[ \\u00a0\\u2009\\u202f.\\/()\\u2010-\\u2013-]{0,3}';
const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';

/** What follows a mark such as '=' or a space, without the quotation mark. */
const afterMark =
  (mark: RegExp, accept: (value: string) => boolean = () => true): Refine =>
  (match, _text, start) => {
    const { index, 0: found } = mark.exec(match) as RegExpExecArray;
    const skipped = index + found.length;
    return accept(match.slice(skipped)) ? { start: start + skipped, end: start + match.length } : undefined;
  };

/**
 * - `email`: addresses, also of domains in other scripts.
 * - `phone`: with a country's code after + or 00 (ITU-T E.164: up to 15 digits); without one as they are written in North
 *   America, in countries with a leading 0 (Germany, France, the United Kingdom, Italy, Japan, Australia, ...), India, China
 *   and Brazil.
 * - `credit_card`: 13 to 19 digits that begin with 2 to 6 and end in a check digit (ISO/IEC 7812, the algorithm of Luhn).
 * - `iban`: of the countries in the IBAN registry, checked modulo 97 (ISO 13616).
 * - `ssn`: social security numbers of the United States, written in three groups or after the words.
 * - `ip_address`: IPv4 (RFC 791) and IPv6 (RFC 4291).
 * - `jwt`: signed and encrypted tokens (RFC 7519).
 * - `api_key`: keys of known services, and what is assigned to a name such as `api_key` or `password`.
 * - `bearer_token`: what follows `Bearer` or `Basic` (RFC 6750, RFC 7617).
 * - `private_key`: in PEM (RFC 7468).
 */
export const BUILT_IN_PATTERNS: Readonly<Record<BuiltInPattern, readonly BuiltIn[]>> = {
  email: [
    {
      regexp: /[\p{L}\p{N}._%+-]+@(?!\dx\.)(?:[\p{L}\p{N}-]{1,63}\.){1,8}(?:xn--[a-z0-9-]{2,59}|\p{L}{2,24})/iu,
      lead: { atom: '[\\p{L}\\p{N}._%+-]', condition: '' },
    },
  ],
  phone: [
    { regexp: new RegExp(`(?<![\\p{L}\\p{N}+])\\+(?:${GAP}\\d){7,15}(?!\\d)`, 'u') },
    { regexp: new RegExp(`(?<![\\p{L}\\p{N}]|\\d[.,/-])00[1-9](?:${GAP}\\d){7,13}(?!\\d)`, 'u') },
    {
      regexp:
        /(?<![\p{L}\p{N}]|\d[.,/-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}(?!\d|[.-]\d)/u,
    },
    {
      regexp: new RegExp(`(?<![\\p{L}\\p{N}]|\\d[.,/-])\\(?0[1-9](?:${GAP}\\d){7,9}(?!\\d)`, 'u'),
      refine: (match, _text, start) => (isDateLike(match) ? undefined : { start, end: start + match.length }),
    },
    {
      regexp:
        /(?<![\p{L}\p{N}+]|\d[.,/-])(?:[6-9]\d{4}[ -]\d{5}|1[3-9]\d[ -]\d{4}[ -]\d{4}|1[3-9]\d{9}|\(?[1-9]\d\)? 9?\d{4}-\d{4})(?!\d|[.-]\d)/u,
    },
  ],
  credit_card: [{ regexp: /(?<!\d)[2-6]\d{3}(?:[ \u00a0-]?\d){9,15}(?!\d)/u, refine: findPaymentCard }],
  iban: [{ regexp: /(?<![\p{L}\p{N}])[A-Z]{2}\d{2}(?:[ \u00a0-]?[A-Z0-9]){11,30}/iu, refine: findIban }],
  ssn: [
    {
      regexp: /(?<![\p{L}\p{N}]|\d-)(?!000|666|9)\d{3}(?:-(?!00)\d\d-| (?!00)\d\d )(?!0000)\d{4}(?![\p{L}\p{N}]|-\d)/u,
    },
    { regexp: /(?<=(?:ssn|social security (?:number|no\.?))\W{0,3})(?!000|666|9)\d{9}(?!\d)/iu },
  ],
  ip_address: [
    { regexp: new RegExp(`(?<![\\p{L}\\p{N}.])(?:${octet}\\.){3}${octet}(?!\\p{L}|\\p{N}|\\.\\p{N})`, 'u') },
    {
      regexp:
        /(?<![\p{L}\p{N}:.])(?:[0-9a-f]{0,4}:){2,7}(?:[0-9a-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?!\p{L}|\p{N}|:[0-9a-f:]|\.\d)/iu,
      refine: findIpv6,
    },
  ],
  jwt: [{ regexp: /[\w-]+(?:\.[\w-]*){2,4}/u, lead: { atom: '[\\w-]', condition: '' }, refine: findJwt }],
  api_key: [
    {
      regexp:
        /(?<![\p{L}\p{N}])(?:sk-[\w-]{20,}|[prs]k_(?:live|test)_\w{16,}|gh[oprsu]_\w{30,}|github_pat_\w{22,}|glpat-[\w-]{20,}|xox[abeprs]-[\w-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{35}|hf_\w{30,}|npm_\w{36}|SG\.[\w-]{16,}\.[\w-]{16,})/u,
    },
    {
      regexp:
        /(?:api[ _-]?key|secret[ _-]?key|client[ _-]?secret|(?:access|auth)[ _-]?token|password|passwd)["']?\s{0,3}[:=]\s{0,3}["']?[^\s"',;]{6,}/iu,
      refine: afterMark(/[:=]\s*["']?/),
    },
  ],
  bearer_token: [
    {
      regexp: /\b(?:bearer|basic)\s{1,4}[\w.~+/-]{8,}={0,2}/iu,
      // A word of plain language is no token.
      refine: afterMark(/\s+/, (token) => /\d/.test(token) || token.length >= 20),
    },
  ],
  private_key: [
    {
      regexp:
        /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----(?:\s{1,4}Proc-Type: [\w,]{1,32}\s{1,4}DEK-Info: [\w-]{1,32},\w{1,64}\s)?[\w+/=\s\\]*(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?/u,
    },
  ],
};

/** Each made once, when it is first asked for. */
const compiled = new Map<BuiltInPattern, readonly TextPattern[]>();

/** The patterns of a set. */
export function builtInPatterns(name: BuiltInPattern): readonly TextPattern[] {
  let patterns = compiled.get(name);
  if (patterns === undefined) {
    patterns = BUILT_IN_PATTERNS[name].map(({ regexp, lead, refine }) => new TextPattern(regexp, { lead }, refine));
    compiled.set(name, patterns);
  }
  return patterns;
}
