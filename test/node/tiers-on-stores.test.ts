/** The contract of tiers on the stores that there are in Node: SQLite, one Redis, a cluster. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRedisStore } from '../../platforms/node/redis/open-redis-store.ts';
import type { RedisAddress } from '../../platforms/node/redis/open-redis-store.ts';
import { openSqliteStore } from '../../platforms/node/store/open-sqlite-store.ts';
import { guardStore } from '../../src/cache/guarded-store.ts';
import type { ByteStore } from '../../src/cache/byte-store.ts';
import { L2Cache } from '../../src/cache/sealed/l2-cache.ts';
import { L3Cache } from '../../src/cache/sealed/l3-cache.ts';
import { testCacheTier } from '../contract/cache-tier-contract.ts';
import { startRedis, startRedisCluster } from '../helpers/redis-server.ts';
import type { RedisClusterServers, RedisServer } from '../helpers/redis-server.ts';
import { newKeyring } from '../helpers/sealing.ts';
import { createShiftedClock } from '../helpers/shifted-clock.ts';

let server: RedisServer;
let cluster: RedisClusterServers;
let folder: string;
const stores: ByteStore[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'epochly-tiers-'));
  [server, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
});
afterAll(async () => {
  await Promise.all(stores.map(async (store) => store.close()));
  await Promise.all([server.stop(), cluster.stop()]);
  await rm(folder, { recursive: true });
});

const clock = createShiftedClock();
const advance = (ms: number): void => clock.advance(ms);
let places = 0;
const keep = <T extends ByteStore>(store: T): T => {
  stores.push(store);
  return store;
};

testCacheTier('L2 over SQLite', {
  async open() {
    const store = keep(await openSqliteStore({ path: join(folder, `${places++}.sqlite`) }));
    return new L2Cache({ store, keyring: newKeyring(), clock });
  },
  advance,
});

const addresses: readonly (readonly [string, () => RedisAddress])[] = [
  ['one Redis', () => ({ url: server.url })],
  ['a cluster', () => ({ cluster: { nodes: cluster.nodes } })],
];
for (const [name, address] of addresses) {
  testCacheTier(`L3 over ${name}`, {
    async open() {
      const store = keep(await openRedisStore({ ...address(), prefix: `tier${places++}:` }));
      return new L3Cache({ store: guardStore(store), keyring: newKeyring(), clock });
    },
    advance,
  });
}

test('nothing that was asked, answered or named can be read in Redis', async () => {
  const store = keep(await openRedisStore({ url: server.url, prefix: 'readable?' }));
  const tier = new L3Cache({ store, keyring: newKeyring(), clock });
  const secrets = { key: 'the-question', answer: 'the-answer', tenant: 'the-tenant', model: 'the-model' };
  const scope = { tenant: secrets.tenant, model: secrets.model };
  await tier.put(secrets.key, Buffer.from(secrets.answer), scope);
  await tier.flush();
  expect(await tier.get(secrets.key, scope)).toEqual(new Uint8Array(Buffer.from(secrets.answer)));
  const names = await server.client.keysBuffer('readable?*');
  expect(names.length).toBeGreaterThanOrEqual(4);
  const values = await Promise.all(names.map((name) => server.client.getBuffer(name)));
  const all = Buffer.concat([...names, ...values.filter((value) => value !== null)]);
  for (const secret of Object.values(secrets)) expect(all.includes(secret), secret).toBe(false);
  await tier.close();
});
