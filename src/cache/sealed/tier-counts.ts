/** @module What a tier did, counted. */

import { KeyError } from '../../key-error.ts';
import { Emitter } from '../../events.ts';
import type { TierMissReason, TierStats } from '../cache-tier.ts';

export class TierCounts {
  readonly errors: Emitter<unknown> = new Emitter();
  readonly #misses: Record<TierMissReason, number> = {
    absent: 0,
    expired: 0,
    unauthentic: 0,
    other_version: 0,
    wrong_key: 0,
    error: 0,
  };
  #hits = 0;
  #puts = 0;
  #errors = 0;
  #dropped = 0;

  hit(): void {
    this.#hits++;
  }

  miss(reason: TierMissReason): undefined {
    this.#misses[reason]++;
  }

  put(): void {
    this.#puts++;
  }

  drop(puts: number): void {
    this.#dropped += puts;
  }

  error(error: unknown): void {
    this.#errors++;
    this.errors.emit(error);
  }

  /** A miss for what was thrown. */
  failedGet(error: unknown): undefined {
    this.error(error);
    const reason = error instanceof KeyError ? error.reason : undefined;
    return this.miss(reason === 'wrong' ? 'wrong_key' : reason === 'damaged' ? 'unauthentic' : 'error');
  }

  snapshot(): TierStats & { readonly missReasons: Readonly<Record<TierMissReason, number>>; readonly dropped: number } {
    const misses = Object.values(this.#misses).reduce((sum, each) => sum + each, 0);
    return {
      hits: this.#hits,
      misses,
      puts: this.#puts,
      errors: this.#errors,
      missReasons: { ...this.#misses },
      dropped: this.#dropped,
    };
  }
}
