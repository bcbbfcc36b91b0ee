/** What becomes of a store whose Redis hangs, dies, refuses or was never there. */

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { openRedisStore } from '../../platforms/node/redis/open-redis-store.ts';
import type { RedisStoreOptions } from '../../platforms/node/redis/open-redis-store.ts';
import type { ByteStore } from '../../src/cache/byte-store.ts';
import { guardStore } from '../../src/cache/guarded-store.ts';
import type { StoreState } from '../../src/cache/store-breaker.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { startRedis, startRedisCluster } from '../helpers/redis-server.ts';
import type { RedisServer } from '../helpers/redis-server.ts';

const run = promisify(execFile);
const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
});
async function open(options: RedisStoreOptions): Promise<ByteStore> {
  const store = await openRedisStore(options);
  opened.push(store);
  return store;
}
async function start(...options: Parameters<typeof startRedis>): Promise<RedisServer> {
  const server = await startRedis(...options);
  opened.push({ close: () => server.stop() });
  return server;
}
/** Until it answers again: to connect takes ioredis a moment. */
const answers = (store: ByteStore): Promise<void> =>
  vi.waitFor(async () => void (await store.get('a')), { timeout: 20_000, interval: 20 });

/** A server, a store whose time-outs are the test's, and the store guarded. */
async function guarded() {
  const server = await start();
  const clock = createFakeClock();
  const store = await open({ url: server.url, timeoutMs: 1000, clock });
  const guard = guardStore(store, { timeoutMs: 500, minBackoffMs: 100, clock, random: () => 0.5 });
  const states: StoreState['kind'][] = [];
  guard.onStateChange(({ kind }) => states.push(kind));
  await guard.put('a', bytes(1));
  return { server, clock, store, guard, states };
}

describe('a server that hangs', () => {
  test('costs one time-out, then nothing, and is used again when it answers', async () => {
    const { server, clock, guard, states } = await guarded();
    await server.signal('SIGSTOP');
    const hung = expect(guard.get('a')).rejects.toMatchObject({ code: 'STORE_TIMEOUT', timeoutMs: 500 });
    await clock.run(500);
    await hung;
    for (let i = 0; i < 100; i++) await expect(guard.get('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await clock.run(75);
    const probe = expect(guard.put('b', bytes(2))).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
    await clock.run(500);
    await probe;
    expect(states).toEqual(['open', 'probing', 'open']);
    await server.signal('SIGCONT');
    await clock.run(150);
    expect(await guard.get('a')).toEqual(bytes(1));
    expect(states).toEqual(['open', 'probing', 'open', 'probing', 'closed']);
  });

  test('unguarded, each call takes its time-out and no longer, through many keys as well', async () => {
    const { server, clock, store } = await guarded();
    await server.signal('SIGSTOP');
    const calls = [store.get('a'), store.put('b', bytes(1)), store.keys(''), store.putIfAbsent('c', bytes(1))];
    const settled = Promise.allSettled(calls);
    await clock.run(1000);
    for (const each of await settled)
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'STORE_TIMEOUT' } });
    await server.signal('SIGCONT');
    await answers(store);
  });

  test('does not keep who closes the store for longer', async () => {
    const { server, clock, store } = await guarded();
    await server.signal('SIGSTOP');
    const hung = expect(store.get('a')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
    const closing = store.close();
    await clock.run(1000);
    await Promise.all([hung, closing]);
  });
});

test('a thread that was busy for longer than the time-out takes nobody for slow whose answer is there', async () => {
  const server = await start();
  const store = await open({ url: server.url, timeoutMs: 50 });
  const guard = guardStore(store, { timeoutMs: 50 });
  await guard.put('a', bytes(1));
  const found = guard.get('a');
  await new Promise((resolve) => setImmediate(resolve));
  for (const until = performance.now() + 200; performance.now() < until;);
  expect(await found).toEqual(bytes(1));
});

