/** @module What a regular expression cannot tell of a number or an address: check digits, lengths, groups. */

import type { Refine } from './text-pattern.ts';

/** Whether the last of the digits is the check digit of those before it (ISO/IEC 7812-1, annex B: the algorithm of Luhn). */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = digits.length - 1, double = false; i >= 0; i--, double = !double) {
    const digit = Number(digits[i]);
    sum += double ? (digit < 5 ? digit * 2 : digit * 2 - 9) : digit;
  }
  return sum % 10 === 0;
}

/** Whether the check digits of an IBAN hold (ISO 13616, by ISO/IEC 7064 MOD 97-10). */
export function passesMod97(iban: string): boolean {
  let rest = 0;
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** The longest card number that a run of digits begins with and that ends where a group of them does. */
export const findPaymentCard: Refine = (match, _text, start) => {
  for (let end = match.length; end >= 13; end--) {
    if (/\d/.test(match.charAt(end)) || !/\d/.test(match.charAt(end - 1))) continue;
    const digits = match.slice(0, end).replace(/\D/g, '');
    if (digits.length < 13) return undefined;
    if (passesLuhn(digits)) return { start, end: start + end };
  }
  return undefined;
};

/** Lengths by country, from the IBAN registry of SWIFT. */
const IBAN_LENGTHS: ReadonlyMap<string, number> = new Map(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 ' +
    'FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 ' +
    'LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 ' +
    'RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((each) => [each.slice(0, 2), Number(each.slice(2))]),
);

export const findIban: Refine = (match, text, start) => {
  const length = IBAN_LENGTHS.get(match.slice(0, 2).toUpperCase());
  if (length === undefined) return undefined;
  let end = 0;
  for (let count = 0; count < length; end++) {
    if (end === match.length) return undefined;
    if (/[A-Za-z0-9]/.test(match.charAt(end))) count++;
  }
  if (/[\p{L}\p{N}]/u.test(text.charAt(start + end))) return undefined;
  const iban = match.slice(0, end).replace(/[^A-Za-z0-9]/g, '');
  return passesMod97(iban) ? { start, end: start + end } : undefined;
};

/** Addresses of at least three groups, or with a digit: `a::b` is more often a name in a program. */
export const findIpv6: Refine = (match, _text, start) => {
  const address = /[^:]:$/.test(match) ? match.slice(0, -1) : match;
  const [, head = '', embedded] = /^(.*:)((?:\d{1,3}\.){3}\d{1,3})$/.exec(address) ?? [];
  if (embedded?.split('.').some((part) => Number(part) > 255) === true) return undefined;
  const sides = (embedded === undefined ? address : `${head}0:0`).split('::');
  const groups = sides.flatMap((side) => (side === '' ? [] : side.split(':')));
  if (sides.length > 2 || groups.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const complete = sides.length === 2 ? groups.length < 8 : groups.length === 8;
  if (!complete || (groups.length < 3 && !/\d/.test(address))) return undefined;
  return { start, end: start + address.length };
};

/** A token's header is an object in JSON, which in base64url begins with `eyJ`. */
export const findJwt: Refine = (match, _text, start) => {
  const begin = match.slice(0, match.indexOf('.')).indexOf('eyJ');
  const token = match.slice(begin).replace(/\.+$/, '');
  if (begin === -1 || token.length < 20 || !token.includes('.')) return undefined;
  return { start: start + begin, end: start + begin + token.length };
};

/** Whether a text begins like a day, month and year in figures. */
export function isDateLike(text: string): boolean {
  return /^\d{1,2}([./-])\d{1,2}\1\d{4}(?!\d)/.test(text);
}
