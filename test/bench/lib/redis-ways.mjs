/** Bytes kept by key in a Redis: by L3, and by ioredis as it is. What the ways do is told in sqlite-ways.mjs. */

import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { L3Cache } from '../../../dist/src/cache/sealed/l3-cache.js';
import { openKeyring } from '../../../dist/platforms/node/keyring/open-keyring.js';
import { openRedisStore } from '../../../dist/platforms/node/redis/open-redis-store.js';

const DAY_MS = 86_400_000;

export async function openSealed(url) {
  const store = await openRedisStore({ url });
  const env = { EPOCHLY_ENCRYPTION_KEY: randomBytes(32).toString('hex') };
  const keyring = await openKeyring({ kind: 'env' }, env);
  const cache = new L3Cache({ store, keyring });
  const scope = { tenant: 'tenant', model: 'model' };
  return {
    get: (key) => cache.get(key, scope),
    put: (key, bytes) => cache.put(key, bytes, scope),
    async putAll(entries) {
      await Promise.all(entries.map(([key, bytes]) => cache.put(key, bytes, scope)));
      await cache.flush();
    },
    kept: () => cache.flush(),
    async close() {
      const { dropped, errors } = cache.getStats();
      if (dropped + errors > 0) throw new Error(`${dropped} puts were dropped, ${errors} errors.`);
      await cache.close();
      await store.close();
      keyring.close();
    },
  };
}

export async function openStore(url) {
  const store = await openRedisStore({ url, prefix: 'store:' });
  const entry = (key, bytes) => ({ key, bytes, expiresAt: Date.now() + DAY_MS });
  return {
    get: (key) => store.get(key),
    put: (key, bytes) => store.write({ puts: [entry(key, bytes)] }),
    putAll: (entries) => store.write({ puts: entries.map(([key, bytes]) => entry(key, bytes)) }),
    kept: () => undefined,
    close: () => store.close(),
  };
}

/** @param options of ioredis */
export async function openRaw(url, options = {}) {
  const redis = new Redis(url, options);
  const name = (key) => `raw:${key}`;
  const put = (key, bytes) =>
    redis.set(name(key), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 'PX', DAY_MS);
  return {
    get: (key) => redis.getBuffer(name(key)),
    put,
    putAll: (entries) => Promise.all(entries.map(([key, bytes]) => put(key, bytes))),
    kept: () => undefined,
    close: () => redis.disconnect(),
  };
}
