/**
 * @module An entry's bytes: the version (1 byte), the number of the data key (u32), the time until which it is served (u64,
 * milliseconds since the Unix epoch), then what the data key sealed. Numbers are little endian.
 *
 * Authenticated with it are this header, the model's invalidation generation and the entry's name, which holds the tags of tenant
 * and model: bytes that are found under another name, after an invalidation or with another header do not open. Sealed are the
 * caller's key, its length (u32) in front, and the value.
 */

import { maxTextBytes, textBytes, writeText } from './text.ts';

export const VERSION = 1;
export const HEADER_BYTES = 13;
export const GENERATION_BYTES = 16;

/** Characters of a slot, the last part of a name. */
const SLOT_CHARACTERS = 43;
const LENGTH_BYTES = 4;
const UINT32 = 2 ** 32;

/** What was sealed, as views. */
export interface EnvelopeContent {
  /** The caller's, as `writeText` writes it. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export function encodeHeader(keyNumber: number, expiresAt: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header[0] = VERSION;
  writeUint32(header, 1, keyNumber);
  writeUint32(header, 5, expiresAt % UINT32);
  writeUint32(header, 9, Math.floor(expiresAt / UINT32));
  return header;
}

export function keyNumberOf(envelope: Uint8Array): number {
  return readUint32(envelope, 1);
}

export function expiryOf(envelope: Uint8Array): number {
  return readUint32(envelope, 9) * UINT32 + readUint32(envelope, 5);
}

/** What is authenticated with all entries whose names begin with `names`: room for the header, the generation, the names. */
export function aadTemplate(generation: Uint8Array, names: string): Uint8Array {
  const names8 = textBytes(names);
  const template = new Uint8Array(HEADER_BYTES + GENERATION_BYTES + names8.length + SLOT_CHARACTERS);
  template.set(generation, HEADER_BYTES);
  template.set(names8, HEADER_BYTES + GENERATION_BYTES);
  return template;
}

/** Makes of the template what is authenticated with one entry, and returns it. `name` ends in its slot. */
export function fillAad(template: Uint8Array, header: Uint8Array, name: string): Uint8Array {
  for (let i = 0; i < HEADER_BYTES; i++) template[i] = header[i] as number;
  const slot = template.length - SLOT_CHARACTERS;
  const from = name.length - SLOT_CHARACTERS;
  for (let i = 0; i < SLOT_CHARACTERS; i++) template[slot + i] = name.charCodeAt(from + i);
  return template;
}

/** Most bytes that `writeContent` takes. */
export function maxContentBytes(key: string, value: Uint8Array): number {
  return LENGTH_BYTES + maxTextBytes(key) + value.length;
}

/** Writes what is to be sealed, and returns where it ends. */
export function writeContent(key: string, value: Uint8Array, target: Uint8Array): number {
  const end = writeText(key, target, LENGTH_BYTES);
  writeUint32(target, 0, end - LENGTH_BYTES);
  target.set(value, end);
  return end + value.length;
}

/** Undefined where it is no content. */
export function decodeContent(content: Uint8Array): EnvelopeContent | undefined {
  const end = content.length < LENGTH_BYTES ? Infinity : LENGTH_BYTES + readUint32(content, 0);
  if (end > content.length) return undefined;
  return { key: content.subarray(LENGTH_BYTES, end), value: content.subarray(end) };
}

function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value & 0xff;
  target[at + 1] = (value >>> 8) & 0xff;
  target[at + 2] = (value >>> 16) & 0xff;
  target[at + 3] = value >>> 24;
}

function readUint32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return low + (bytes[at + 3] as number) * 2 ** 24;
}
