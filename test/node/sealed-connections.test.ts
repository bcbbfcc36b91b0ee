/** Several connections to one store: who is first, who learns of what, and how soon. */

import { describe, expect, test } from 'vitest';
import type { ByteStore } from '../../src/cache/byte-store.ts';
import type { TierInvalidation } from '../../src/cache/cache-tier.ts';
import { SealedTier } from '../../src/cache/sealed/sealed-tier.ts';
import type { SealedTierOptions } from '../../src/cache/sealed/vault-tier.ts';
import { StoreUnavailableError } from '../../src/cache/store-errors.ts';
import type { MaybePromise } from '../../src/platform.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { bytesOf, newKeyring, slowKeyring, textOf } from '../helpers/sealing.ts';
import { SharedStore, slowStore } from '../helpers/shared-store.ts';
import type { Telling } from '../helpers/shared-store.ts';

const keyring = newKeyring();
const scope = { tenant: 'tenant', model: 'model' };
const setUp = (telling: Telling = 'count', options: Partial<SealedTierOptions> = {}) => {
  const clock = createFakeClock();
  const shared = new SharedStore();
  const open = (store: ByteStore = shared.connect(telling)): SealedTier =>
    new SealedTier({ store, keyring, clock, ...options });
  /** Puts, and sees to it that it is written. */
  const put = async (tier: SealedTier, value: string, key = 'key', of = scope): Promise<void> => {
    await tier.put(key, bytesOf(value), of);
    await clock.run(20);
  };
  return { clock, shared, open, put };
};
const get = async (tier: SealedTier, key = 'key', of = scope): Promise<string | undefined> =>
  textOf(await tier.get(key, of));

describe('of several who are first at once', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('all use the keys of one, whoever answers when (%i)', async (seed) => {
    const { clock, shared } = setUp();
    let state = seed;
    const pause = async (): Promise<void> => {
      state = (state * 48_271) % 0x7fffffff;
      for (let i = state % 7; i > 0; i--) await undefined;
    };
    const tiers = [1, 2, 3, 4].map(
      () => new SealedTier({ store: slowStore(shared.connect(), pause), keyring: slowKeyring(keyring), clock }),
    );
    await Promise.all(tiers.map((tier, i) => tier.put(`key ${i}`, bytesOf(`value ${i}`), scope)));
    for (const tier of tiers) await tier.close();
    expect(shared.memory.keys('r')).toHaveLength(1);
    expect(shared.memory.keys('k/')).toHaveLength(1);
    expect(shared.memory.keys('g/')).toHaveLength(1);
    // And each seals for itself.
    expect(shared.memory.keys('c/')).toHaveLength(4);
    const reader = new SealedTier({ store: shared.connect(), keyring, clock });
    for (const i of [0, 1, 2, 3]) expect(await get(reader, `key ${i}`)).toBe(`value ${i}`);
  });

  test('each takes a block of seals for itself', async () => {
    const { shared, open, put } = setUp();
    const [a, b] = [open(), open()];
    await put(a, 'a', 'a');
    await put(b, 'b', 'b');
    await put(a, 'c', 'c');
    expect(shared.memory.keys('c/')).toHaveLength(2);
  });
});

