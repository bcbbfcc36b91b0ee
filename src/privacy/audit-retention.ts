/** @module Which other chains there are, and which files go when there are too many. */

import { fileName, follows, headName, openHead, parseLine, parseName, sealHead, splitLines } from './audit-lines.ts';
import type { ChainHead, RetiredRecord, WitnessedChain } from './audit-lines.ts';
import type { AuditStorage } from './audit-storage.ts';
import type { DataKey } from './keyring.ts';

/** A chain that is not closed and whose head is older, in seconds, is one of a process that is gone. */
const DEAD_AFTER_SECONDS = 24 * 3600;
/** Other chains that the first line of a file names, those sealed last. */
const MAX_WITNESSED = 200;
/** Files that go at once. */
const MAX_RETIRED = 100;

/** The chains beside one's own, and how far they go by their heads. */
export async function witnessChains(
  storage: AuditStorage,
  key: DataKey,
  own: string,
): Promise<Readonly<Record<string, WitnessedChain>>> {
  const heads = await readHeads(storage, key, await storage.list());
  return Object.fromEntries(
    [...heads]
      .filter(([chain]) => chain !== own)
      .toSorted(([, a], [, b]) => b.sealed - a.sealed)
      .slice(0, MAX_WITNESSED)
      .map(([chain, { lines, sealed }]) => [chain, { lines, sealed }]),
  );
}

/** The heads that are genuine, by chain. */
export async function readHeads(
  storage: AuditStorage,
  key: DataKey,
  names: readonly string[],
): Promise<ReadonlyMap<string, ChainHead>> {
  const heads = new Map<string, ChainHead>();
  for (const name of names) {
    const parsed = parseName(name);
    if (parsed === undefined || parsed.file !== undefined) continue;
    const sealed = await storage.read(name);
    const head = sealed && (await openHead(key, parsed.chain, sealed));
    if (head !== undefined) heads.set(parsed.chain, head);
  }
  return heads;
}

/** A file that may go, and how old it is: the newest in it is no later. Seconds since the Unix epoch. */
interface Candidate {
  readonly chain: string;
  readonly file: number;
  readonly until: number;
  /**
   * What goes first. A chain of which a part went: its rest needs the record of that, which must not go before it. Of what is
   * equally old, one's own files last, for the same reason.
   */
  readonly rank: 0 | 1 | 2;
}

/**
 * Removes what is more than `maxFiles`, oldest first: files of one's own that are full, and those of chains that are closed
 * or whose process is gone. `record` is awaited before anything is removed. A file in which a line is not as it was written
 * stays, and so does what its chain has after it.
 */
export async function retireFiles({
  storage,
  key,
  own,
  maxFiles,
  now,
  record,
}: {
  readonly storage: AuditStorage;
  readonly key: DataKey;
  /** One's own chain, and when each of its files but the last was full. */
  readonly own: { readonly chain: string; readonly filledAt: readonly number[] };
  readonly maxFiles: number;
  readonly now: number;
  readonly record: (retired: readonly RetiredRecord[]) => Promise<void>;
}): Promise<void> {
  const names = await storage.list();
  const chains = filesByChain(names);
  const excess = [...chains.values()].reduce((sum, { length }) => sum + length, 0) - maxFiles;
  if (excess <= 0) return;

  const heads = await readHeads(storage, key, names);
  for (const [chain, { retired }] of heads)
    if (retired === true && !chains.has(chain)) await storage.remove(headName(chain));
  const candidates = [...chains].flatMap(([chain, files]): readonly Candidate[] => {
    if (chain === own.chain)
      return files.flatMap((file) => {
        const until = own.filledAt[file];
        return until === undefined ? [] : { chain, file, until, rank: 2 };
      });
    const head = heads.get(chain);
    const isDone = head !== undefined && (head.closed || now - head.sealed > DEAD_AFTER_SECONDS);
    return isDone ? files.map((file) => ({ chain, file, until: head.sealed, rank: files[0] === 0 ? 1 : 0 })) : [];
  });
  const retired: RetiredRecord[] = [];
  const kept = new Set<string>();
  for (const candidate of candidates.toSorted(inOrder)) {
    if (retired.length === Math.min(excess, MAX_RETIRED)) break;
    if (kept.has(candidate.chain)) continue;
    const found = await describeFile(storage, key, candidate);
    if (found === undefined) kept.add(candidate.chain);
    else retired.push(found);
  }
  if (retired.length === 0) return;
  await record(retired);
  for (const { chain, file } of retired) {
    const head = heads.get(chain);
    const isLast = chain !== own.chain && file === chains.get(chain)?.at(-1);
    if (isLast && head !== undefined)
      await storage.replace(headName(chain), await sealHead(key, chain, { ...head, retired: true }));
    await storage.remove(fileName(chain, file));
    if (isLast) await storage.remove(headName(chain));
  }
}

function inOrder(a: Candidate, b: Candidate): number {
  if (a.rank === 0 || b.rank === 0) return a.rank - b.rank;
  return a.until - b.until || a.rank - b.rank;
}

/** The numbers of each chain's files, in order. */
export function filesByChain(names: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const chains = new Map<string, number[]>();
  for (const name of names) {
    const { chain, file } = parseName(name) ?? {};
    if (chain === undefined || file === undefined) continue;
    const files = chains.get(chain);
    if (files === undefined) chains.set(chain, [file]);
    else files.push(file);
  }
  for (const files of chains.values()) files.sort((a, b) => a - b);
  return chains;
}

/** What is recorded of a file that goes; undefined where it is not as it was written. */
async function describeFile(
  storage: AuditStorage,
  key: DataKey,
  { chain, file, until }: Candidate,
): Promise<RetiredRecord | undefined> {
  const bytes = await storage.read(fileName(chain, file));
  const lines = bytes === undefined ? [] : splitLines(bytes).lines.map(parseLine);
  for (const [i, line] of lines.entries()) {
    const before = lines[i - 1];
    if (line === undefined || (before !== undefined && !(await follows(key, before, line)))) return undefined;
  }
  const [first, last] = [lines[0], lines.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  return { chain, file, first: first.line, last: last.line, mac: last.mac, until };
}
