/** @module Answers that came from persistent tiers, as the audit log tells of them: the first of a model at once, then their number. */

import type { Clock } from '../platform.ts';
import type { AuditEvent } from '../privacy/audit-logger.ts';
import type { CallEvent } from '../wrap.ts';

const EVERY_MS = 60_000;

/** Of a model in a tier since the last entry. */
interface Accesses {
  readonly modelId: number;
  readonly tier: string;
  count: number;
}

/** A line for each hit would be most of the log, and say little more. */
export class AccessLog {
  readonly #clock: Clock;
  readonly #audit: (event: AuditEvent) => void;
  /** Of models that were answered in the last minute. */
  readonly #recent = new Map<string, Accesses>();
  #timer: Disposable | undefined;

  constructor(clock: Clock, audit: (event: AuditEvent) => void) {
    this.#clock = clock;
    this.#audit = audit;
  }

  add({ source, modelId }: Pick<CallEvent, 'source' | 'modelId'>): void {
    if (source !== 'l2' && source !== 'l3') return;
    const key = `${source} ${modelId}`;
    const known = this.#recent.get(key);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const accesses = { modelId, tier: source, count: 1 };
    this.#recent.set(key, accesses);
    this.#log(accesses);
    this.#timer ??= this.#clock.after(EVERY_MS, () => this.#tick());
  }

  /** Logs what was counted and not yet said. */
  flush(): void {
    for (const accesses of this.#recent.values()) if (accesses.count > 0) this.#log(accesses);
  }

  close(): void {
    this.#timer?.[Symbol.dispose]();
    this.flush();
    this.#recent.clear();
  }

  #tick(): void {
    for (const [key, accesses] of this.#recent) {
      if (accesses.count > 0) this.#log(accesses);
      else this.#recent.delete(key);
    }
    this.#timer = this.#recent.size === 0 ? undefined : this.#clock.after(EVERY_MS, () => this.#tick());
  }

  #log(accesses: Accesses): void {
    const { modelId, tier, count } = accesses;
    accesses.count = 0;
    this.#audit({ operation: 'cache_access', modelId, result: 'hit', details: { tier, count } });
  }
}
