/** @module Makes a client of Redis from what the caller said of where it is. */

import { backoffMs } from '../../../src/backoff.ts';
import { resolvePeer } from '../resolve-peer.ts';
import { isRedisClient } from './redis-client.ts';
import type { IoRedis, RedisClient, RedisLike } from './redis-client.ts';
import { DISCONNECT_TIMEOUT_MS, KEEP_ALIVE_MS } from './redis-connection.ts';

type Options = Readonly<Record<string, unknown>>;

/** Where Redis is: one of `url` and `redis`, or both; or `cluster`; or `client`. */
export interface RedisAddress {
  /** `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. */
  readonly url?: string | undefined;
  /** Options of ioredis's `Redis`: for Sentinel `sentinels` and `name`; `tls`; a socket's `path`. What the URL says goes first. */
  readonly redis?: Options | undefined;
  /** Some nodes of a cluster, as ioredis takes them (`{ host, port }`, a URL), and options of ioredis's `Cluster`. */
  readonly cluster?: { readonly nodes: readonly unknown[]; readonly options?: Options | undefined } | undefined;
  /** An ioredis `Redis` or `Cluster` of the caller's. It keeps its own settings, and is never closed here. */
  readonly client?: RedisLike | undefined;
}

/** ioredis would take another path for database 0. */
const URL_OF_REDIS = /^rediss?:\/\/[^/?#]*(\/\d*)?([?#].*)?$/;

/** Nothing waits for a connection, and nothing is sent twice: to try again is for who asks. */
const OWN = { lazyConnect: true, enableOfflineQueue: false };
const OWN_NODE = {
  keepAlive: KEEP_ALIVE_MS,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  disconnectTimeout: DISCONNECT_TIMEOUT_MS,
};
const BACKOFF = { minMs: 50, maxMs: 2000 };

export interface ConnectOptions {
  readonly connectTimeoutMs: number;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/**
 * A client, which is not connected yet unless it is the caller's.
 *
 * @throws TypeError, RangeError for what is no address; MissingPeerError where ioredis is not installed.
 */
export function clientOf(
  { url, redis, cluster, client }: RedisAddress,
  { connectTimeoutMs, random }: ConnectOptions,
): RedisClient {
  const given = [url ?? redis, cluster, client].filter((each) => each !== undefined);
  if (given.length !== 1) throw new RangeError('Say where Redis is: give one of url (or redis), cluster and client.');
  if (client !== undefined) {
    if (!isRedisClient(client)) throw new TypeError('client is no Redis or Cluster of ioredis.');
    return client;
  }
  if (url !== undefined && !/^rediss?:\/\//.test(url))
    throw new RangeError('The URL of Redis begins with redis:// or rediss://.');
  if (url !== undefined && !URL_OF_REDIS.test(url))
    throw new RangeError(
      'What follows the host in the URL of Redis is the number of a database, as in redis://host/3.',
    );
  const { require, path } = resolvePeer('ioredis', '>=5.4 <6');
  const { Redis, Cluster } = require(path) as IoRedis;
  // Attempts are counted from 1.
  const retryDelay = (attempt: number): number => backoffMs(attempt - 1, { ...BACKOFF, random });
  const node = { connectTimeout: connectTimeoutMs, ...OWN_NODE };
  if (cluster !== undefined) {
    const { nodes, options = {} } = cluster;
    if (!Array.isArray(nodes) || nodes.length === 0) throw new TypeError('cluster.nodes names one node at least.');
    const redisOptions = { ...node, ...(options['redisOptions'] as Options | undefined) };
    const retry = {
      clusterRetryStrategy: retryDelay,
      slotsRefreshInterval: 5000,
      slotsRefreshTimeout: connectTimeoutMs,
    };
    return new Cluster(nodes, { ...retry, ...options, ...OWN, redisOptions });
  }
  // Ready only after the server has answered whether it has the database.
  const options = {
    ...node,
    retryStrategy: retryDelay,
    // While it waits for Sentinels ioredis keeps the process alive: the connection tries again instead.
    sentinelRetryStrategy: () => null,
    reconnectOnError: isDemoted,
    ...redis,
    ...OWN,
    enableReadyCheck: true,
  };
  return url === undefined ? new Redis(options) : new Redis(url, options);
}

/** A server that became a replica: where Sentinel watches, another one is the master now. */
function isDemoted(error: Error): boolean {
  return error.message.startsWith('READONLY');
}
