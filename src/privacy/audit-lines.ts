/**
 * @module What the audit log's files hold. A chain's files, `<chain>-<file>.jsonl`, hold its lines: JSON objects with a number
 * of their own, a record, and an HMAC-SHA-256 over the line before and themselves. Its head, `<chain>.head`, is sealed and
 * tells how far the chain goes.
 */

import type { DataKey } from './keyring.ts';
import type { AuditEntry } from './audit-entry.ts';
import { concat, toHex } from '../bytes.ts';

/** What a line records. */
export type AuditRecord =
  | { readonly entry: AuditEntry }
  /** The first line of each file. */
  | { readonly file: FileRecord }
  /** Entries that could not be written. */
  | { readonly lost: number }
  /** A file that is removed now, of this chain or another. */
  | { readonly retired: RetiredRecord };

export interface FileRecord {
  readonly version: 1;
  /** From 0. */
  readonly number: number;
  /** Seconds since the Unix epoch. */
  readonly timestamp: number;
  /** The other chains in the same place, and how many lines each had: none of them can vanish unseen. */
  readonly others: Readonly<Record<string, WitnessedChain>>;
}

export interface WitnessedChain {
  readonly lines: number;
  /** When its head was sealed: seconds since the Unix epoch. */
  readonly sealed: number;
}

export interface RetiredRecord {
  readonly chain: string;
  readonly file: number;
  /** The numbers of its first and last line. */
  readonly first: number;
  readonly last: number;
  /** The HMAC of its last line, on which the next file's first builds. */
  readonly mac: string;
  /** No line in it is later: seconds since the Unix epoch. */
  readonly until: number;
}

/** How far a chain goes. */
export interface ChainEnd {
  /** Lines so far, which is the next one's number. */
  readonly lines: number;
  /** The HMAC of the last one. */
  readonly mac: string;
}

/** A chain's head: what must be there of it. */
export interface ChainHead extends ChainEnd {
  /** The file that the last line is in. */
  readonly file: number;
  /** Whether nothing more comes. */
  readonly closed: boolean;
  /** When it was sealed: seconds since the Unix epoch. */
  readonly sealed: number;
  /** All of the chain is being removed because there are too many files: nothing of it must be there. */
  readonly retired?: true;
}

/** A head is never further behind its chain. */
export const MAX_UNSEALED_LINES = 1000;

export const CHAIN_START: ChainEnd = { lines: 0, mac: '0'.repeat(64) };

export function fileName(chain: string, file: number): string {
  return `${chain}-${String(file).padStart(6, '0')}.jsonl`;
}

export function headName(chain: string): string {
  return `${chain}.head`;
}

/** The chain and the number of a file by its name, or the chain of a head. */
export function parseName(name: string): { readonly chain: string; readonly file?: number } | undefined {
  const [, chain, file, head] = /^([0-9a-f]{16})(?:-(\d{6,})\.jsonl|(\.head))$/.exec(name) ?? [];
  if (chain === undefined) return undefined;
  return head === undefined ? { chain, file: Number(file) } : { chain };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });
const LINE_CONTEXT = encoder.encode('epochly audit line\0');
const MAC_LENGTH = 64;
const BREAK = 0x0a;
/** What stands behind a line's body: `,"mac":"` and 64 hexadecimal digits and `"}`. */
const TAIL = /,"mac":"([0-9a-f]{64})"\}$/;
const TAIL_LENGTH = ',"mac":"'.length + MAC_LENGTH + '"}'.length;

/** A line behind `end`, with its line break. */
export async function writeLine(
  key: Pick<DataKey, 'hash'>,
  chain: string,
  end: ChainEnd,
  record: AuditRecord,
): Promise<{ readonly bytes: Uint8Array; readonly end: ChainEnd }> {
  const body = JSON.stringify({ chain, line: end.lines, ...record }).slice(0, -1);
  const mac = await macOf(key, end.mac, encoder.encode(body));
  return { bytes: encoder.encode(`${body},"mac":"${mac}"}\n`), end: { lines: end.lines + 1, mac } };
}

/** A line as it stands in a file, without its line break. */
export interface ParsedLine {
  readonly chain: string;
  readonly line: number;
  readonly mac: string;
  readonly record: AuditRecord;
  /** The bytes that the HMAC is over. */
  readonly body: Uint8Array;
}

/** Undefined where it is no line of an audit log. Tells nothing of its truth. */
export function parseLine(bytes: Uint8Array): ParsedLine | undefined {
  try {
    const text = decoder.decode(bytes);
    const mac = TAIL.exec(text)?.[1];
    const { chain, line, mac: _, ...record } = JSON.parse(text) as Record<string, unknown>;
    if (mac === undefined || typeof chain !== 'string' || !Number.isSafeInteger(line)) return undefined;
    const body = bytes.subarray(0, bytes.length - TAIL_LENGTH);
    return { chain, line: line as number, mac, record: record as unknown as AuditRecord, body };
  } catch {
    return undefined;
  }
}

/** Whether a line was written behind the one of that HMAC. */
export async function follows(
  key: Pick<DataKey, 'hash'>,
  { mac }: { readonly mac: string },
  line: ParsedLine,
): Promise<boolean> {
  return (await macOf(key, mac, line.body)) === line.mac;
}

/** A file's lines without their breaks, and whether something without one stands at its end. */
export function splitLines(bytes: Uint8Array): { readonly lines: readonly Uint8Array[]; readonly torn: boolean } {
  const lines: Uint8Array[] = [];
  let begin = 0;
  for (let end = bytes.indexOf(BREAK); end !== -1; end = bytes.indexOf(BREAK, begin)) {
    lines.push(bytes.subarray(begin, end));
    begin = end + 1;
  }
  return { lines, torn: begin < bytes.length };
}

async function macOf(key: Pick<DataKey, 'hash'>, previous: string, body: Uint8Array): Promise<string> {
  return toHex(await key.hash(concat([LINE_CONTEXT, encoder.encode(previous), body])));
}

export async function sealHead(key: Pick<DataKey, 'seal'>, chain: string, head: ChainHead): Promise<Uint8Array> {
  return key.seal(encoder.encode(JSON.stringify(head)), headContext(chain));
}

/** Undefined where it was not sealed by this key for this chain. */
export async function openHead(
  key: Pick<DataKey, 'open'>,
  chain: string,
  sealed: Uint8Array,
): Promise<ChainHead | undefined> {
  try {
    const plain = await key.open(sealed, headContext(chain));
    return plain === undefined ? undefined : (JSON.parse(decoder.decode(plain)) as ChainHead);
  } catch {
    return undefined;
  }
}

function headContext(chain: string): Uint8Array {
  return encoder.encode(`epochly audit head\0${chain}`);
}
