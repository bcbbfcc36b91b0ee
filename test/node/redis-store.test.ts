import { Cluster, Redis } from 'ioredis';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { openRedisStore } from '../../platforms/node/redis/open-redis-store.ts';
import type { RedisAddress, RedisStoreOptions } from '../../platforms/node/redis/open-redis-store.ts';
import { hashSlotOf } from '../../platforms/node/redis/hash-slot.ts';
import { decodeName, encodeName, patternOf } from '../../platforms/node/redis/redis-names.ts';
import type { ByteStore } from '../../src/cache/byte-store.ts';
import { testByteStore } from '../contract/byte-store-contract.ts';
import { startRedis, startRedisCluster } from '../helpers/redis-server.ts';
import type { RedisClusterServers, RedisServer } from '../helpers/redis-server.ts';

let server: RedisServer;
let cluster: RedisClusterServers;
beforeAll(async () => {
  [server, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
});
afterAll(async () => {
  await Promise.all([server.stop(), cluster.stop()]);
});

const opened: ByteStore[] = [];
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
});
let prefixes = 0;
async function open(options: RedisStoreOptions): Promise<ByteStore> {
  const store = await openRedisStore({ prefix: `test${prefixes++}:`, ...options });
  opened.push(store);
  return store;
}

/** A client of the test's own. */
function clientOf(address: () => RedisAddress, options: object): Redis | Cluster {
  const client = address === single ? new Redis(server.url, options) : new Cluster([...cluster.nodes], options);
  clients.push(client);
  return client;
}
const clients: { disconnect(): void }[] = [];
afterEach(() => clients.splice(0).forEach((each) => each.disconnect()));

const single = (): RedisAddress => ({ url: server.url });
const clustered = (): RedisAddress => ({ cluster: { nodes: cluster.nodes } });
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const places = [
  ['one server', single],
  ['a cluster', clustered],
] as const;

for (const [name, address] of places) {
  const prefixOf = new WeakMap<ByteStore, string>();
  const openAt = async (prefix: string): Promise<ByteStore> => {
    const store = await openRedisStore({ ...address(), prefix });
    prefixOf.set(store, prefix);
    return store;
  };
  testByteStore(`Redis, ${name},`, {
    open: () => openAt(`contract ${prefixes++}:`),
    reopen: (store) => openAt(prefixOf.get(store) as string),
    expires: true,
  });
}

/** How often each command was called since the last time this was asked, and how many keys were looked up. */
async function calls(at: RedisServer = server): Promise<Record<string, number>> {
  const [commands, stats] = [await at.client.info('commandstats'), await at.client.info('stats')];
  await at.client.config('RESETSTAT');
  const counts = [...commands.matchAll(/cmdstat_(\w+):calls=(\d+)/g)];
  const lookups = [...stats.matchAll(/keyspace_(?:hits|misses):(\d+)/g)];
  return {
    ...Object.fromEntries(counts.map(([, name, count]) => [name, Number(count)])),
    lookups: lookups.reduce((sum, [, count]) => sum + Number(count), 0),
  };
}

