/** @module The configuration of the cache. */

export const PRIVACY_MODES = ['ephemeral', 'persisted_encrypted', 'hashes_only'] as const;

/**
 * Where answers may be kept. 'ephemeral': nothing leaves this process's memory. 'persisted_encrypted': sealed answers outlive it.
 * 'hashes_only': only keyed hashes of questions and answers do, so that an answer which changed is noticed.
 */
export type PrivacyMode = (typeof PRIVACY_MODES)[number];

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
  /** The same as `privacy.mode`: who gives one of them gives both. Default 'ephemeral'. */
  readonly privacyMode: PrivacyMode;
  /** Most bytes that L2 keeps. Default 1,073,741,824 (1 GiB). */
  readonly l2MaxBytes: number;
  /**
   * Where L2 is, in modes other than 'ephemeral': a file in Node, the name of a database in browsers. Default '': in Node
   * `~/.epochly/answers.sqlite`, in browsers 'epochly'; but no L2 where `redisUrl` is given.
   */
  readonly l2Path: string;
  /** L3's Redis, in modes other than 'ephemeral': `redis://` or `rediss://`. '' is no L3. Default ''. */
  readonly redisUrl: string;
  /**
   * What all names in Redis begin with: applications with master keys of their own need prefixes of their own where they share a
   * database. Not empty. Default 'epochly:'.
   */
  readonly redisPrefix: string;
  /** Longest that a call waits for Redis, in milliseconds: afterwards it is not asked for a while. Default 250. */
  readonly redisTimeoutMs: number;
  /** Whether nodes that are asked the same at once wait for the first one's answer, through Redis. Default false. */
  readonly crossNodeSingleFlight: boolean;
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
  redisPrefix: 'epochly:',
  redisTimeoutMs: 250,
  crossNodeSingleFlight: false,
};
