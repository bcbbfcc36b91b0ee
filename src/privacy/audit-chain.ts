/** @module One process's part of the audit log: lines that build on each other, written behind the call. */

import { systemClock } from '../clock.ts';
import { ClosedError } from '../errors.ts';
import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { Clock } from '../platform.ts';
import type { AuditEntry } from './audit-entry.ts';
import { CHAIN_START, fileName, headName, MAX_UNSEALED_LINES, sealHead, writeLine } from './audit-lines.ts';
import type { AuditRecord, ChainEnd } from './audit-lines.ts';
import type { AuditSink } from './audit-logger.ts';
import { retireFiles, witnessChains } from './audit-retention.ts';
import { FileGoneError } from './audit-storage.ts';
import type { AuditStorage } from './audit-storage.ts';
import { verifyAuditLog } from './audit-verify.ts';
import type { AuditReport } from './audit-verify.ts';
import { concat, toHex } from '../bytes.ts';
import type { DataKey } from './keyring.ts';

/** Where the lines go, and how many there may be. */
export interface AuditChainOptions {
  readonly storage: AuditStorage;
  /** The same for all that write to the storage or verify what is there: see `openAuditKey`. */
  readonly key: DataKey;
  readonly clock?: Clock | undefined;
  /** A file that is larger is followed by another. Default 16,777,216 (16 MiB). */
  readonly maxFileBytes?: number | undefined;
  /**
   * Most files in the storage, other processes' included. What is more is removed, the oldest first, with a line that says
   * so; but nothing of a process that still writes, and nothing that was tampered with. Default: no limit.
   */
  readonly maxFiles?: number | undefined;
  /** Entries that wait to be written; more are lost, and a line says how many. Default 10,000. */
  readonly maxPending?: number | undefined;
}

/** A head is no further behind than this, while lines can be written at all. */
const SEAL_AFTER_MS = 1000;
/** A head of a process that lives is sealed anew after this, also where nothing is written. */
const SEAL_AGAIN_MS = 3_600_000;
/** Lines that are made in one turn of the event loop. */
const MAX_BATCH = 200;
/** After a failure it is tried again, later each time. */
const RETRY_MS = { first: 1000, longest: 60_000 };

/**
 * A sink that keeps entries as lines of JSON, each with an HMAC over itself and the line before, under a random id: a chain.
 * Its head, which says how many lines there are, is sealed apart. So a line that is removed, changed, moved or cut off is
 * found, by whoever has the key, as long as it was sealed: what was written in the last second, and no more than 1,000 lines,
 * may be cut off unseen. Whoever can put back an older state of all files is found only by what other chains have seen since.
 *
 * Files are made with the first entry. After `kill -9` or a loss of power, what is missing is at most the entries that waited
 * to be written; the last line may be torn.
 */
export class AuditChain implements AuditSink {
  /** 16 hexadecimal digits. */
  readonly id: string = toHex(crypto.getRandomValues(new Uint8Array(8)));
  readonly #storage: AuditStorage;
  readonly #key: DataKey;
  readonly #clock: Clock;
  readonly #maxFileBytes: number;
  readonly #maxFiles: number;
  readonly #maxPending: number;
  readonly #errors = new Emitter<unknown>();

  readonly #pending: AuditEntry[] = [];
  #lost = 0;
  #end: ChainEnd = CHAIN_START;
  /** The file that is written to. None has the number -1. */
  #file = -1;
  #offset = 0;
  readonly #filledAt: number[] = [];
  #sealedLines = 0;
  #sealedAt = 0;
  #retryMs: number = RETRY_MS.first;
  /** What is done to the storage, one after another. */
  #work: Promise<void> = Promise.resolve();
  #timer: Disposable | undefined;
  #isWriting = false;
  #state: 'open' | 'closing' | 'closed' = 'open';

  /** @throws RangeError where a limit is no whole number from 1. */
  constructor({
    storage,
    key,
    clock = systemClock,
    maxFileBytes = 16_777_216,
    maxFiles = Infinity,
    maxPending = 10_000,
  }: AuditChainOptions) {
    for (const [name, value] of Object.entries({ maxFileBytes, maxFiles, maxPending })) {
      const isWhole = Number.isSafeInteger(value) || (name === 'maxFiles' && value === Infinity);
      if (!isWhole || value < 1) throw new RangeError(`${name} is a whole number from 1, not ${value}.`);
    }
    this.#storage = storage;
    this.#key = key;
    this.#clock = clock;
    this.#maxFileBytes = maxFileBytes;
    this.#maxFiles = maxFiles;
    this.#maxPending = maxPending;
  }

  /** The storage failed, with what. What could not be written is tried again. */
  get onError(): EventSource<unknown> {
    return this.#errors.event;
  }