describe('lookups of one tick', () => {
  test('go as one MGET, each key once, and each caller gets bytes of its own', async () => {
    const store = await open(single());
    await store.write({ puts: Array.from({ length: 64 }, (_, i) => ({ key: `k${i}`, bytes: bytes(i, 1) })) });
    await calls();
    const wanted = [...Array.from({ length: 64 }, (_, i) => i), 7, 7, 99];
    // Some in promises' callbacks of the same tick, as after a lookup that many waited for.
    const ask = (): Promise<(Uint8Array | undefined)[]> =>
      Promise.all(
        wanted.map(async (i) => {
          for (let hops = 0; hops < i % 5; hops++) await undefined;
          return store.get(`k${i}`);
        }),
      );
    // From a callback of the event loop's, where the next tick would come before what promises call back.
    const found = await new Promise<Awaited<ReturnType<typeof ask>>>((resolve) => setImmediate(() => resolve(ask())));
    expect(found).toEqual(wanted.map((i) => (i === 99 ? undefined : bytes(i, 1))));
    const { mget, get, lookups } = await calls();
    expect([mget, get, lookups]).toEqual([1, undefined, 65]);
    const sevens = wanted.flatMap((i, at) => (i === 7 ? [found[at] as Uint8Array] : []));
    sevens[0]?.fill(0);
    expect(sevens).toEqual([bytes(0, 0), bytes(7, 1), bytes(7, 1)]);
  });

  test('one alone is a GET; of thousands no MGET is so long that others wait for it', async () => {
    const store = await open(single());
    await store.put('a', bytes(1));
    await calls();
    expect(await store.get('a')).toEqual(bytes(1));
    expect(await calls()).toMatchObject({ get: 1 });
    const found = await Promise.all(Array.from({ length: 2500 }, (_, i) => store.get(i === 2400 ? 'a' : `k${i}`)));
    expect(found.flatMap((value, i) => (value === undefined ? [] : [[i, value]]))).toEqual([[2400, bytes(1)]]);
    expect(await calls()).toMatchObject({ mget: 3 });
  });

  test('while others are in flight, those of one turn of the event loop go together, though their ticks differ', async () => {
    const store = await open(single());
    await store.put('a', bytes(1));
    await calls();
    const first = store.get('a');
    await new Promise((resolve) => process.nextTick(resolve));
    await new Promise((resolve) => process.nextTick(resolve));
    const later: Promise<unknown>[] = [];
    for (let i = 0; i < 10; i++) {
      later.push(Promise.resolve(store.get(`k${i}`)));
      await new Promise((resolve) => process.nextTick(resolve));
    }
    await Promise.all([first, ...later]);
    const { get, mget } = await calls();
    expect([get, mget]).toEqual([1, 1]);
  });

  test('in a cluster go to all servers at once, keys of one slot as one MGET', async () => {
    const store = await open(clustered());
    const keys = Array.from({ length: 60 }, (_, i) => (i < 20 ? `{tag}${i}` : `k${i}`));
    await store.write({ puts: keys.map((key, i) => ({ key, bytes: bytes(i) })) });
    for (const each of cluster.servers) await calls(each);
    expect(await Promise.all(keys.map((key) => store.get(key)))).toEqual(keys.map((_, i) => bytes(i)));
    const counts = await Promise.all(cluster.servers.map((each) => calls(each)));
    const sum = (name: string): number => counts.reduce((total, each) => total + (each[name] ?? 0), 0);
    expect([sum('mget'), sum('get')]).toEqual([1, 40]);
    for (const { get = 0 } of counts) expect(get).toBeGreaterThan(0);
  });

  test('cannot be taken from each other by transferring one to another thread', async () => {
    const store = await open(single());
    await store.write({ puts: ['a', 'b'].map((key) => ({ key, bytes: bytes(1, 2, 3) })) });
    const [a, b] = (await Promise.all([store.get('a'), store.get('b')])) as [Uint8Array, Uint8Array];
    try {
      structuredClone(a, { transfer: [a.buffer as ArrayBuffer] });
    } catch {
      // Newer versions of Node refuse; older ones copy.
    }
    expect(b).toEqual(bytes(1, 2, 3));
  });
});

