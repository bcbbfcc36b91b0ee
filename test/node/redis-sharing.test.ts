/** What stores in Redis share beside entries: announcements and locks. */

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { openRedisStore } from '../../platforms/node/redis/open-redis-store.ts';
import type { RedisAddress, RedisStoreOptions } from '../../platforms/node/redis/open-redis-store.ts';
import type { ByteStore } from '../../src/cache/byte-store.ts';
import { ClosedError } from '../../src/errors.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
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
const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
});
let prefixes = 0;
const newPrefix = (): string => `shared${prefixes++}:`;
async function open(options: RedisStoreOptions): Promise<Required<ByteStore>> {
  const store = (await openRedisStore(options)) as Required<ByteStore>;
  opened.push(store);
  return store;
}
const places: readonly (readonly [string, () => RedisAddress])[] = [
  ['one server', () => ({ url: server.url })],
  ['a cluster', () => ({ cluster: { nodes: cluster.nodes } })],
  ['a client of the caller’s', () => ({ client: server.client })],
];

/** What a store hears, once its subscription has begun. */
async function listen(store: Required<ByteStore>): Promise<string[]> {
  const heard: string[] = [];
  store.onAnnounced((message) => heard.push(message));
  await vi.waitFor(() => expect(heard).toEqual(['']));
  heard.pop();
  return heard;
}

describe.each(places)('announcements over %s', (_, address) => {
  test('reach all others of the prefix, whatever is in them, in order, and not who made them', async () => {
    const prefix = newPrefix();
    const [one, two, three] = [
      await open({ ...address(), prefix }),
      await open({ ...address(), prefix }),
      await open({ ...address(), prefix: newPrefix() }),
    ];
    const heard = [await listen(one), await listen(two), await listen(three)];
    const messages = ['first', '', 'ä💥', '\ud83d', 'a\0b\r\n$1', 'x'.repeat(100_000)];
    for (const message of messages) one.announce(message);
    two.announce('answer');
    await vi.waitFor(() => expect(heard).toEqual([['answer'], messages, []]));
  });
});

test('a subscription that was lost begins anew, and says that something may have been missed', async () => {
  const prefix = newPrefix();
  const [one, two] = [await open({ url: server.url, prefix }), await open({ url: server.url, prefix })];
  const heard = await listen(two);
  await server.client.client('KILL', 'TYPE', 'pubsub');
  await vi.waitFor(() => expect(heard).toEqual(['']));
  one.announce('again');
  await vi.waitFor(() => expect(heard).toEqual(['', 'again']));
});

test('in a cluster another server is listened to when the first dies', async () => {
  const mortal = await startRedisCluster();
  opened.push({ close: () => mortal.stop() });
  const prefix = newPrefix();
  const two = await open({ cluster: { nodes: mortal.nodes }, prefix });
  const heard = await listen(two);
  const listeners = async (at: RedisServer): Promise<number> =>
    ((await at.client.pubsub('NUMSUB', `${prefix}announcements`)) as [string, number])[1];
  const counts = await Promise.all(mortal.servers.map(listeners));
  expect(counts.toSorted()).toEqual([0, 0, 1]);
  const dying = mortal.servers[counts.indexOf(1)] as RedisServer;
  await dying.signal('SIGKILL');
  await vi.waitFor(() => expect(heard).toEqual(['']), { timeout: 20_000 });
  const other = mortal.servers.find((each) => each !== dying) as RedisServer;
  const one = await open({ cluster: { nodes: [{ host: '127.0.0.1', port: other.port }] }, prefix });
  one.announce('still there');
  await vi.waitFor(() => expect(heard).toEqual(['', 'still there']));
});

test('a second connection is made for the first subscription, and no third', async () => {
  const prefix = newPrefix();
  const store = await open({ url: server.url, prefix });
  const subscribers = async (): Promise<number> =>
    ((await server.client.pubsub('NUMSUB', `${prefix}announcements`)) as [string, number])[1];
  store.announce('nobody is there');
  await store.get('a');
  expect(await subscribers()).toBe(0);
  await listen(store);
  const subscription = store.onAnnounced(() => undefined);
  subscription[Symbol.dispose]();
  expect(await subscribers()).toBe(1);
  await store.close();
  await vi.waitFor(async () => expect(await subscribers()).toBe(0));
});

test('what is no announcement of a store’s is not taken for one', async () => {
  const prefix = newPrefix();
  const store = await open({ url: server.url, prefix });
  const heard = await listen(store);
  for (const garbage of ['', 'short', '0123456789abcde'])
    await server.client.publish(`${prefix}announcements`, garbage);
  await server.client.publish(`${prefix}announcements`, '0123456789abcdefwell-formed');
  await vi.waitFor(() => expect(heard).toEqual(['well-formed']));
});

