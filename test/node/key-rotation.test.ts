/** The master key changed while the store is in use. */

import { expect, test } from 'vitest';
import type { ByteStore, StoreBatch } from '../../src/cache/byte-store.ts';
import { SealedTier } from '../../src/cache/sealed/sealed-tier.ts';
import type { SealedTierOptions } from '../../src/cache/sealed/vault-tier.ts';
import { KeyError } from '../../src/key-error.ts';
import type { Keyring } from '../../src/privacy/keyring.ts';
import { plainKeyring } from '../../platforms/node/keyring/plain-keyring.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { bytesOf, newKeyring, slowKeyring, textOf } from '../helpers/sealing.ts';
import { SharedStore, slowStore } from '../helpers/shared-store.ts';

const clock = createFakeClock();
const old = newKeyring();
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const TENANTS = ['a', 'b', 'c'];

const setUp = async () => {
  const shared = new SharedStore();
  const open = (keyring: Keyring, options: Partial<SealedTierOptions> = {}): SealedTier =>
    new SealedTier({ store: shared.connect(), keyring, clock, ...options });
  const tier = open(old, { sealLimit: 2 });
  for (const tenant of TENANTS)
    for (const key of ['1', '2', '3']) await tier.put(key, bytesOf(tenant + key), { tenant });
  await clock.run(20);
  return { shared, open, tier };
};
const readsAll = async (tier: SealedTier, tenants: readonly string[] = TENANTS): Promise<boolean> => {
  for (const tenant of tenants)
    for (const key of ['1', '2', '3']) if (textOf(await tier.get(key, { tenant })) !== tenant + key) return false;
  return true;
};
/** The keyrings that wrapped the keys in the store. */
const wrappers = (shared: SharedStore): readonly string[] => [
  ...new Set(
    ['r', ...shared.memory.keys('k/')].map((name) =>
      Buffer.from(shared.memory.get(name) as Uint8Array)
        .subarray(1, 17)
        .toString('latin1'),
    ),
  ),
];
const rejects = async (call: () => unknown): Promise<unknown> => {
  try {
    return await call();
  } catch (error) {
    return error;
  }
};

test('wraps all keys anew in one write, touches no entry, and leaves the old key good for nothing', async () => {
  const { shared, open, tier } = await setUp();
  const next = newKeyring();
  const before = shared.contents();
  expect(wrappers(shared)).toEqual([old.id]);
  const writes: StoreBatch[] = [];
  const store = shared.connect();
  const watched = open(old, { store: { ...store, write: (batch) => (writes.push(batch), store.write(batch)) } });
  expect(await watched.rotateKey(next)).toEqual({ rewrapped: 7, unreadable: 0 });
  expect(writes).toHaveLength(1);
  expect(wrappers(shared)).toEqual([next.id]);
  const after = shared.contents();
  for (const [name, bytes] of Object.entries(before))
    expect(Buffer.compare(after[name] as Uint8Array, bytes) === 0, name).toBe(!/^(r$|k\/)/.test(name));
  for (const each of [
    tier,
    watched,
    open(next),
    open(next, { previousKeyrings: [old] }),
    open(old, { previousKeyrings: [next] }),
  ])
    expect(await readsAll(each)).toBe(true);
  const late = open(old);
  expect(await rejects(() => late.open())).toBeInstanceOf(KeyError);
  expect(await late.get('1', { tenant: 'a' })).toBeUndefined();
  expect(await watched.rotateKey(next)).toEqual({ rewrapped: 0, unreadable: 0 });
});

test('others go on with the old key, with both, and with the new one, while and after it is changed', async () => {
  const { shared, open } = await setUp();
  const next = newKeyring();
  const slow = (): ByteStore => slowStore(shared.connect());
  const tiers = [
    open(old, { store: slow() }),
    open(next, { store: slow(), previousKeyrings: [old] }),
    open(old, { store: slow(), previousKeyrings: [next], keyring: slowKeyring(old) }),
  ];
  let failures = 0;
  let reads = 0;
  const state = { isDone: false };
  const traffic = tiers.map(async (tier, t) => {
    for (let i = 0; !state.isDone; i++) {
      const tenant = TENANTS[i % 3] as string;
      await tier.put(`own ${t}`, bytesOf(`own ${t}`), { tenant });
      if (textOf(await tier.get(`own ${t}`, { tenant })) !== `own ${t}`) failures++;
      if (textOf(await tier.get('1', { tenant })) !== `${tenant}1`) failures++;
      reads++;
      // Or nothing else got its turn.
      await turn();
    }
  });
  const rotating = open(old, { store: slow() });
  for (let i = 0; i < 5; i++) await turn();
  await rotating.rotateKey(next);
  for (let i = 0; i < 5; i++) await turn();
  state.isDone = true;
  await Promise.all(traffic);
  expect(reads).toBeGreaterThan(10);
  expect(failures).toBe(0);
  await clock.run(100);
  for (const tier of tiers) expect(await readsAll(tier)).toBe(true);
  expect(await readsAll(open(next))).toBe(true);
});