describe.each(places)('in %s', (_, address) => {
  test('other prefixes and other applications’ keys are neither seen nor touched', async () => {
    const prefix = `p[*]?\\${prefixes++}:`;
    const store = await open({ ...address(), prefix });
    const others = [
      await open({ ...address(), prefix: `${prefix}x` }),
      await open({ ...address(), prefix: prefix.slice(0, -1) }),
      await open({ ...address(), prefix: prefix.replace('*', 'anything') }),
    ];
    const foreign = [`${prefix}datum`, `${prefix}data`, `${prefix}lock:a`, 'mine', `p[x]?\\:data:a`];
    const raw = clientOf(address, {});
    for (const key of foreign) await raw.set(key, 'kept');
    for (const each of [store, ...others])
      await each.write({ puts: ['a', 'b'].map((key) => ({ key, bytes: bytes(1) })) });
    expect(await store.keys('')).toEqual(['a', 'b']);
    expect(await store.usage('')).toEqual({ entries: 2, bytes: 4 });
    expect(await store.trim({ prefix: '', nowMs: Date.now(), maxBytes: 2 })).toBe(1);
    await store.deletePrefix('');
    expect(await store.keys('')).toEqual([]);
    for (const each of others) expect(await each.keys('')).toEqual(['a', 'b']);
    for (const key of foreign) expect(await raw.get(key)).toBe('kept');
  });

  test('thousands of keys are listed, counted and deleted, and what is beside them is not', async () => {
    const store = await open(address());
    const keys = Array.from({ length: 3000 }, (__, i) => `${i % 3 === 0 ? 'b' : 'a'}:${i}`);
    await store.write({ puts: keys.map((key) => ({ key, bytes: bytes(1, 2) })) });
    expect(await store.keys('a:')).toEqual(keys.filter((key) => key.startsWith('a')).toSorted());
    expect((await store.usage('a:')).entries).toBe(2000);
    await store.deletePrefix('a:');
    expect(await store.keys('')).toEqual(keys.filter((key) => key.startsWith('b')).toSorted());
    expect(await store.trim({ prefix: 'b:', nowMs: 0, maxBytes: 100 })).toBeGreaterThan(900);
    expect((await store.usage('')).bytes).toBeLessThanOrEqual(100);
  });

  test('of two stores that would be first with many keys, both learn who was', async () => {
    const prefix = `race${prefixes++}:`;
    const [one, two] = [await open({ ...address(), prefix }), await open({ ...address(), prefix })];
    const keys = Array.from({ length: 100 }, (__, i) => `k${i}`);
    const put = (store: ByteStore, value: number): Promise<Uint8Array[]> =>
      Promise.all(keys.map(async (key) => store.putIfAbsent(key, bytes(value))));
    const [ones, twos] = await Promise.all([put(one, 1), put(two, 2)]);
    expect(ones).toEqual(twos);
    expect(await Promise.all(keys.map((key) => one.get(key)))).toEqual(ones);
  });

  test('bytes are read before a write returns its promise, also where it waits for the connection', async () => {
    const store = await open({ client: clientOf(address, { lazyConnect: true }) });
    const given = bytes(1);
    const writing = [
      store.put('a', given),
      store.putIfAbsent('b', given),
      store.write({ puts: [{ key: 'c', bytes: given }] }),
    ];
    given[0] = 9;
    await Promise.all(writing);
    expect(await Promise.all(['a', 'b', 'c'].map((key) => store.get(key)))).toEqual([bytes(1), bytes(1), bytes(1)]);
  });

  test('closing finishes what was begun', async () => {
    const prefix = `closing${prefixes++}:`;
    const [store, other] = [await open({ ...address(), prefix }), await open({ ...address(), prefix })];
    await store.put('there', bytes(1));
    const work = [store.get('there'), store.put('a', bytes(2)), store.deletePrefix('there'), store.keys('a')];
    await store.close();
    expect((await Promise.allSettled(work)).map(({ status }) => status)).toEqual(Array(4).fill('fulfilled'));
    expect(await work[0]).toEqual(bytes(1));
    expect(await other.keys('')).toEqual(['a']);
  });

  test.each(['in the same tick', 'in flight'])('closing waits for lookups, %s', async (when) => {
    const store = await open(address());
    await store.put('a', bytes(1));
    const found = store.get('a');
    if (when === 'in flight') await new Promise((resolve) => process.nextTick(resolve));
    await store.close();
    expect(await found).toEqual(bytes(1));
  });

  test('a client of the caller’s is used with its own settings, and left open', async () => {
    const keyPrefix = `{app${prefixes++}:`;
    await (await open({ ...address(), prefix: `${keyPrefix}p:` })).put('before', bytes(1));
    const client = clientOf(address, { keyPrefix, stringNumbers: true, enableAutoPipelining: true, lazyConnect: true });
    const store = await open({ client, prefix: 'p:' });
    expect(await store.keys('')).toEqual(['before']);
    await store.delete('before');
    // Of one slot but for what the client puts before them.
    const keys = ['a', 'b', '{t}1', '{t}2', '}1{t}', '}2{t}', '💥'];
    await store.write({ puts: keys.map((key) => ({ key, bytes: bytes(1, 2) })) });
    expect(await store.putIfAbsent('a', bytes(3))).toEqual(bytes(1, 2));
    expect(await Promise.all([...keys, 'c'].map((key) => store.get(key)))).toEqual([
      ...keys.map(() => bytes(1, 2)),
      undefined,
    ]);
    expect(await store.keys('')).toEqual(keys.toSorted());
    expect(await store.usage('b')).toEqual({ entries: 1, bytes: 3 });
    expect(await store.trim({ prefix: '{', nowMs: 0, maxBytes: 7 })).toBe(1);
    (await store.lock?.('l'))?.[Symbol.dispose]();
    await store.deletePrefix('');
    expect(await store.keys('')).toEqual([]);
    await store.close();
    expect(await client.set('x', 1)).toBe('OK');
  });
});