describe.each(places)('a lock over %s', (_, address) => {
  test('is held by one at a time, of several in several stores', async () => {
    const prefix = newPrefix();
    const stores = [await open({ ...address(), prefix }), await open({ ...address(), prefix })];
    let [holders, most, done] = [0, 0, 0];
    const work = async (store: Required<ByteStore>): Promise<void> => {
      const lock = await store.lock('l');
      most = Math.max(most, ++holders);
      await store.put('k', new Uint8Array(1));
      holders--;
      done++;
      lock[Symbol.dispose]();
      lock[Symbol.dispose]();
    };
    await Promise.all(stores.flatMap((store) => [1, 2, 3].map(() => work(store))));
    expect([most, done]).toEqual([1, 6]);
    expect(await stores[0]?.keys('')).toEqual(['k']);
  });

  test('of another name is another one, and is no entry', async () => {
    const prefix = newPrefix();
    const store = await open({ ...address(), prefix });
    const held = await Promise.all(['', 'a', 'b', '💥', '\ud83d'].map((name) => store.lock(name)));
    expect(await store.keys('')).toEqual([]);
    for (const each of held) each[Symbol.dispose]();
  });
});

const nameOf = (prefix: string): string => `${prefix}lock:l`;

test('a lock is freed when its holder died, after its time', async () => {
  const prefix = newPrefix();
  const store = await open({ url: server.url, prefix });
  await server.client.set(nameOf(prefix), 'of one that died', 'PX', 100);
  (await store.lock('l'))[Symbol.dispose]();
});

test('a lock is renewed for as long as it is held', async () => {
  const prefix = newPrefix();
  const clock = createFakeClock();
  const store = await open({ url: server.url, prefix, clock, lockTtlMs: 60_000 });
  const lock = await store.lock('l');
  const left = (): Promise<number> => server.client.pttl(nameOf(prefix));
  for (let i = 0; i < 3; i++) {
    await server.client.pexpire(nameOf(prefix), 10_000);
    clock.advance(20_000);
    await vi.waitFor(async () => expect(await left()).toBeGreaterThan(50_000));
  }
  lock[Symbol.dispose]();
  await vi.waitFor(async () => expect(await left()).toBe(-2));
  // What is left is the time-out of a call.
  expect(clock.pending).toBe(1);
});

test('a lock that was lost is neither renewed nor given back: it is another one’s', async () => {
  const prefix = newPrefix();
  const clock = createFakeClock();
  const store = await open({ url: server.url, prefix, clock, lockTtlMs: 60_000 });
  const lock = await store.lock('l');
  await server.client.set(nameOf(prefix), 'another one’s', 'PX', 10_000);
  clock.advance(20_000);
  await vi.waitFor(() => expect(clock.pending).toBe(1));
  expect(await server.client.pttl(nameOf(prefix))).toBeLessThanOrEqual(10_000);
  lock[Symbol.dispose]();
  await store.close();
  expect(await server.client.get(nameOf(prefix))).toBe('another one’s');
});

test('who waits for a lock may leave at any time, and holds nothing then', async () => {
  const prefix = newPrefix();
  const store = await open({ url: server.url, prefix });
  await expect(store.lock('l', AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
  const asking = new AbortController();
  const asked = store.lock('l', asking.signal);
  asking.abort(new Error('while asking'));
  await expect(asked).rejects.toThrow('while asking');
  await vi.waitFor(async () => expect(await server.client.exists(nameOf(prefix))).toBe(0));
  const held = await store.lock('l');
  const waiting = new AbortController();
  const waited = expect(store.lock('l', waiting.signal)).rejects.toThrow('while waiting');
  await store.get('a');
  waiting.abort(new Error('while waiting'));
  await waited;
  held[Symbol.dispose]();
  (await store.lock('l', new AbortController().signal))[Symbol.dispose]();
});

test('closing gives back what is held, and turns away who waits', async () => {
  const prefix = newPrefix();
  const [store, other] = [await open({ url: server.url, prefix }), await open({ url: server.url, prefix })];
  await store.lock('l');
  const waiting = expect(store.lock('l')).rejects.toThrow(ClosedError);
  await store.close();
  await waiting;
  await expect(store.lock('m')).rejects.toThrow(ClosedError);
  expect(() => store.announce('m')).toThrow(ClosedError);
  (await other.lock('l'))[Symbol.dispose]();
});

test('a lock whose taking was not answered is not kept', async () => {
  const hanging = await startRedis();
  opened.push({ close: () => hanging.stop() });
  const clock = createFakeClock();
  const store = await open({ url: hanging.url, prefix: '', clock, timeoutMs: 100 });
  await hanging.signal('SIGSTOP');
  const taking = expect(store.lock('l')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
  await clock.run(100);
  await taking;
  await hanging.signal('SIGCONT');
  await vi.waitFor(async () => expect(await hanging.client.exists('lock:l')).toBe(0));
});
