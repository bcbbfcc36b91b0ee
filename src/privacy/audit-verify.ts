/** @module Whether the audit log is still as it was written. */

import {
  CHAIN_START,
  fileName,
  follows,
  headName,
  MAX_UNSEALED_LINES,
  openHead,
  parseLine,
  parseName,
  splitLines,
} from './audit-lines.ts';
import type { ChainEnd, ChainHead, ParsedLine, RetiredRecord, WitnessedChain } from './audit-lines.ts';
import { filesByChain } from './audit-retention.ts';
import type { AuditStorage } from './audit-storage.ts';
import type { DataKey } from './keyring.ts';

export type AuditFaultKind =
  /** A line is not what was written there, or the one before it is not. */
  | 'line_changed'
  /** Lines are missing before this one. */
  | 'lines_missing'
  /** A line stands where it was not written, or a second time. */
  | 'line_moved'
  /** What stands there is no line. */
  | 'line_unreadable'
  /** Lines are missing at the end. */
  | 'lines_cut_off'
  | 'line_after_close'
  | 'file_missing'
  | 'head_missing'
  /** A head was not sealed by this key for this chain. */
  | 'head_changed'
  /** A head is further behind its lines than it can be. */
  | 'head_outdated'
  /** All of a chain is gone that another one has seen. */
  | 'chain_missing';

export interface AuditFault {
  readonly kind: AuditFaultKind;
  readonly chain: string;
  readonly file: string | undefined;
  /** In the file, from 1. */
  readonly line: number | undefined;
  readonly message: string;
}

/** What there is of one process. */
export interface AuditChainReport {
  readonly chain: string;
  readonly files: number;
  /** Lines that are as they were written. */
  readonly intactLines: number;
  /** Lines beyond the head: that there are no more of them is not known. At most 1,000, of at most about a second. */
  readonly unsealedLines: number;
  /** Lines in files that were removed because there were too many, by the records of that. */
  readonly retiredLines: number;
  /** Whether its process finished it; otherwise that is running, or ended without. */
  readonly closed: boolean;
  /** Whether it ends in a part of a line: being written, or left by a crash. */
  readonly torn: boolean;
}

/** Whether an audit log is as it was written. */
export interface AuditReport {
  /** Whether there is no fault. */
  readonly intact: boolean;
  readonly faults: readonly AuditFault[];
  readonly chains: readonly AuditChainReport[];
  /** Entries in intact lines. */
  readonly entries: number;
  /** Entries that could not be written when there were too many or the disk failed, as the log itself says. */
  readonly lostEntries: number;
}

/**
 * Reads all chains and checks each line, the heads, and what chains have seen of each other. What cannot be found, without a
 * fault in it: that the last lines of a chain were cut off that were not sealed yet; that a chain together with its head was
 * put back to an older state, or removed, where no chain began a file since; that a chain was removed that is older than
 * files that were retired since, where the record of its own retirement is retired too.
 */
export async function verifyAuditLog(storage: AuditStorage, key: DataKey): Promise<AuditReport> {
  const report = await new Verification(storage, key).run();
  // A file may have gone while it was read: retired, with a record in another that was read before.
  return report.intact ? report : new Verification(storage, key).run();
}

/** The first line of a file whose predecessor is not there. */
interface Orphan {
  readonly chain: Chain;
  readonly file: number;
  readonly line: ParsedLine | undefined;
}

/** What was read of a chain. */
class Chain {
  readonly id: string;
  head: ChainHead | undefined;
  files = 0;
  /** The number of the last file that is there. */
  lastFile = -1;
  intactLines = 0;
  torn = false;
  /** What the next line must follow; undefined where that is not known. */
  expected: ChainEnd | undefined = CHAIN_START;
  /** Lines so far, the missing ones included. */
  lines = 0;

  constructor(id: string) {
    this.id = id;
  }
}

class Verification {
  readonly #storage: AuditStorage;
  readonly #key: DataKey;
  readonly #faults: AuditFault[] = [];
  readonly #chains = new Map<string, Chain>();
  readonly #retired = new Map<string, RetiredRecord>();
  readonly #witnessed: { readonly chain: string; readonly seen: WitnessedChain }[] = [];
  readonly #orphans: Orphan[] = [];
  #entries = 0;
  #lost = 0;