describe('a batch', () => {
  test('is a transaction: where one change is refused, none is made', async () => {
    const store = await open(single());
    await store.put('a', bytes(1));
    await server.client.config('SET', 'maxmemory', '1');
    const refused = store.write({ deletes: ['a'], puts: ['b', 'c'].map((key) => ({ key, bytes: bytes(1) })) });
    await expect(refused).rejects.toMatchObject({ code: 'STORE', message: expect.stringContaining('OOM') });
    await expect(store.put('b', bytes(1))).rejects.toMatchObject({ code: 'STORE' });
    await expect(store.putIfAbsent('b', bytes(1))).rejects.toMatchObject({ code: 'STORE' });
    await server.client.config('SET', 'maxmemory', '0');
    expect(await store.keys('')).toEqual(['a']);
  });

  test('goes as one transaction, and marks what was used', async () => {
    const prefix = `used${prefixes++}:`;
    const store = await open({ ...single(), prefix });
    const dump = await dumpOf(bytes(1));
    await server.client.restore(`${prefix}data:old`, 0, dump, 'IDLETIME', 1000);
    await calls();
    await store.write({ deletes: ['x', 'y'], puts: [{ key: 'a', bytes: bytes(1) }], used: ['old', 'none'] });
    expect(await calls()).toMatchObject({ multi: 1, exec: 1, unlink: 1, set: 1, touch: 1 });
    expect(await server.client.object('IDLETIME', `${prefix}data:old`)).toBeLessThan(10);
  });

  test('an entry lasts until its time, to the millisecond, or for ever', async () => {
    const prefix = `expiry${prefixes++}:`;
    const store = await open({ ...single(), prefix });
    const expiresAt = Date.now() + 1e6 + 0.25;
    const times = { a: expiresAt, b: undefined, c: Infinity, d: Number.MAX_VALUE };
    await store.write({ puts: Object.entries(times).map(([key, at]) => ({ key, bytes: bytes(1), expiresAt: at })) });
    const expiry = (key: string): Promise<unknown> => server.client.pexpiretime(`${prefix}data:${key}`);
    expect(await Promise.all(Object.keys(times).map(expiry))).toEqual([
      Math.ceil(expiresAt),
      -1,
      -1,
      Number.MAX_SAFE_INTEGER,
    ]);
    await store.put('a', bytes(2));
    expect(await expiry('a')).toBe(-1);
  });
});