test('a connection that went silent without being closed is given up, and another one made', async () => {
  const server = await start();
  const clock = createFakeClock();
  const passed: { from: Socket; to: Socket }[] = [];
  const proxy = createServer((from) => {
    const to = connect(server.port, '127.0.0.1');
    passed.push({ from, to });
    for (const each of [from, to]) each.on('error', () => undefined);
    from.pipe(to).pipe(from);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  opened.push({ close: () => (passed.forEach(({ from, to }) => (from.destroy(), to.destroy())), proxy.close()) });
  const store = await open({
    url: `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    timeoutMs: 100,
    clock,
  });
  await store.put('a', bytes(1));
  // As where a cable was pulled: what is sent is lost, and nothing says so.
  for (const { from, to } of passed) {
    from.unpipe(to);
    to.unpipe(from);
    from.resume();
  }
  const lose = async (): Promise<void> => {
    const lost = Promise.allSettled([store.get('a'), store.put('b', bytes(1)), store.put('c', bytes(1))]);
    await clock.run(100);
    for (const each of await lost) expect(each).toMatchObject({ reason: { code: 'STORE_TIMEOUT' } });
  };
  await lose();
  // It may be slow. Two answers of another connection later nobody has given it up.
  for (let i = 0; i < 2; i++) await server.client.ping();
  expect(passed[0]?.from.readableEnded).toBe(false);
  await lose();
  await vi.waitFor(() => expect(passed).toHaveLength(2));
  await answers(store);
  expect(await store.get('a')).toEqual(bytes(1));
});

describe('a server that dies', () => {
  test('fails what was in flight at once, then everything, without a queue; back, it is used again', async () => {
    const { server, clock, store, guard, states } = await guarded();
    await server.signal('SIGSTOP');
    const inFlight = [
      store.get('a'),
      store.put('b', bytes(1)),
      store.write({ deletes: ['x'], puts: [] }),
      store.usage(''),
    ];
    const failed = Promise.allSettled(inFlight);
    await server.signal('SIGKILL');
    for (const each of await failed)
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } });
    // The system's reason, whichever it was, and not the client's settings.
    await expect(store.get('a')).rejects.toThrow(/^Redis cannot be reached: (?!.*(enableOfflineQueue|max retries))/);
    const offline = await Promise.allSettled(Array.from({ length: 5 }, () => guard.get('a')));
    expect(offline.map(({ status }) => status)).toEqual(Array(5).fill('rejected'));
    expect(states).toEqual(['open']);
    await server.restart();
    await answers(store);
    await clock.run(75);
    expect(await guard.get('a')).toBeUndefined();
    expect(states).toEqual(['open', 'probing', 'closed']);
  });

  test('in a cluster takes only its own keys with it', async () => {
    const cluster = await startRedisCluster();
    opened.push({ close: () => cluster.stop() });
    const store = await open({ cluster: { nodes: cluster.nodes } });
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    await store.write({ puts: keys.map((key) => ({ key, bytes: bytes(1) })) });
    await cluster.servers[1]?.signal('SIGKILL');
    const found = await Promise.allSettled(keys.map((key) => store.get(key)));
    const lost = found.filter(({ status }) => status === 'rejected').length;
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThan(20);
    await cluster.servers[0]?.signal('SIGKILL');
    await cluster.servers[2]?.signal('SIGKILL');
    await expect(store.get('a')).rejects.toThrow();
    await expect(store.keys('')).rejects.toThrow();
    await store.close();
  });
});

describe('where there is no Redis', () => {
  test('the store opens, says why each call fails, and works from when there is one', async () => {
    const server = await start();
    await server.signal('SIGKILL');
    const unhandled = vi.fn<(error: unknown) => void>();
    const printed = vi.spyOn(console, 'error');
    process.on('uncaughtException', unhandled).on('unhandledRejection', unhandled);
    const store = await open({ url: server.url });
    await expect(store.get('a')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: `Redis cannot be reached: connect ECONNREFUSED 127.0.0.1:${server.port}`,
    });
    const calls = [
      store.put('a', bytes(1)),
      store.putIfAbsent('a', bytes(1)),
      store.write({ deletes: ['a', 'b'], puts: [{ key: 'c', bytes: bytes() }] }),
      store.keys(''),
      store.usage(''),
      store.trim({ prefix: '', nowMs: 0, maxBytes: 0 }),
      store.deletePrefix(''),
      store.lock?.('a'),
    ];
    for (const each of await Promise.allSettled(calls))
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } });
    store.announce?.('nobody hears it');
    store.onAnnounced?.(() => undefined);
    await server.restart();
    await answers(store);
    await store.put('a', bytes(1));
    expect(await store.get('a')).toEqual(bytes(1));
    process.off('uncaughtException', unhandled).off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  test('a cluster that is nowhere says so too, and closing ends the search', async () => {
    const server = await start();
    await server.signal('SIGKILL');
    const store = await open({ cluster: { nodes: [{ host: '127.0.0.1', port: server.port }] } });
    const calls = [store.get('a'), store.put('a', bytes(1)), store.keys(''), store.putIfAbsent('a', bytes(1))];
    for (const each of await Promise.allSettled(calls))
      expect(each).toMatchObject({
        status: 'rejected',
        reason: { code: 'STORE_UNAVAILABLE', message: expect.stringContaining('Redis cannot be reached: ') },
      });
    await store.close();
  });

  test('a client of the caller’s that queues for ever holds nobody for longer than the time-out', async () => {
    const server = await start();
    const client = server.client.duplicate({ maxRetriesPerRequest: null });
    client.on('error', () => undefined);
    opened.push({ close: () => client.disconnect() });
    await server.signal('SIGKILL');
    const clock = createFakeClock();
    const store = await open({ client, clock, timeoutMs: 100 });
    const calls = Promise.allSettled([store.get('a'), store.put('a', bytes(1)), store.keys('')]);
    await clock.run(100);
    for (const each of await calls)
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'STORE_TIMEOUT' } });
  });
});

describe('a program', () => {
  let folder: string;
  let bundle: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'epochly-redis-program-'));
    bundle = join(folder, 'open-redis-store.mjs');
    await build({
      entryPoints: ['platforms/node/redis/open-redis-store.ts'],
      outfile: bundle,
      bundle: true,
      format: 'esm',
      platform: 'node',
      logLevel: 'silent',
    });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Runs until it ends by itself. */
  async function program(address: string, body: string): Promise<string> {
    const source = `import { openRedisStore } from ${JSON.stringify(bundle)};
      const store = await openRedisStore(${address});
      ${body}
      process.stdout.write('closed');`;
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', source], { timeout: 30_000 });
    return stdout + stderr;
  }
  const USE = `
    store.onAnnounced(() => undefined);
    store.announce('a');
    await store.get('a').catch(() => undefined);
    store.lock('l').catch(() => undefined);
    store.put('b', new Uint8Array(1)).catch(() => undefined);
    await store.close();`;

  test('that closes its store ends, be Redis there or not', async () => {
    const server = await start();
    expect(await program(`{ url: '${server.url}' }`, USE)).toBe('closed');
    await server.signal('SIGKILL');
    const node = `{ host: '127.0.0.1', port: ${server.port} }`;
    expect(await program(`{ url: '${server.url}' }`, USE)).toBe('closed');
    expect(await program(`{ cluster: { nodes: [${node}] } }`, USE)).toBe('closed');
    expect(await program(`{ redis: { sentinels: [${node}], name: 'main' } }`, USE)).toBe('closed');
  });

  test('that does not close its store ends as well once nothing waits for an answer, and not before', async () => {
    const server = await start();
    const body = `
      store.onAnnounced(() => undefined);
      await store.put('a', new Uint8Array(1)).catch(() => undefined);
      await (await store.lock('l').catch(() => undefined))?.[Symbol.dispose]();
      process.once('beforeExit', () => void store.put('late', new Uint8Array(1)).catch(() => undefined));`;
    const node = `{ host: '127.0.0.1', port: ${server.port} }`;
    expect(await program(`{ url: '${server.url}' }`, body)).toBe('closed');
    expect(await server.client.exists('epochly:data:late')).toBe(1);
    const cluster = await startRedisCluster();
    opened.push({ close: () => cluster.stop() });
    expect(await program(`{ cluster: { nodes: ${JSON.stringify(cluster.nodes)} } }`, body)).toBe('closed');
    await server.signal('SIGKILL');
    expect(await program(`{ url: '${server.url}' }`, body)).toBe('closed');
    expect(await program(`{ cluster: { nodes: [${node}] } }`, body)).toBe('closed');
    expect(await program(`{ redis: { sentinels: [${node}], name: 'main' } }`, body)).toBe('closed');
  }, 60_000);

  test('that waits for a lock waits until it has it', async () => {
    const server = await start();
    await server.client.set('epochly:lock:l', 'another', 'PX', 1000);
    const body = `await store.lock('l');`;
    expect(await program(`{ url: '${server.url}' }`, body)).toBe('closed');
  });

  test('that closes its store ends while Redis hangs', async () => {
    const server = await start();
    const hang = `process.kill(${server.pid}, 'SIGSTOP');`;
    expect(await program(`{ url: '${server.url}', timeoutMs: 100 }`, hang + USE)).toBe('closed');
  });
});

describe('a database that the server does not have', () => {
  const refused = { code: 'STORE', message: expect.stringMatching(/database 7: ERR DB index is out of range/) };

  test.each([{}, { disableClientInfo: true, enableReadyCheck: false }])(
    'is not opened, and no other one is used, with options %o',
    async (redis) => {
      const server = await start({ args: ['--databases', '4'] });
      await expect(openRedisStore({ url: `${server.url}/7`, redis })).rejects.toMatchObject(refused);
      await expect(openRedisStore({ redis: { ...redis, port: server.port, db: 7 } })).rejects.toMatchObject(refused);
      expect(await server.client.dbsize()).toBe(0);
    },
  );

  test('is found out when there is a server, and each call says so from then on', async () => {
    const server = await start({ args: ['--databases', '4'] });
    await server.signal('SIGKILL');
    const store = await open({ url: `${server.url}/7` });
    await expect(store.get('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await server.restart();
    await vi.waitFor(() => expect(store.get('a')).rejects.toMatchObject(refused), { timeout: 20_000, interval: 20 });
    // Through several attempts to connect, whose every moment is one in which something might be sent.
    const clients = async (): Promise<number> =>
      Number(/total_connections_received:(\d+)/.exec(await server.client.info('stats'))?.[1]);
    const before = await clients();
    while ((await clients()) < before + 3) {
      const calls = [store.get('a'), store.put('a', bytes(1)), store.putIfAbsent('b', bytes(1)), store.keys('')];
      for (const each of await Promise.allSettled(calls))
        expect(each).toMatchObject({ status: 'rejected', reason: refused });
    }
    expect(await server.client.dbsize()).toBe(0);
  }, 30_000);

  test.each(['x', '7x', '1/2', '-1'])('%s is no number of one', async (path) => {
    await expect(openRedisStore({ url: `redis://127.0.0.1/${path}` })).rejects.toThrow(RangeError);
  });
});

describe('a server that asks for more than an address', () => {
  test('for a password: a wrong one or none is said, and it is not', async () => {
    const { client, port } = await start({ args: ['--requirepass', 'right'], connect: { password: 'right' } });
    const at = (login: string): string => `redis://${login}127.0.0.1:${port}/3`;
    const right = await open({ url: at(':right@') });
    await right.put('a', bytes(1));
    await client.select(3);
    expect(await client.exists('epochly:data:a')).toBe(1);
    for (const [login, why] of [
      [':wrong-secret@', 'WRONGPASS'],
      ['', 'NOAUTH'],
    ] as const) {
      const store = await open({ url: at(login) });
      const error = await Promise.resolve(store.get('a')).catch((each: unknown) => each as Error);
      expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining(why) });
      expect(String(error)).not.toContain('secret');
    }
  });

  test('for TLS: over rediss://, and not from a stranger', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'epochly-redis-tls-'));
    opened.push({ close: () => rm(folder, { recursive: true, force: true }) });
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
    const pair = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert];
    await run('openssl', ['req', '-x509', '-days', '2', ...pair, ...subject]);
    const ca = await readFile(cert);
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
    const args = ['--port', '0', '--tls-auth-clients', 'no', ...files];
    const { port } = await start({ args, portArgument: '--tls-port', connect: { tls: { ca } } });
    const url = `rediss://127.0.0.1:${port}`;
    const store = await open({ url, redis: { tls: { ca } } });
    await store.put('a', bytes(1));
    expect(await store.get('a')).toEqual(bytes(1));
    const heard = new Promise((resolve) => store.onAnnounced?.(resolve));
    expect(await heard).toBe('');
    const stranger = await open({ url });
    await expect(stranger.get('a')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('self-signed certificate'),
    });
  });
});