describe('a data key', () => {
  test('is retired after so many seals, and goes on opening what it sealed', async () => {
    const { shared, open, put } = setUp('count', { sealLimit: 3 });
    const tier = open();
    for (let i = 0; i < 10; i++) await put(tier, `value ${i}`, `key ${i}`);
    await tier.close();
    expect(shared.memory.keys('k/').map((name) => name.slice(-8))).toEqual([
      '00000000',
      '00000001',
      '00000002',
      '00000003',
    ]);
    const counts = new Map<number, number>();
    for (const name of shared.memory.keys('e/')) {
      const number = new DataView((shared.memory.get(name) as Uint8Array).buffer).getUint32(1, true);
      counts.set(number, (counts.get(number) ?? 0) + 1);
    }
    expect([...counts].toSorted()).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
      [3, 1],
    ]);
    const again = open();
    for (let i = 0; i < 10; i++) expect(await get(again, `key ${i}`)).toBe(`value ${i}`);
  });

  test('is not used more often over restarts and by several processes than by one', async () => {
    const { shared, open, put } = setUp('count', { sealLimit: 3 });
    for (let i = 0; i < 4; i++) {
      const [a, b] = [open(), open()];
      await put(a, 'a', `a ${i}`);
      await put(b, 'b', `b ${i}`);
      await a.close();
      await b.close();
    }
    const counts = new Map<number, number>();
    for (const name of shared.memory.keys('e/')) {
      const number = new DataView((shared.memory.get(name) as Uint8Array).buffer).getUint32(1, true);
      counts.set(number, (counts.get(number) ?? 0) + 1);
    }
    expect([...counts.values()].reduce((a, b) => a + b)).toBe(8);
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(3);
  });

  test('that another made is found when it is needed', async () => {
    const { open, put } = setUp('nothing', { sealLimit: 2 });
    const [a, b] = [open(), open()];
    await put(a, 'first', 'first');
    expect(await get(b, 'first')).toBe('first');
    for (let i = 0; i < 5; i++) await put(a, `value ${i}`, `key ${i}`);
    for (let i = 0; i < 5; i++) expect(await get(b, `key ${i}`)).toBe(`value ${i}`);
    expect(b.getStats()).toMatchObject({ hits: 6, errors: 0, missReasons: { unauthentic: 0 } });
  });

  test('takes its blocks by halving where many are taken', async () => {
    const { shared, open, put } = setUp('count', { sealLimit: 1000 });
    const first = open();
    await put(first, 'value');
    await first.close();
    const [claim] = shared.memory.keys('c/') as [string];
    for (let block = 1; block < 700; block++)
      shared.memory.put(claim.slice(0, -8) + block.toString(16).padStart(8, '0'), new Uint8Array(16));
    let reads = 0;
    const store = shared.connect();
    const counting: ByteStore = { ...store, get: (name) => (reads++, store.get(name)) };
    const tier = open(counting);
    await put(tier, 'value');
    expect(shared.memory.keys('c/')).toHaveLength(701);
    expect(reads).toBeLessThan(35);
  });
});

describe.each<Telling>(['count', 'announcements', 'nothing'])('where the store tells of changes by %s', (telling) => {
  const settle = telling === 'nothing' ? 5000 : 0;

  test('a forgotten tenant is unreadable for others, also from what they hold or would write', async () => {
    const { clock, shared, open, put } = setUp(telling);
    const [a, b] = [open(), open()];
    await put(a, 'value');
    expect(await get(b)).toBe('value');
    await put(a, 'theirs', 'key', { tenant: 'other', model: 'model' });
    const before = shared.contents();
    // In what b has yet to write.
    await b.put('late', bytesOf('late'), scope);
    await a.forgetTenant('tenant');
    expect(shared.memory.keys('k/')).toHaveLength(1);
    expect(shared.memory.keys('e/')).toHaveLength(1);
    await clock.run(settle);
    // Put back by whoever has the file.
    for (const [name, bytes] of Object.entries(before)) if (name.startsWith('e/')) shared.memory.put(name, bytes);
    for (const tier of [a, b, open()]) {
      expect(await get(tier)).toBeUndefined();
      expect(await get(tier, 'key', { tenant: 'other', model: 'model' })).toBe('theirs');
    }
    await put(b, 'new');
    for (const tier of [a, b, open()]) expect(await get(tier)).toBe('new');
  });

  test('an invalidated model is gone for others', async () => {
    const { clock, open, put } = setUp(telling);
    const [a, b] = [open(), open()];
    await put(a, 'value');
    await put(a, 'other', 'key', { tenant: 'tenant', model: 'other' });
    expect(await get(b)).toBe('value');
    await a.invalidateModel('model');
    await clock.run(settle);
    expect(await get(b)).toBeUndefined();
    expect(await get(b, 'key', { tenant: 'tenant', model: 'other' })).toBe('other');
    await put(b, 'new');
    expect(await get(a)).toBe('new');
  });

  test('whoever listens is told which model and which tenant, if it knows of them, and nothing of its own', async () => {
    const { clock, open, put } = setUp(telling);
    const [a, b] = [open(), open()];
    await put(a, 'value');
    await get(b);
    await get(b, 'key', { tenant: 'other', model: 'other' });
    const told: TierInvalidation[] = [];
    const own: TierInvalidation[] = [];
    const subscription = b.onInvalidated((each) => told.push(each));
    a.onInvalidated((each) => own.push(each));
    await a.invalidateModel('model');
    await clock.run(5000);
    expect(told).toEqual([{ model: 'model' }]);
    await a.invalidateModel('unknown to b');
    await a.forgetTenant('tenant');
    await clock.run(5000);
    expect(told).toEqual([{ model: 'model' }, { tenant: 'tenant' }]);
    await clock.run(50_000);
    expect(told).toHaveLength(2);
    expect(own).toEqual([]);
    subscription[Symbol.dispose]();
    await b.close();
    await a.close();
    await clock.run(10_000);
    expect(clock.pending).toBe(0);
  });
});