async function dumpOf(value: Uint8Array): Promise<Buffer> {
  await server.client.set('to dump', Buffer.from(value));
  return server.client.dumpBuffer('to dump') as Promise<Buffer>;
}

describe('making room', () => {
  test.each(['', 'app:'])('deletes what was used longest ago, a client’s own prefix being %j', async (keyPrefix) => {
    const prefix = `idle${prefixes++}:`;
    const store = await open({ client: clientOf(single, { keyPrefix, enableAutoPipelining: true }), prefix });
    const dump = await dumpOf(bytes(1, 2, 3));
    for (const [i, idle] of [50, 4000, 10, 90].entries())
      await server.client.restore(`${keyPrefix}${prefix}data:k${i}`, 0, dump, 'IDLETIME', idle);
    await store.put('k4', bytes(1, 2, 3));
    expect(await store.trim({ prefix: '', nowMs: Date.now(), maxBytes: 15 })).toBe(2);
    expect(await store.keys('')).toEqual(['k0', 'k2', 'k4']);
  });

  test('under an LFU policy deletes what was used least', async () => {
    const prefix = `freq${prefixes++}:`;
    const store = await open({ ...single(), prefix });
    await server.client.config('SET', 'maxmemory-policy', 'allkeys-lfu');
    const dump = await dumpOf(bytes(1, 2, 3));
    for (const [i, uses] of [50, 200, 10, 90].entries())
      await server.client.restore(`${prefix}data:k${i}`, 0, dump, 'FREQ', uses);
    expect(await store.trim({ prefix: '', nowMs: Date.now(), maxBytes: 10 })).toBe(2);
    await server.client.config('SET', 'maxmemory-policy', 'noeviction');
    expect(await store.keys('')).toEqual(['k1', 'k3']);
  });

  test('without a limit goes through nothing: expiry is Redis’s', async () => {
    const store = await open(single());
    await calls();
    expect(await store.trim({ prefix: '', nowMs: Infinity, maxBytes: Infinity })).toBe(0);
    expect(await calls()).not.toHaveProperty('scan');
  });
});

test('a cluster that moves a slot away is followed', async () => {
  const store = await open(clustered());
  await store.write({ puts: ['{moved}1', '{moved}2'].map((key) => ({ key, bytes: bytes(1) })) });
  const slot = hashSlotOf('moved');
  const ids = await Promise.all(cluster.servers.map(({ client }) => client.cluster('MYID') as Promise<string>));
  const slots = (await cluster.servers[0]?.client.cluster('SLOTS')) as unknown as [number, number, [string, number]][];
  const [, , [, port]] = slots.find(([from, to]) => from <= slot && slot <= to) as (typeof slots)[number];
  const from = cluster.servers.findIndex((each) => each.port === port);
  const to = (from + 1) % 3;
  const [source, target] = [cluster.servers[from], cluster.servers[to]] as [RedisServer, RedisServer];
  await target.client.cluster('SETSLOT', slot, 'IMPORTING', ids[from] as string);
  await source.client.cluster('SETSLOT', slot, 'MIGRATING', ids[to] as string);
  const names = (await source.client.cluster('GETKEYSINSLOT', slot, 100)) as string[];
  await source.client.migrate('127.0.0.1', target.port, '', 0, 5000, 'KEYS', ...names);
  // Half-way: asked for there, not yet moved there.
  expect(await Promise.all([store.get('{moved}1'), store.get('{moved}2')])).toEqual([bytes(1), bytes(1)]);
  for (const { client } of [target, source, ...cluster.servers])
    await client.cluster('SETSLOT', slot, 'NODE', ids[to] as string);
  expect(await store.get('{moved}1')).toEqual(bytes(1));
  await store.write({ deletes: ['{moved}1'], puts: [{ key: '{moved}3', bytes: bytes(3) }] });
  expect(await store.keys('{moved}')).toEqual(['{moved}2', '{moved}3']);
  await store.deletePrefix('{moved}');
  expect(await store.keys('')).toEqual([]);
});