test('a server that was made a replica is left: another one may be the master now', async () => {
  const { client, url } = await start();
  const store = await open({ url });
  const connections = async (): Promise<number> =>
    Number(/total_connections_received:(\d+)/.exec(await client.info('stats'))?.[1]);
  const before = await connections();
  await client.replicaof('127.0.0.1', 1);
  await expect(store.put('a', bytes(1))).rejects.toMatchObject({
    code: 'STORE',
    message: expect.stringContaining('READONLY'),
  });
  await vi.waitFor(async () => expect(await connections()).toBe(before + 1));
  await client.replicaof('NO', 'ONE');
  await answers(store);
});

test('Sentinel says which server is the master, also when another one takes over', async () => {
  const master = await start();
  const replicaOf = ['--replicaof', '127.0.0.1', String(master.port), '--repl-diskless-sync-delay', '0'];
  const replica = await start({ args: replicaOf });
  const until = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 20_000 });
  // Sentinel asks for a master's replicas when it begins, and then no sooner than ten seconds later.
  await until(async () => expect(await master.client.info('replication')).toContain('state=online'));
  const watched = [
    `sentinel monitor main 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 5000',
  ];
  const sentinel = await start({ args: ['--sentinel'], config: watched });
  const store = await open({ redis: { sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'main' } });
  await store.put('a', bytes(1));
  expect(await master.client.exists('epochly:data:a')).toBe(1);
  await until(async () => expect(await replica.client.exists('epochly:data:a')).toBe(1));
  await master.signal('SIGKILL');
  await until(async () => store.put('b', bytes(2)));
  expect(await replica.client.exists('epochly:data:b')).toBe(1);
  expect(await store.get('a')).toEqual(bytes(1));
});

test('Sentinels that nobody can reach are asked again until one answers', async () => {
  const master = await start();
  const config = [`sentinel monitor main 127.0.0.1 ${master.port} 1`];
  const sentinel = await start({ args: ['--sentinel'], config });
  await sentinel.signal('SIGKILL');
  const store = await open({ redis: { sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: 'main' } });
  await expect(store.get('a')).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('All sentinels are unreachable. Last error'),
  });
  await sentinel.restart();
  await answers(store);
  await store.put('a', bytes(1));
  expect(await master.client.exists('epochly:data:a')).toBe(1);
}, 30_000);
