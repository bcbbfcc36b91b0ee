/** @module The configuration of the cache. */

/** Where answers may be kept. In 'ephemeral' mode nothing leaves this process's memory. */
export type PrivacyMode = 'ephemeral' | 'persisted_encrypted' | 'hashes_only';

/** How much is kept of what models answered, for how long, and where. */
export interface CacheConfig {
  /** Default true. */
  readonly enabled: boolean;
  /** Most entries that L1 keeps. Default 10,000. */
  readonly l1Size: number;
  /** Most bytes that L1 keeps. Default 268,435,456 (256 MiB). */
  readonly l1MaxBytes: number;
  /** Seconds for which an answer is served. Default 86,400 (a day). */
  readonly ttlSeconds: number;
  /** Default 'ephemeral'. */
  readonly privacyMode: PrivacyMode;
  /** Most bytes that L2 keeps. Default 1,073,741,824 (1 GiB). */
  readonly l2MaxBytes: number;
  /** Where L2's file is; '' is no L2. Default ''. */
  readonly l2Path: string;
  /** L3's Redis; '' is no L3. Default ''. */
  readonly redisUrl: string;
}

export const DEFAULT_CACHE_CONFIG: CacheConfig = {
  enabled: true,
  l1Size: 10_000,
  l1MaxBytes: 268_435_456,
  ttlSeconds: 86_400,
  privacyMode: 'ephemeral',
  l2MaxBytes: 1_073_741_824,
  l2Path: '',
  redisUrl: '',
};
