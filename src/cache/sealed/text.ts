/** @module Text as bytes: different texts give different bytes, also where they hold half a surrogate pair, which UTF-8 loses. */

const ENCODING = { latin1: 0, utf16: 1 } as const;

/** Most bytes that `writeText` takes for a text. */
export function maxTextBytes(text: string): number {
  return 1 + 2 * text.length;
}

/** Writes the text from `start` on and returns where it ends: a byte that says how, then one or two for each code unit. */
export function writeText(text: string, target: Uint8Array, start: number): number {
  const { length } = text;
  target[start] = ENCODING.latin1;
  let end = start + 1;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0xff) return writeUtf16(text, target, start);
    target[end++] = unit;
  }
  return end;
}

function writeUtf16(text: string, target: Uint8Array, start: number): number {
  target[start] = ENCODING.utf16;
  let end = start + 1;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    target[end++] = unit & 0xff;
    target[end++] = unit >> 8;
  }
  return end;
}

/** Whether that text was written. */
export function isText(bytes: Uint8Array, text: string): boolean {
  const { length } = text;
  if (bytes[0] !== ENCODING.latin1 || bytes.length !== 1 + length) return readText(bytes) === text;
  for (let i = 0; i < length; i++) if (bytes[1 + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** The text that was written. */
export function readText(bytes: Uint8Array): string {
  const width = bytes[0] === ENCODING.utf16 ? 2 : 1;
  let text = '';
  for (let i = 1; i + width <= bytes.length; i += width)
    text += String.fromCharCode((bytes[i] as number) | (width === 2 ? (bytes[i + 1] as number) << 8 : 0));
  return text;
}

export function textBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(maxTextBytes(text));
  return bytes.subarray(0, writeText(text, bytes, 0));
}