test('what is made with the old key meanwhile is wrapped anew as well, or by the next rotation', async () => {
  const { shared, open } = await setUp();
  const next = newKeyring();
  const other = open(old);
  const store = shared.connect();
  let writes = 0;
  const tier = open(old, {
    store: {
      ...store,
      write(batch) {
        // Just before the keys that were read are written.
        if (writes++ === 0) void other.put('1', bytesOf('new'), { tenant: 'new' });
        return store.write(batch);
      },
    },
  });
  expect(await tier.rotateKey(next)).toEqual({ rewrapped: 8, unreadable: 0 });
  expect(wrappers(shared)).toEqual([next.id]);
  // Whoever was not told goes on making keys that only the old one opens.
  await other.put('1', bytesOf('late'), { tenant: 'late' });
  await clock.run(20);
  expect(wrappers(shared)).toEqual([next.id, old.id]);
  expect(await open(next).get('1', { tenant: 'late' })).toBeUndefined();
  expect(await open(next, { previousKeyrings: [old] }).rotateKey(next)).toEqual({ rewrapped: 1, unreadable: 0 });
  expect(textOf(await open(next).get('1', { tenant: 'late' }))).toBe('late');
  expect(textOf(await other.get('1', { tenant: 'late' }))).toBe('late');
});

test('cut off half-way both keys open it, and done again it is whole', async () => {
  for (let written = 0; written <= 7; written++) {
    const { shared, open } = await setUp();
    const next = newKeyring();
    const store = shared.connect();
    let isBroken = true;
    const tier = open(old, {
      store: {
        ...store,
        write(batch) {
          if (!isBroken) return store.write(batch);
          store.write({ puts: (batch.puts ?? []).slice(0, written) });
          throw new Error('the power went');
        },
      },
    });
    expect(await rejects(() => tier.rotateKey(next))).toMatchObject({ message: 'the power went' });
    isBroken = false;
    const both = open(old, { previousKeyrings: [next] });
    for (const each of [tier, both]) expect(await readsAll(each), `after ${written} keys`).toBe(true);
    await tier.put('1', bytesOf('new'), { tenant: 'new' });
    expect(await both.rotateKey(next)).toMatchObject({ rewrapped: 7 - written + 1, unreadable: 0 });
    const after = open(next);
    expect(await readsAll(after)).toBe(true);
    await clock.run(20);
    expect(textOf(await after.get('1', { tenant: 'new' }))).toBe('new');
  }
});

test.each([true, false])(
  'a tenant that is forgotten meanwhile stays forgotten (the store has locks: %s)',
  async (hasLocks) => {
    for (const isOther of [true, false]) {
      const { shared, open } = await setUp();
      const next = newKeyring();
      const connect = (): ByteStore => {
        const { lock, ...store } = slowStore(shared.connect());
        return hasLocks && lock !== undefined ? { ...store, lock } : store;
      };
      const tier = open(old, { store: connect() });
      const forgetting = isOther ? open(old, { store: connect() }) : tier;
      const rotation = tier.rotateKey(next);
      for (let i = 0; i < 10; i++) await undefined;
      const forgotten = forgetting.forgetTenant('a');
      await clock.run(1000);
      await Promise.all([rotation, forgotten]);
      expect(shared.memory.keys('k/')).toHaveLength(4);
      expect(shared.memory.keys('l')).toEqual([]);
      for (const each of [tier, open(next)]) {
        expect(await each.get('1', { tenant: 'a' })).toBeUndefined();
        expect(await readsAll(each, ['b', 'c'])).toBe(true);
      }
    }
  },
);

test('of a process that died while it wrapped keys, the lock is free after some seconds', async () => {
  const { shared, open } = await setUp();
  const died = createFakeClock(clock.now());
  const { lock: _, ...store } = shared.connect();
  const stuck = { ...store, write: () => new Promise<void>(() => undefined) };
  void open(old, { store: stuck, clock: died }).rotateKey(newKeyring());
  await clock.run(100);
  expect(shared.memory.keys('l')).toEqual(['l']);
  const timers = new Set<boolean | undefined>();
  const waiting = {
    ...clock,
    after: (ms: number, task: () => void, keepsAlive?: boolean) => {
      if (ms < 1000) timers.add(keepsAlive);
      return clock.after(ms, task);
    },
  };
  const forgotten = Promise.resolve(open(old, { store, clock: waiting }).forgetTenant('a'));
  await clock.run(4000);
  expect(shared.memory.keys('k/')).toHaveLength(6);
  await clock.run(1000);
  await forgotten;
  expect(shared.memory.keys('k/')).toHaveLength(4);
  // A process that waits for nothing else does not end before.
  expect([...timers]).toEqual([true]);
});