  /** Takes the entry and returns at once. @throws ClosedError once it is closed. */
  write(entry: AuditEntry): void {
    if (this.#state !== 'open') throw new ClosedError('The audit log is closed.');
    if (this.#pending.length < this.#maxPending) this.#pending.push(entry);
    else if (this.#lost++ === 0)
      this.#errors.emit(new Error(`More than ${this.#maxPending} entries wait to be written. What comes now is lost.`));
    // While it waits to try again, more entries do not hasten it.
    if (!this.#isWriting && this.#retryMs === RETRY_MS.first) this.#write();
  }

  /** Settles when all entries are written and the head is sealed. Rejects where the storage fails. */
  async flush(): Promise<void> {
    await this.#enqueue(async () => {
      await this.#writePending();
      await this.#sealIfBehind();
    });
  }

  /** Writes what waits, and seals the head for good. Rejects where the storage fails. Closing twice is fine. */
  async close(): Promise<void> {
    if (this.#state !== 'open') return this.#work;
    this.#state = 'closing';
    try {
      await this.#enqueue(async () => {
        await this.#writePending();
        this.#state = 'closed';
        if (this.#file >= 0) await this.#seal();
      });
    } finally {
      this.#state = 'closed';
      this.#timer?.[Symbol.dispose]();
      await this.#storage.close();
    }
  }

  /** Writes what waits, and verifies all that is in the storage, of all processes. */
  async verify(): Promise<AuditReport> {
    if (this.#state === 'open') await this.flush();
    return verifyAuditLog(this.#storage, this.#key);
  }

  #write(): void {
    this.#isWriting = true;
    // In the next turn, with all that this one logs.
    this.#clock.soon(() => {
      void this.#enqueue(() => this.#writePending()).then(
        () => {
          this.#isWriting = false;
          this.#retryMs = RETRY_MS.first;
          if (this.#state !== 'open') return;
          // What was logged after the last look at what waits.
          if (this.#pending.length > 0) this.#write();
          else this.#scheduleSeal();
        },
        (error: unknown) => {
          this.#isWriting = false;
          this.#failed(error);
        },
      );
    });
  }

  #failed(error: unknown): void {
    this.#errors.emit(error);
    if (this.#state !== 'open') return;
    this.#schedule(this.#retryMs, () => this.#write());
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS.longest);
  }

  #scheduleSeal(): void {
    const behind = this.#end.lines > this.#sealedLines;
    const due = this.#sealedAt + (behind ? SEAL_AFTER_MS : SEAL_AGAIN_MS);
    this.#schedule(due - this.#clock.now(), () => {
      void this.#enqueue(() => this.#seal()).then(
        () => this.#state === 'open' && this.#scheduleSeal(),
        (error: unknown) => this.#failed(error),
      );
    });
  }

  #schedule(delayMs: number, task: () => void): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#clock.after(Math.max(0, delayMs), task);
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    const done = this.#work.then(task);
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #writePending(): Promise<void> {
    while (this.#pending.length > 0 || this.#lost > 0) {
      if (this.#end.lines - this.#sealedLines >= MAX_UNSEALED_LINES) await this.#seal();
      if (this.#file < 0 || this.#offset >= this.#maxFileBytes) await this.#beginFile();
      const room = MAX_UNSEALED_LINES - (this.#end.lines - this.#sealedLines);
      const { length } = this.#pending;
      const count = Math.min(length, MAX_BATCH, room);
      const entries: AuditRecord[] = this.#pending.slice(0, count).map((entry) => ({ entry }));
      // What was lost came after all that waits.
      const lost = count === length && count < room ? this.#lost : 0;
      await this.#append(lost === 0 ? entries : [...entries, { lost }]);
      this.#pending.splice(0, count);
      this.#lost -= lost;
      if (this.#clock.now() - this.#sealedAt >= SEAL_AFTER_MS) await this.#seal();
    }
  }

  /** Writes lines for the records, all or none. */
  async #append(records: readonly AuditRecord[], file = this.#file, offset = this.#offset): Promise<void> {
    const lines: Uint8Array[] = [];
    let end = this.#end;
    for (const record of records) {
      const line = await writeLine(this.#key, this.id, end, record);
      lines.push(line.bytes);
      ({ end } = line);
    }
    const bytes = concat(lines);
    try {
      await this.#storage.append(fileName(this.id, file), offset, bytes);
    } catch (error) {
      if (error instanceof FileGoneError) this.#offset = Infinity;
      throw error;
    }
    this.#end = end;
    this.#file = file;
    this.#offset = offset + bytes.length;
  }

  async #beginFile(): Promise<void> {
    // There is a head before there is a line, and what one file holds is safe before there is another.
    await this.#seal();
    const number = this.#file + 1;
    const others = await witnessChains(this.#storage, this.#key, this.id);
    const timestamp = this.#timestamp();
    await this.#append([{ file: { version: 1, number, timestamp, others } }], number, 0);
    if (number > 0) this.#filledAt[number - 1] = timestamp;
    if (this.#maxFiles === Infinity) return;
    await retireFiles({
      storage: this.#storage,
      key: this.#key,
      own: { chain: this.id, filledAt: this.#filledAt },
      maxFiles: this.#maxFiles,
      now: timestamp,
      record: async (retired) => {
        await this.#append(retired.map((each) => ({ retired: each })));
        await this.#seal();
      },
    });
  }

  async #sealIfBehind(): Promise<void> {
    if (this.#end.lines > this.#sealedLines) await this.#seal();
  }

  async #seal(): Promise<void> {
    const closed = this.#state === 'closed';
    if (this.#end.lines > this.#sealedLines) await this.#storage.sync(fileName(this.id, this.#file));
    const head = { ...this.#end, file: Math.max(0, this.#file), closed, sealed: this.#timestamp() };
    await this.#storage.replace(headName(this.id), await sealHead(this.#key, this.id, head));
    this.#sealedLines = head.lines;
    this.#sealedAt = this.#clock.now();
  }

  #timestamp(): number {
    return this.#clock.epochNow() / 1000;
  }
}
