/** @module Tiers of which some are not there: nobody is told that they forgot. */

import type { CacheKey, KeptAnswer } from '../cache/inference-cache.ts';
import { LowerTiers } from '../cache/lower-tiers.ts';
import type { Looked, LowerTiersOptions } from '../cache/lower-tiers.ts';
import { ClosedError } from '../errors.ts';
import type { MaybePromise, Platform } from '../platform.ts';

/** What they are asked to forget, those that are there forget; then it rejects with what `why` makes. */
export class PartialTiers extends LowerTiers {
  readonly #isEmpty: boolean;
  readonly #why: () => Error;

  constructor(options: LowerTiersOptions, why: () => Error) {
    super(options);
    this.#isEmpty = options.tiers.length === 0;
    this.#why = why;
  }

  override look(key: CacheKey, signal: AbortSignal | undefined): MaybePromise<Looked> {
    return this.#isEmpty ? {} : super.look(key, signal);
  }

  override write(key: CacheKey, kept: KeptAnswer): 'redacted' | undefined {
    return this.#isEmpty ? undefined : super.write(key, kept);
  }

  override async invalidateModel(identity: string): Promise<void> {
    await super.invalidateModel(identity);
    throw this.#why();
  }

  override async forgetTenant(tenant: string): Promise<void> {
    await super.forgetTenant(tenant);
    throw this.#why();
  }
}

/** No tier at all: they could not be opened. */
export function noTiers({ clock, digest, waitUntil }: Platform, why: () => Error): LowerTiers {
  const bytes = (value: Uint8Array): MaybePromise<string> => digest(value);
  return new PartialTiers({ tiers: [], clock, digest: bytes, ttlMs: 0, waitUntil: (work) => waitUntil(work) }, why);
}

/** No tier any more. */
export function closedTiers(platform: Platform): LowerTiers {
  return noTiers(platform, whyClosed);
}

export function whyClosed(): Error {
  return new ClosedError('This epochly is closed: what it kept outside of memory stays as it is.');
}
