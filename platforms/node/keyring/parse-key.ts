/** @module A master key as text. */

import { Buffer } from 'node:buffer';
import { KeyError } from '../../../src/key-error.ts';
import { KEY_BYTES } from '../../../src/privacy/key-format.ts';

/** What makes a key. */
export const MAKE_A_KEY = 'Make one with: openssl rand -base64 32';

const MALFORMED = { reason: 'malformed' } as const;

/**
 * The 32 bytes that the text is in base64, base64url or hexadecimal digits, whitespace around it aside. `where` names its place.
 * @throws KeyError ('malformed') where it is not, which says how it differs and nothing of what it is.
 */
export function parseKey(text: string, where: string): Uint8Array {
  const digits = text.trim();
  const encoding = encodingOf(digits);
  if (encoding === undefined)
    throw new KeyError(`${where} holds no key: it is neither base64 nor hexadecimal digits. ${MAKE_A_KEY}`, MALFORMED);
  const bytes = Buffer.from(digits, encoding);
  if (bytes.length !== KEY_BYTES)
    throw new KeyError(`${where} holds ${bytes.length} bytes, and a key is ${KEY_BYTES}. ${MAKE_A_KEY}`, MALFORMED);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function encodingOf(digits: string): 'hex' | 'base64' | undefined {
  // 64 digits of base64 would be 48 bytes, so that what looks like hexadecimal is nothing else.
  if (/^(?:[0-9a-f]{2})+$/i.test(digits) && digits.length === 2 * KEY_BYTES) return 'hex';
  // Buffer takes either alphabet, and leaves out whatever is of neither.
  if (/^(?:[A-Za-z0-9+/]+|[A-Za-z0-9_-]+)={0,2}$/.test(digits) && isWhole(digits)) return 'base64';
  return undefined;
}

/** Whether the last character says no more bits than there are: else one key had several texts, and a slip of the keyboard passed. */
function isWhole(digits: string): boolean {
  const bare = digits.replace(/=+$/, '');
  const padded = digits.length === bare.length || digits.length % 4 === 0;
  const again = Buffer.from(bare, 'base64').toString('base64').replace(/=+$/, '');
  return padded && again === bare.replaceAll('-', '+').replaceAll('_', '/');
}
