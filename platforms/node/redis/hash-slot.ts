/** @module Which of a cluster's slots a name belongs to. */

/** CRC-16/XMODEM, a byte at a time. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0);
  return crc;
});

const [OPENING, CLOSING] = [0x7b, 0x7d];

/** 0 to 16,383: of what is between the first braces, where there is something, else of all (Redis cluster specification). */
export function hashSlotOf(name: string): number {
  const bytes = Buffer.from(name);
  const opening = bytes.indexOf(OPENING);
  const closing = opening < 0 ? -1 : bytes.indexOf(CLOSING, opening);
  const hashed = closing > opening + 1 ? bytes.subarray(opening + 1, closing) : bytes;
  let crc = 0;
  for (const byte of hashed) crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >> 8) ^ byte] as number);
  return crc & 0x3fff;
}
