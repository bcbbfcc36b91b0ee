/** @module One tier of the cache below L1. */

import type { MaybePromise } from '../platform.ts';

/** What a tier did since it was opened. */
export interface TierStats {
  readonly hits: number;
  readonly misses: number;
  readonly puts: number;
  /** Reads and writes that failed: each was taken for a miss. */
  readonly errors: number;
}

/**
 * Answers as bytes, by slot. A tier never fails a call: what goes wrong inside is a miss and is counted. Test one of your own
 * with `testCacheTier` from 'epochly/testing'.
 */
export interface CacheTier {
  get(key: string): MaybePromise<Uint8Array | undefined>;
  /** `ttlSeconds`: after that it is a miss. Default: the tier's own. */
  put(key: string, value: Uint8Array, options?: { readonly ttlSeconds?: number | undefined }): MaybePromise<void>;
  delete(key: string): MaybePromise<void>;
  clearPrefix(prefix: string): MaybePromise<void>;
  getStats(): TierStats;
  /** Writes what is not yet written. Later reads are misses, later writes do nothing. */
  close(): MaybePromise<void>;
}
