/** @module UTF-8, where `TextEncoder` would copy and `TextDecoder` would lose what is no text (RFC 3629). */

/** Bytes that a part of a text takes; half of a character beyond the BMP takes three, as U+FFFD does. */
export function utf8Length(text: string, start = 0, end: number = text.length): number {
  let bytes = 0;
  for (let i = start; i < end; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes++;
    else if (unit < 0x800) bytes += 2;
    else if (isPairAt(text, i) && i + 1 < end) {
      bytes += 4;
      i++;
    } else bytes += 3;
  }
  return bytes;
}

/** Whether a character of two code units begins at `index`. */
export function isPairAt(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What `decodeAll` makes of a byte that is no text is this much more than the byte: a code unit that no text decodes to. */
const STRAY = 0xdc00;

/** The text of bytes, in which each byte that is part of no character stands as one code unit of its own. */
export function decodeAll(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodeWithStrays(bytes);
  }
}

/** Whether a code unit of what `decodeAll` gave stands for a byte that is no text. */
export function isStray(unit: number): boolean {
  return unit >= STRAY + 0x80 && unit <= STRAY + 0xff;
}

function decodeWithStrays(bytes: Uint8Array): string {
  const units = new Uint16Array(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length;) {
    const size = characterSize(bytes, i);
    if (size === 0) {
      units[length++] = STRAY + (bytes[i++] as number);
      continue;
    }
    let code = size === 1 ? (bytes[i] as number) : (bytes[i] as number) & (0x7f >> size);
    for (let k = 1; k < size; k++) code = (code << 6) | ((bytes[i + k] as number) & 0x3f);
    if (code > 0xffff) {
      units[length++] = 0xd7c0 + (code >> 10);
      units[length++] = 0xdc00 + (code & 0x3ff);
    } else units[length++] = code;
    i += size;
  }
  let text = '';
  for (let i = 0; i < length; i += 8192)
    text += String.fromCharCode.apply(undefined, units.subarray(i, Math.min(i + 8192, length)) as unknown as number[]);
  return text;
}

/** Bytes of the character at `i`; 0 where none is (The Unicode Standard, table 3-7: well-formed byte sequences). */
function characterSize(bytes: Uint8Array, i: number): 0 | 1 | 2 | 3 | 4 {
  const first = bytes[i] as number;
  if (first < 0x80) return 1;
  const within = (offset: number, min = 0x80, max = 0xbf): boolean => {
    const byte = bytes[i + offset];
    return byte !== undefined && byte >= min && byte <= max;
  };
  if (first >= 0xc2 && first <= 0xdf) return within(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef)
    return within(1, first === 0xe0 ? 0xa0 : 0x80, first === 0xed ? 0x9f : 0xbf) && within(2) ? 3 : 0;
  if (first >= 0xf0 && first <= 0xf4)
    return within(1, first === 0xf0 ? 0x90 : 0x80, first === 0xf4 ? 0x8f : 0xbf) && within(2) && within(3) ? 4 : 0;
  return 0;
}
