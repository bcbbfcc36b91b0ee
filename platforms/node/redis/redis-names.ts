/** @module Keys of a store as names in Redis, which are bytes: any string, and what begins alike still does. */

import type { RedisName } from './redis-client.ts';

const SURROGATE = /[\ud800-\udfff]/;
/** The first byte of all surrogates, and of some other characters. */
const SURROGATE_LEAD = 0xed;

/**
 * UTF-8, in which each half of a character beyond the BMP is encoded apart (CESU-8, Unicode Technical Report 26), also where
 * its other half is missing. So two strings never share a name, and one begins with another exactly where their names do.
 */
export function encodeName(text: string): RedisName {
  if (!SURROGATE.test(text)) return text;
  const bytes = Buffer.allocUnsafe(text.length * 3);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes[length++] = unit;
    else {
      if (unit < 0x800) bytes[length++] = 0xc0 | (unit >> 6);
      else {
        bytes[length++] = 0xe0 | (unit >> 12);
        bytes[length++] = 0x80 | ((unit >> 6) & 0x3f);
      }
      bytes[length++] = 0x80 | (unit & 0x3f);
    }
  }
  return bytes.subarray(0, length);
}

/** The text that was encoded. */
export function decodeName(bytes: Buffer): string {
  if (!bytes.includes(SURROGATE_LEAD)) return bytes.toString();
  let text = '';
  for (let i = 0; i < bytes.length;) {
    const lead = bytes[i++] as number;
    let unit = lead;
    if (lead >= 0xe0) {
      unit = ((lead & 0x0f) << 12) | (((bytes[i++] ?? 0) & 0x3f) << 6) | ((bytes[i++] ?? 0) & 0x3f);
    } else if (lead >= 0xc0) unit = ((lead & 0x1f) << 6) | ((bytes[i++] ?? 0) & 0x3f);
    text += String.fromCharCode(unit);
  }
  return text;
}

/** A pattern for MATCH, of the names that begin with these bytes. */
export function patternOf(beginning: Buffer): Buffer {
  const pattern: number[] = [];
  for (const byte of beginning) {
    if (SPECIAL.includes(byte)) pattern.push(BACKSLASH);
    pattern.push(byte);
  }
  pattern.push(ASTERISK);
  return Buffer.from(pattern);
}

const ASTERISK = 0x2a;
const BACKSLASH = 0x5c;
const SPECIAL = Buffer.from('*?[]\\');