  constructor(storage: AuditStorage, key: DataKey) {
    this.#storage = storage;
    this.#key = key;
  }

  async run(): Promise<AuditReport> {
    const names = await this.#storage.list();
    // Heads before lines, which may grow meanwhile.
    for (const name of names) await this.#readHead(name);
    for (const [id, files] of filesByChain(names)) {
      const chain = this.#chainOf(id);
      for (const [i, file] of files.entries()) await this.#readFile(chain, file, files[i - 1], i === files.length - 1);
    }
    for (const orphan of this.#orphans) await this.#checkOrphan(orphan);
    for (const chain of this.#chains.values()) this.#checkEnd(chain);
    for (const { chain, seen } of this.#witnessed) this.#checkWitnessed(chain, seen);
    return {
      intact: this.#faults.length === 0,
      faults: this.#faults,
      chains: [...this.#chains.values()].map((chain) => this.#describe(chain)),
      entries: this.#entries,
      lostEntries: this.#lost,
    };
  }

  async #readHead(name: string): Promise<void> {
    const parsed = parseName(name);
    if (parsed === undefined || parsed.file !== undefined) return;
    const sealed = await this.#storage.read(name);
    if (sealed === undefined) return;
    const chain = this.#chainOf(parsed.chain);
    chain.head = await openHead(this.#key, chain.id, sealed);
    if (chain.head === undefined)
      this.#fault('head_changed', chain.id, name, undefined, 'The head was not sealed by this key for this chain.');
  }

  async #readFile(chain: Chain, file: number, previous: number | undefined, isLast: boolean): Promise<void> {
    const name = fileName(chain.id, file);
    const bytes = await this.#storage.read(name);
    if (bytes === undefined) return;
    chain.files++;
    chain.lastFile = file;
    const { lines, torn } = splitLines(bytes);
    const follower = file === (previous ?? -1) + 1;
    if (!follower) chain.expected = undefined;
    for (const [i, raw] of lines.entries()) {
      const line = parseLine(raw);
      if (i === 0 && !follower) this.#orphans.push({ chain, file, line });
      await this.#readLine(chain, name, i + 1, line);
    }
    if (lines.length === 0 && !follower) this.#orphans.push({ chain, file, line: undefined });
    if (torn && (!isLast || chain.head?.closed === true))
      this.#fault('line_unreadable', chain.id, name, lines.length + 1, 'The file ends within a line.');
    else if (torn) chain.torn = true;
  }

  async #readLine(chain: Chain, name: string, number: number, line: ParsedLine | undefined): Promise<void> {
    const fault = (kind: AuditFaultKind, message: string): void => this.#fault(kind, chain.id, name, number, message);
    if (line === undefined) {
      fault('line_unreadable', 'This is no line of an audit log.');
      chain.expected = undefined;
      chain.lines++;
      return;
    }
    const { expected } = chain;
    if (line.chain !== chain.id) return fault('line_moved', `The line belongs to the chain ${line.chain}.`);
    if (expected !== undefined && line.line < expected.lines)
      return fault('line_moved', `Line ${line.line} of the chain stands where line ${expected.lines} belongs.`);
    if (expected !== undefined && line.line > expected.lines)
      fault('lines_missing', `Lines ${expected.lines} to ${line.line - 1} of the chain are missing before this one.`);
    else if (expected !== undefined && !(await follows(this.#key, expected, line)))
      fault('line_changed', `Line ${line.line} of the chain, or the one before it, is not as it was written.`);
    else if (expected !== undefined) this.#take(chain, line);
    if (chain.head !== undefined && line.line === chain.head.lines - 1 && line.mac !== chain.head.mac)
      fault('line_changed', `Line ${line.line} of the chain is not the one that its head was sealed for.`);
    chain.expected = { lines: line.line + 1, mac: line.mac };
    chain.lines = line.line + 1;
  }

  /** A line that is as it was written. */
  #take(chain: Chain, { record }: ParsedLine): void {
    chain.intactLines++;
    if ('entry' in record) this.#entries++;
    else if ('lost' in record) this.#lost += record.lost;
    else if ('retired' in record) this.#retired.set(`${record.retired.chain} ${record.retired.file}`, record.retired);
    else
      for (const [chainId, seen] of Object.entries(record.file.others)) this.#witnessed.push({ chain: chainId, seen });
  }

  /** A file whose predecessor is not there: that was retired, or should be there. */
  async #checkOrphan({ chain, file, line }: Orphan): Promise<void> {
    const retired = this.#retired.get(`${chain.id} ${file - 1}`);
    const name = fileName(chain.id, file);
    if (retired === undefined && chain.head?.retired === true) return;
    if (retired === undefined)
      return this.#fault(
        'file_missing',
        chain.id,
        fileName(chain.id, file - 1),
        undefined,
        `The file before ${name} is missing.`,
      );
    if (line === undefined) return;
    if (line.line === retired.last + 1 && (await follows(this.#key, retired, line))) return this.#take(chain, line);
    this.#fault(
      'line_changed',
      chain.id,
      name,
      1,
      `Line ${line.line} of the chain does not follow the file that was retired.`,
    );
  }

  #checkEnd(chain: Chain): void {
    const { id, head } = chain;
    if (head?.retired === true) return;
    const fault = (kind: AuditFaultKind, message: string): void =>
      this.#fault(kind, id, kind.startsWith('head') ? headName(id) : undefined, undefined, message);
    if (head === undefined) {
      const isReported = this.#faults.some((each) => each.kind === 'head_changed' && each.chain === id);
      if (!isReported && chain.lines > 0)
        fault('head_missing', 'The head is missing: whether this is all is not known.');
      return;
    }
    const lines = Math.max(chain.lines, this.#retiredEnd(id));
    if (lines < head.lines) {
      const missing = `Lines ${lines} to ${head.lines - 1} of the chain are missing at its end.`;
      const gone = chain.lastFile < head.file ? fileName(id, chain.lastFile + 1) : undefined;
      if (gone === undefined) fault('lines_cut_off', missing);
      else this.#fault('file_missing', id, gone, undefined, `The file ${gone} is missing. ${missing}`);
    } else if (head.closed && lines > head.lines) fault('line_after_close', 'The chain goes on after it was closed.');
    else if (lines - head.lines > MAX_UNSEALED_LINES)
      fault('head_outdated', `The head is ${lines - head.lines} lines behind: it is an older one that was put back.`);
  }

  #checkWitnessed(id: string, { lines, sealed }: WitnessedChain): void {
    const chain = this.#chains.get(id);
    const there = Math.max(chain?.lines ?? 0, this.#retiredEnd(id));
    if (there >= lines || chain?.head?.retired === true) return;
    if (chain !== undefined) {
      const isReported = this.#faults.some((each) => each.chain === id && /cut_off|missing/.test(each.kind));
      if (!isReported)
        this.#fault(
          'lines_cut_off',
          id,
          undefined,
          undefined,
          `Lines ${there} to ${lines - 1} of the chain are missing at its end, which another chain has seen.`,
        );
      return;
    }
    const horizon = Math.max(0, ...[...this.#retired.values()].map(({ until }) => until));
    if (sealed > horizon && !this.#faults.some((each) => each.kind === 'chain_missing' && each.chain === id))
      this.#fault(
        'chain_missing',
        id,
        undefined,
        undefined,
        `All of the chain is missing: ${lines} lines or more, which another chain has seen.`,
      );
  }

  /** Lines of a chain up to the last that was retired. */
  #retiredEnd(id: string): number {
    let end = 0;
    for (const { chain, last } of this.#retired.values()) if (chain === id) end = Math.max(end, last + 1);
    return end;
  }

  #describe({ id, head, files, intactLines, lines, torn }: Chain): AuditChainReport {
    let retiredLines = 0;
    for (const { chain, first, last } of this.#retired.values()) if (chain === id) retiredLines += last - first + 1;
    return {
      chain: id,
      files,
      intactLines,
      unsealedLines: Math.max(0, lines - (head?.lines ?? 0)),
      retiredLines,
      closed: head?.closed === true,
      torn,
    };
  }

  #chainOf(id: string): Chain {
    let chain = this.#chains.get(id);
    if (chain === undefined) this.#chains.set(id, (chain = new Chain(id)));
    return chain;
  }

  #fault(
    kind: AuditFaultKind,
    chain: string,
    file: string | undefined,
    line: number | undefined,
    message: string,
  ): void {
    this.#faults.push({ kind, chain, file, line, message });
  }
}