test('whoever holds the lock keeps it for as long as it takes, and gives it back', async () => {
  const { shared, open } = await setUp();
  const { lock: _, ...store } = shared.connect();
  let goOn: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const slow = { ...store, write: async (batch: StoreBatch) => (await gate, store.write(batch)) };
  const next = newKeyring();
  const rotation = open(old, { store: slow }).rotateKey(next);
  const forgotten = Promise.resolve(open(old, { store }).forgetTenant('a'));
  await clock.run(60_000);
  expect(shared.memory.keys('k/')).toHaveLength(6);
  goOn();
  await clock.run(1000);
  expect(await rotation).toEqual({ rewrapped: 7, unreadable: 0 });
  await forgotten;
  expect(shared.memory.keys('k/')).toHaveLength(4);
  expect(shared.memory.keys('l')).toEqual([]);
  expect(clock.pending).toBe(0);
});

test('a rotation that was held up for longer than the lock lasts writes nothing, and says so', async () => {
  const { shared, open } = await setUp();
  const before = shared.contents();
  const { lock: _, ...store } = shared.connect();
  const heldUp = createFakeClock(clock.now());
  let goOn: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const slow = { ...store, keys: async (prefix: string) => (await gate, store.keys(prefix)) };
  const rotation = rejects(() => open(old, { store: slow, clock: heldUp }).rotateKey(newKeyring()));
  await clock.run(5000);
  const forgotten = Promise.resolve(open(old, { store }).forgetTenant('a'));
  await clock.run(100);
  await forgotten;
  goOn();
  expect(await rotation).toMatchObject({ code: 'STORE', message: expect.stringContaining('Do it again') });
  for (const name of shared.memory.keys('k/')) expect(shared.memory.get(name)).toEqual(before[name]);
  expect(shared.memory.keys('k/')).toHaveLength(4);
  expect(shared.memory.get('r')).toEqual(before['r']);
});

test('a rotation that takes its time says that it goes on, and gives others their turns', async () => {
  const { shared, open } = await setUp();
  const [name] = shared.memory.keys('k/') as [string];
  const record = shared.memory.get(name) as Uint8Array;
  for (let i = 0; i < 1000; i++)
    shared.memory.put(name.replace(/\/.*/, `/${String(i).padStart(32, '0')}/00000000`), record);
  const { lock: _, ...store } = shared.connect();
  const locks: number[] = [];
  let turns = 0;
  const tier = open(old, {
    store: { ...store, put: (key, bytes) => (locks.push(bytes.length), store.put(key, bytes)) },
    clock: { ...clock, soon: (task) => (turns++, clock.soon(task)), now: clock.now, epochNow: clock.epochNow },
  });
  const rotation = tier.rotateKey(newKeyring());
  await clock.run(1000);
  expect(await rotation).toEqual({ rewrapped: 7, unreadable: 1000 });
  expect(locks).toEqual([24, 24, 24, 24, 24, 24, 24]);
  expect(turns).toBe(6);
});

test('a key that nobody opens stays as it is, and is told of', async () => {
  const { shared, open } = await setUp();
  const next = newKeyring();
  const [name] = shared.memory.keys('k/') as [string];
  const record = shared.memory.get(name) as Uint8Array;
  record[40] = (record[40] as number) ^ 1;
  shared.memory.put(name, record);
  expect(await open(old).rotateKey(next)).toEqual({ rewrapped: 6, unreadable: 1 });
  expect(shared.memory.get(name)).toEqual(record);
});

test('two rotations at once come one after the other', async () => {
  const { shared, open, tier } = await setUp();
  const [b, c] = [newKeyring(), newKeyring()];
  await Promise.all([tier.rotateKey(b), tier.rotateKey(c)]);
  expect(wrappers(shared)).toEqual([c.id]);
  expect(await readsAll(open(c))).toBe(true);
  expect(await readsAll(tier)).toBe(true);
});

test('from plaintext, or to it, there is no rotation', async () => {
  const { open, tier } = await setUp();
  expect(await rejects(() => tier.rotateKey(plainKeyring()))).toBeInstanceOf(KeyError);
  expect(await readsAll(open(old))).toBe(true);
  const plain = new SharedStore();
  const openly = new SealedTier({ store: plain.connect(), keyring: plainKeyring(), clock });
  await openly.put('key', bytesOf('value'));
  expect(await rejects(() => openly.rotateKey(newKeyring()))).toBeInstanceOf(KeyError);
  expect(textOf(await openly.get('key'))).toBe('value');
});
