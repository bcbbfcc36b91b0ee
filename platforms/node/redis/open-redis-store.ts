/** @module Opens a store in Redis. */

import type { ByteStore } from '../../../src/cache/byte-store.ts';
import type { Clock } from '../../../src/platform.ts';
import { nodeClock } from '../clock.ts';
import { clientOf } from './connect-redis.ts';
import type { RedisAddress } from './connect-redis.ts';
import { RedisConnection } from './redis-connection.ts';
import { RedisStore } from './redis-store.ts';

export type { RedisAddress } from './connect-redis.ts';

export interface RedisStoreOptions extends RedisAddress {
  /** What all of the store's keys and its channel begin with. Default 'epochly:'. */
  readonly prefix?: string | undefined;
  /** Longest that Redis may take for one answer, in milliseconds. Default 1000. */
  readonly timeoutMs?: number | undefined;
  /** Longest that it may take to connect. Default 5000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long a lock outlives a holder that died, in milliseconds. Default 10,000. */
  readonly lockTtlMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** From 0 to below 1: so that not everybody tries again at once. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/**
 * Opens a store in Redis 6.2 or newer, or what speaks its protocol. Where Redis cannot be reached now, the store is opened all
 * the same: calls reject until it can. Nothing waits in a queue for that.
 *
 * Entries expire by themselves. A batch is one transaction; in a cluster one for each hash slot. `trim` deletes those that Redis
 * knows the longest time without a use of, by the second; under an LFU policy those it knows the fewest uses of. `usage` and
 * `trim` count as a use themselves. `deletePrefix` finds what was there when it began.
 *
 * A store keeps the process alive only while it waits for an answer, and for some seconds where no Sentinel can be reached. A client
 * of the caller’s does so as it did before.
 *
 * @throws MissingPeerError where ioredis is not installed; TypeError, RangeError for an address that is none.
 * @throws StoreError where the server has no database of that number; so does each call where that shows later.
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<ByteStore> {
  const { prefix = 'epochly:', timeoutMs = 1000, connectTimeoutMs = 5000, lockTtlMs = 10_000 } = options;
  const { clock = nodeClock, random = Math.random } = options;
  for (const [name, value] of Object.entries({ timeoutMs, connectTimeoutMs, lockTtlMs }))
    if (!(value > 0)) throw new RangeError(`${name} is above 0, not ${value}.`);
  const isOwn = options.client === undefined;
  const client = clientOf(options, { connectTimeoutMs, random });
  const connection = new RedisConnection(client, { isOwn, timeoutMs, clock, random });
  if (isOwn) await connection.open();
  return new RedisStore(connection, { prefix, lockTtlMs, clock, random });
}