describe('names', () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc
      .array(fc.constantFrom('a', 'é', '€', '\ud83d', '\udca5', '\ud7ff', '\ue000', '~', 'd83d', '\0', '*', '['))
      .map((all) => all.join('')),
  );
  test('are different for different keys, come back as they were, and begin as the keys do', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [one, two] = [encodeName(a), encodeName(b)];
        expect(decodeName(Buffer.from(one).toString())).toBe(a);
        expect(one === two).toBe(a === b);
        expect(encodeName(a + b)).toBe(one + two);
        expect(one.startsWith(two)).toBe(a.startsWith(b));
      }),
    );
    expect(encodeName('€:\ud83d\udca5~')).toBe('€:~d83d~dca5~007e');
  });

  test('half a character finds those that begin with it', async () => {
    const store = await open(single());
    for (const key of ['\ud83d\udca5', '\ud83d', '\ud83e', 'a']) await store.put(key, bytes(1));
    expect(await store.keys('\ud83d')).toEqual(['\ud83d', '\ud83d\udca5']);
  });

  test('a pattern matches what begins so, and nothing else, whatever is in it', async () => {
    expect(patternOf('a*?[b]\\')).toBe('a\\*\\?\\[b\\]\\\\*');
    const store = await open(single());
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 6 }), text, async (keys, prefix) => {
        await store.write({ puts: keys.map((key) => ({ key, bytes: bytes() })) });
        const found = [...new Set(keys)].filter((key) => key.startsWith(prefix)).toSorted();
        expect(await store.keys(prefix)).toEqual(found);
        await store.deletePrefix('');
      }),
      { numRuns: 50 },
    );
  });

  test('a name’s slot is the cluster’s', async () => {
    const client = cluster.servers[0]?.client as Redis;
    const names = ['', 'a', '{', '{}', '{}a', '{a}b', 'x{a}y{b}', '{a', 'a}{b}', '{{a}}', '€💥', '123456789'];
    for (const name of [...names, ...fc.sample(fc.string({ unit: 'binary' }), 50)])
      expect(hashSlotOf(name), name).toBe(await client.cluster('KEYSLOT', name));
  });
});

test.each([
  [{}, RangeError, 'give one of url'],
  [{ url: 'redis://x', cluster: { nodes: ['x'] } }, RangeError, 'give one of url'],
  [{ url: 'http://localhost' }, RangeError, 'redis:// or rediss://'],
  [{ client: { isCluster: false, status: 'ready' } }, TypeError, 'no Redis or Cluster of ioredis'],
  [{ cluster: { nodes: [] } }, TypeError, 'one node at least'],
  [{ url: 'redis://127.0.0.1:1', timeoutMs: 0 }, RangeError, 'timeoutMs'],
  [{ url: 'redis://127.0.0.1:1', lockTtlMs: -1 }, RangeError, 'lockTtlMs'],
] as const)('refuses the options %j', async (options, kind, message) => {
  const opening = openRedisStore(options);
  await expect(opening).rejects.toThrow(kind);
  await expect(opening).rejects.toThrow(message);
});

test('says what to install where ioredis is not', async () => {
  const { default: nodeModule } = await import('node:module');
  const resolve = (): never => {
    throw new Error('not found');
  };
  const createRequire = vi.spyOn(nodeModule, 'createRequire').mockReturnValue({ resolve } as unknown as NodeJS.Require);
  await expect(openRedisStore({ url: 'redis://127.0.0.1:1' })).rejects.toMatchObject({
    code: 'MISSING_PEER',
    message: expect.stringContaining('npm install ioredis'),
  });
  createRequire.mockRestore();
});
