/** @module Whether an answer holds what must not be kept. */

import { concat } from '../bytes.ts';
import type { Portable } from '../portable.ts';

/**
 * Also where only its parts together do, as of a stream that gives a text token by token: parts that are all texts, or all bytes, are
 * looked through as one as well.
 */
export function holdsSecret(redactor: { matches(value: Portable): boolean }, value: Portable): boolean {
  if (redactor.matches(value)) return true;
  if (!Array.isArray(value) || value.length < 2) return false;
  const parts = value as readonly Portable[];
  if (parts.every((part) => typeof part === 'string')) return redactor.matches(parts.join(''));
  return parts.every((part) => part instanceof Uint8Array) && redactor.matches(concat(parts));
}
