/** @module Keys of a store as names in Redis, which are UTF-8: any string, and what begins alike still does. */

/** Halves of characters beyond the BMP, which UTF-8 has none for, be the other half there or not; and what escapes them. */
const ESCAPED = /[\ud800-\udfff~]/g;
const ESCAPE = '~';
const ESCAPES = /~([\da-f]{4})/g;
const WILD = /[*?[\]\\]/g;

/**
 * The name of a key: each code unit as it is, or escaped. So two keys never share a name, and one begins with another exactly
 * where their names do.
 */
export function encodeName(key: string): string {
  return key.replace(ESCAPED, (unit) => ESCAPE + unit.charCodeAt(0).toString(16).padStart(4, '0'));
}

/** The key of a name. */
export function decodeName(name: string): string {
  return name.replace(ESCAPES, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** A pattern for MATCH, of the names that begin so. */
export function patternOf(beginning: string): string {
  return `${beginning.replace(WILD, '\\$&')}*`;
}