test('what is on its way to the store when its tenant is forgotten is deleted behind it', async () => {
  const { clock, shared } = setUp();
  const { lock: _, ...connection } = shared.connect();
  let goOn: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  let isHeld = false;
  const tier = new SealedTier({
    store: {
      ...connection,
      async write(batch) {
        if ((batch.puts ?? []).some(({ key }) => key.startsWith('e/'))) {
          isHeld = true;
          await gate;
        }
        return connection.write(batch);
      },
    },
    keyring,
    clock,
  });
  await tier.put('key', bytesOf('value'), scope);
  await clock.run(20);
  expect(isHeld).toBe(true);
  const forgetting = tier.forgetTenant('tenant');
  await clock.run(20);
  goOn();
  await forgetting;
  expect(['e/', 'k/', 'c/', 'l'].flatMap((prefix) => shared.memory.keys(prefix))).toEqual([]);
});

test('two who invalidate at once both learn of the other', async () => {
  const { open, put } = setUp();
  const [a, b] = [open(), open()];
  for (const model of ['m', 'n']) {
    await put(a, 'value', 'key', { tenant: 'tenant', model });
    expect(await get(b, 'key', { tenant: 'tenant', model })).toBe('value');
  }
  await Promise.all([a.invalidateModel('m'), b.invalidateModel('n')]);
  for (const tier of [a, b])
    for (const model of ['m', 'n']) expect(await get(tier, 'key', { tenant: 'tenant', model })).toBeUndefined();
});

test('an announcement of another tier on the same store is none of this one, and an empty one is', async () => {
  const { clock, shared, open, put } = setUp('announcements');
  const tier = open();
  await put(tier, 'value');
  const told: TierInvalidation[] = [];
  let reads = 0;
  const connection = shared.connect('announcements');
  const listening = open({ ...connection, get: (name) => (reads++, connection.get(name)) });
  expect(await get(listening)).toBe('value');
  listening.onInvalidated((each) => told.push(each));
  reads = 0;
  tier.invalidateModel('model');
  await clock.run(0);
  expect(told).toEqual([{ model: 'model' }]);
  reads = 0;
  const stranger = shared.connect('announcements');
  stranger.announce?.('other:v');
  await clock.run(0);
  expect(reads).toBe(0);
  stranger.announce?.('');
  await clock.run(0);
  expect(reads).toBe(1);
});

describe('what is lost from the store', () => {
  test("a model's generation: nothing of before is served again", async () => {
    const { shared, open, put } = setUp();
    const tier = open();
    await put(tier, 'old');
    await tier.invalidateModel('model');
    await put(tier, 'new');
    const entries = Object.entries(shared.contents()).filter(([name]) => name.startsWith('e/'));
    expect(entries).toHaveLength(2);
    shared.memory.deletePrefix('g/');
    for (const each of [open(), tier]) {
      const found = await get(each);
      expect(found === undefined || (each === tier && found === 'new')).toBe(true);
    }
    await put(open(), 'newer');
    expect(await get(open())).toBe('newer');
  });

  test('all of it: others begin anew, and whoever was there follows', async () => {
    const { shared, open, put } = setUp();
    const tier = open();
    await put(tier, 'old');
    const told: TierInvalidation[] = [];
    tier.onInvalidated((each) => told.push(each));
    shared.connect().deletePrefix('');
    expect(await get(tier)).toBeUndefined();
    expect(told).toEqual([{ tenant: 'tenant' }]);
    await put(open(), 'new');
    expect(await get(tier)).toBe('new');
  });
});

