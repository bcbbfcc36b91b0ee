/** @module The audit log: what was decided, by which evidence. */

import { systemClock } from '../clock.ts';
import { UnsupportedOperationError } from '../errors.ts';
import { Emitter } from '../events.ts';
import type { EventSource } from '../events.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import { copyDetails, shorten } from './audit-entry.ts';
import type { AuditDetails, AuditEntry } from './audit-entry.ts';
import type { AuditReport } from './audit-verify.ts';

/** Where entries go beside memory. What fails in it is counted and fails nobody. */
export interface AuditSink {
  write(entry: AuditEntry): MaybePromise<void>;
  /** What failed since, where `write` returned before. */
  readonly onError?: EventSource<unknown> | undefined;
  /** Settles when all entries are written. */
  flush?(): MaybePromise<void>;
  close?(): MaybePromise<void>;
  /** Whether what was written is still as it was written. */
  verify?(): Promise<AuditReport>;
}

/** Limits, and where entries go beside memory; each has a default. */
export interface AuditLoggerOptions {
  /** Entries that are kept in memory; the oldest go first. Default 10,000. */
  readonly maxEntries?: number | undefined;
  readonly clock?: Pick<Clock, 'epochNow'> | undefined;
  readonly sink?: AuditSink | undefined;
  /** Redacts the details of each entry before it is kept or written: an `InputRedactor`. */
  readonly redactor?: { redact(details: AuditDetails): AuditDetails } | undefined;
}

/** What is logged. */
export interface AuditEvent {
  /** What was done or asked: 'gate_optimization', 'cache_access', ... */
  readonly operation: string;
  readonly modelId: number | string;
  /** Default ''. */
  readonly optimizationName?: string | undefined;
  /** What came of it: 'allowed', 'refused', ... */
  readonly result: string;
  /** Evidence, as plain data. No inputs, no outputs. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}

/** Append-only, bounded in memory. Entries are frozen copies. */
export class AuditLogger {
  readonly #maxEntries: number;
  readonly #clock: Pick<Clock, 'epochNow'>;
  readonly #redactor: AuditLoggerOptions['redactor'];
  readonly #errors = new Emitter<{ readonly error: unknown }>();
  #sink: AuditSink | undefined;
  #verify: AuditSink['verify'];
  /** A ring once it is full: then the oldest is at #begin. */
  readonly #entries: AuditEntry[] = [];
  #begin = 0;
  readonly #pending = new Set<Promise<void>>();
  #sinkErrors = 0;
  #reporting = false;

  /** @throws RangeError where maxEntries is no whole number from 1. */
  constructor({ maxEntries = 10_000, clock = systemClock, sink, redactor }: AuditLoggerOptions = {}) {
    if (!Number.isSafeInteger(maxEntries) || maxEntries < 1)
      throw new RangeError(`maxEntries is a whole number from 1, not ${maxEntries}.`);
    this.#maxEntries = maxEntries;
    this.#clock = clock;
    this.#redactor = redactor;
    if (sink !== undefined) this.attach(sink);
  }

  /** Writes to this sink from now on, and to begin with what is in memory. @throws UnsupportedOperationError where there is one. */
  attach(sink: AuditSink): void {
    if (this.#verify !== undefined || this.#sink !== undefined)
      throw new UnsupportedOperationError('This audit log is written to a place already.');
    this.#sink = sink;
    this.#verify = sink.verify?.bind(sink);
    sink.onError?.((error) => this.#failed(error));
    for (const entry of this.getEntries()) this.#write(entry);
  }

  /** Entries in memory. */
  get count(): number {
    return this.#entries.length;
  }

  /** How often the sink failed. */
  get sinkErrors(): number {
    return this.#sinkErrors;
  }

  /** The sink failed: what it threw. */
  get onSinkError(): EventSource<{ readonly error: unknown }> {
    return this.#errors.event;
  }

  /** Never throws, and never waits for the sink. */
  logEvent({ operation, modelId, optimizationName = '', result, details }: AuditEvent): void {
    const entry: AuditEntry = Object.freeze({
      timestamp: this.#clock.epochNow() / 1000,
      operation: shorten(operation),
      model_id: typeof modelId === 'string' ? shorten(modelId) : modelId,
      optimization_name: shorten(optimizationName),
      result: shorten(result),
      details: this.#detailsOf(details),
    });
    if (this.#entries.length < this.#maxEntries) this.#entries.push(entry);
    else {
      this.#entries[this.#begin] = entry;
      this.#begin = (this.#begin + 1) % this.#maxEntries;
    }
    this.#write(entry);
  }

  /** A copy of the list, the oldest entry first. */
  getEntries(): AuditEntry[] {
    return [...this.#entries.slice(this.#begin), ...this.#entries.slice(0, this.#begin)];
  }

  /** Entries of that time and later. @param unixTimestamp Seconds since the Unix epoch. */
  getEntriesSince(unixTimestamp: number): AuditEntry[] {
    return this.getEntries().filter(({ timestamp }) => timestamp >= unixTimestamp);
  }

  /** Settles when the sink has written all entries, or has failed to. */
  async flush(): Promise<void> {
    await Promise.all(this.#pending);
    await this.#attempt(() => this.#sink?.flush?.());
  }

  /** Flushes and closes the sink. Entries that are logged later are kept in memory alone. Closing twice is fine. */
  async close(): Promise<void> {
    await this.flush();
    const sink = this.#sink;
    this.#sink = undefined;
    await this.#attempt(() => sink?.close?.());
  }

  /**
   * Whether everything that was written is still there as it was written.
   * @throws UnsupportedOperationError where entries are kept in memory alone, or by a sink that cannot tell.
   */
  async verify(): Promise<AuditReport> {
    if (this.#verify === undefined)
      throw new UnsupportedOperationError(
        'This audit log is kept in memory alone. Open it with a place to write to, for a log that can be verified.',
      );
    return this.#verify();
  }

  #detailsOf(details: AuditEvent['details']): AuditDetails {
    const copy = copyDetails(details);
    if (this.#redactor === undefined) return copy;
    // Copied again, for what it made is not frozen.
    return copyDetails(this.#redactor.redact(copy));
  }

  #write(entry: AuditEntry): void {
    try {
      const written = this.#sink?.write(entry);
      if (!(written instanceof Promise)) return;
      const pending: Promise<void> = written.catch((error: unknown) => this.#failed(error));
      this.#pending.add(pending);
      void pending.then(() => this.#pending.delete(pending));
    } catch (error) {
      this.#failed(error);
    }
  }

  async #attempt(task: () => MaybePromise<void> | undefined): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#sinkErrors++;
    // A listener that logs what it hears of must not be told that this failed too.
    if (this.#reporting) return;
    this.#reporting = true;
    this.#errors.emit({ error });
    this.#reporting = false;
  }
}