describe('what cannot be written', () => {
  const failing = (shared: SharedStore): { readonly store: ByteStore; fails: boolean } => {
    const store = shared.connect();
    const switched = {
      fails: false,
      store: {
        ...store,
        write(batch: Parameters<ByteStore['write']>[0]) {
          if (switched.fails) throw new Error('the store is broken');
          return store.write(batch);
        },
      },
    };
    return switched;
  };

  test('an invalidation rejects, holds here at once, and is written before the model is served again', async () => {
    const { shared, open, put } = setUp();
    const part = failing(shared);
    const [tier, other] = [open(part.store), open()];
    await put(tier, 'old');
    part.fails = true;
    await expect((async () => tier.invalidateModel('model'))()).rejects.toThrow('broken');
    expect(await get(tier)).toBeUndefined();
    await tier.put('key', bytesOf('dropped'), scope);
    expect(await get(other)).toBe('old');
    part.fails = false;
    expect(await get(tier)).toBeUndefined();
    expect(await get(other)).toBeUndefined();
    await put(tier, 'new');
    expect(await get(other)).toBe('new');
  });

  test('forgetting where the store is away says that the tenant is not forgotten', async () => {
    const { shared, open, put } = setUp();
    const away = new StoreUnavailableError('Redis cannot be reached.', { retryAfterMs: 7 });
    let isAway = false;
    const store = shared.connect();
    const tier = open({ ...store, keys: (prefix) => (isAway ? Promise.reject(away) : store.keys(prefix)) });
    await put(tier, 'old');
    isAway = true;
    await expect((async () => tier.forgetTenant('tenant'))()).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringMatching(/^Redis cannot be reached\. The tenant is not forgotten: .* forgotten again\.$/),
      retryAfterMs: 7,
      cause: away,
    });
    expect(await get(tier)).toBeUndefined();
  });

  test('forgetting rejects, holds here at once, and can be done again', async () => {
    const { shared, open, put } = setUp();
    const part = failing(shared);
    const tier = open(part.store);
    await put(tier, 'old');
    part.fails = true;
    await expect((async () => tier.forgetTenant('tenant'))()).rejects.toThrow('broken');
    part.fails = false;
    expect(await get(tier)).toBeUndefined();
    await put(tier, 'not kept');
    expect(await get(tier)).toBeUndefined();
    expect(tier.getStats().dropped).toBe(1);
    await tier.forgetTenant('tenant');
    await put(tier, 'new');
    expect(await get(tier)).toBe('new');
  });
});

test('keys that were forgotten here are not believed again, also where the store goes back to them', async () => {
  const { shared, open, put } = setUp();
  const tier = open();
  await put(tier, 'old');
  const before = shared.contents();
  await tier.forgetTenant('tenant');
  const back = shared.connect();
  for (const [name, bytes] of Object.entries(before)) back.put(name, bytes);
  expect(await get(tier)).toBeUndefined();
  expect(shared.memory.keys('k/')).toEqual([]);
  await put(tier, 'new');
  expect(await get(open())).toBe('new');
});

test.each(['a model', 'a tenant'])(
  'what is being read or put when %s is forgotten is neither given nor kept',
  async (what) => {
    const { clock, shared, open, put } = setUp();
    const forget = (tier: SealedTier): MaybePromise<void> =>
      what === 'a model' ? tier.invalidateModel('model') : tier.forgetTenant('tenant');
    let held = 0;
    // Held at each of its steps in turn, until it has no more of them.
    for (let at = 0; ; at++) {
      await put(open(), 'value');
      let steps = -Infinity;
      let reach: () => void = () => undefined;
      let goOn: () => void = () => undefined;
      const reached = new Promise<void>((resolve) => (reach = resolve));
      const gate = new Promise<void>((resolve) => (goOn = resolve));
      const pause = async (): Promise<void> => {
        if (steps++ !== at) return;
        reach();
        await gate;
      };
      const tier = new SealedTier({
        store: slowStore(shared.connect(), pause),
        keyring: slowKeyring(keyring, pause),
        clock,
      });
      if (at % 2 === 0) expect(await get(tier)).toBe('value');
      steps = 0;
      const reading = Promise.resolve(tier.get('key', scope));
      const putting = Promise.resolve(tier.put('key 2', bytesOf('value'), scope));
      const isHeld = await Promise.race([reached.then(() => true), Promise.all([reading, putting]).then(() => false)]);
      steps = Infinity;
      const isRead = await Promise.race([reading.then(() => true), Promise.resolve().then(() => false)]);
      const forgetting = forget(tier);
      goOn();
      if (!isRead) expect(await reading, `held at step ${at}`).toBeUndefined();
      await Promise.all([putting, forgetting]);
      await clock.run(20);
      for (const each of [tier, open()])
        for (const key of ['key', 'key 2']) expect(await get(each, key), `held at step ${at}`).toBeUndefined();
      await tier.close();
      if (!isHeld) break;
      held++;
    }
    expect(held).toBeGreaterThan(5);
  },
);
