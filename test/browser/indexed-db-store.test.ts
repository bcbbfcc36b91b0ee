/** The store in IndexedDB: its contract, transactions, and what it counts. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { openIndexedDbStore } from '../../platforms/browser/store/indexed-db-store.ts';
import type { ByteStore, StoreEntry } from '../../src/cache/byte-store.ts';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { ClosedError } from '../../src/errors.ts';
import { testByteStore } from '../contract/byte-store-contract.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { databaseName, openStore } from './support/stores.ts';

const names = new WeakMap<ByteStore, string>();
let count = 0;

testByteStore('IndexedDB', {
  open: async () => {
    const name = `contract ${Date.now()} ${count++}`;
    const store = await openIndexedDbStore(name);
    names.set(store, name);
    return store;
  },
  reopen: (store) => openIndexedDbStore(names.get(store) as string),
});

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

/** Numbers from 0 to 1, the same ones each time (mulberry32, by Tommy Ettinger; public domain). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const put = (store: ByteStore, key: string, size: number): Promise<void> =>
  Promise.resolve(store.put(key, new Uint8Array(size)));

describe('what is asked for in one tick', () => {
  test('takes effect in its order', async () => {
    const store = await openStore();
    const answers = await Promise.all([
      store.get('a'),
      store.put('a', bytes(1)),
      store.get('a'),
      store.usage(''),
      store.putIfAbsent('a', bytes(2)),
      store.delete('a'),
      store.putIfAbsent('a', bytes(3)),
      store.write({ puts: [{ key: 'b', bytes: bytes(4, 5) }], used: ['a', 'none'] }),
      store.keys(''),
      store.deletePrefix('b'),
      store.usage(''),
    ]);
    expect(answers).toEqual([
      undefined,
      undefined,
      bytes(1),
      { entries: 1, bytes: 2 },
      bytes(1),
      undefined,
      bytes(3),
      undefined,
      ['a', 'b'],
      undefined,
      { entries: 1, bytes: 2 },
    ]);
    expect(await store.usage('')).toEqual({ entries: 1, bytes: 2 });
  });

  test('is done in one transaction, and reads in one that only reads', async () => {
    const store = await openStore();
    const begun: string[] = [];
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (stores, mode, options) {
      begun.push(`${mode} ${options?.durability}`);
      return transaction.call(this, stores, mode, options);
    };
    onTestFinished(() => {
      IDBDatabase.prototype.transaction = transaction;
    });
    await Promise.all([store.get('a'), store.get('b'), store.usage('')]);
    await Promise.all([store.put('a', bytes(1)), store.get('b'), store.putIfAbsent('c', bytes(1))]);
    expect(begun).toEqual(['readonly relaxed', 'readwrite relaxed']);
  });

  test('fails alone: what is wrong with one harms no other', async () => {
    const store = await openStore();
    const outcomes = await Promise.allSettled([
      store.put('a', bytes(1)),
      store.get(undefined as never),
      store.put('b', bytes(2)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await store.usage('')).toEqual({ entries: 2, bytes: 4 });
    await expect(store.write({ puts: [{ key: 'c', bytes: bytes(1) }], deletes: ['a', null as never] })).rejects.toThrow(
      DOMException,
    );
    expect(await store.keys('')).toEqual(['a', 'b']);
  });

  test('is of the bytes that were given, whatever becomes of them, and of no others beside them', async () => {
    const store = await openStore();
    const given = Uint8Array.of(1, 2, 3).subarray(1, 2);
    const work = [
      store.put('a', given),
      store.putIfAbsent('b', given),
      store.write({ puts: [{ key: 'c', bytes: given }] }),
    ];
    given.fill(9);
    await Promise.all(work);
    for (const key of ['a', 'b', 'c']) {
      const kept = (await store.get(key)) as Uint8Array;
      expect([kept, kept.buffer.byteLength]).toEqual([bytes(2), 1]);
    }
  });

  test('is finished by close()', async () => {
    const name = databaseName();
    const store = await openStore(name);
    const work = [store.put('a', bytes(1)), store.get('a'), store.trim({ prefix: '', nowMs: 0, maxBytes: 9 })];
    await Promise.all([store.close(), store.close()]);
    expect(await Promise.all(work)).toEqual([undefined, bytes(1), 0]);
    expect(await (await openStore(name)).get('a')).toEqual(bytes(1));
    for (const call of [() => store.usage(''), () => store.announce?.(''), () => store.lock?.('a')]) {
      await expect((async () => call())()).rejects.toThrow(ClosedError);
    }
  });
});

describe('what it holds', () => {
  test('is counted below any beginning, through changes of all kinds', async () => {
    const store = await openStore();
    const model = new MemoryStore();
    const random = createRandom(1);
    const parts = ['', 'a', 'b', '/', 'a/', '/a', '\uffff', '\uffff\uffff'];
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    const key = (): string => Array.from({ length: 1 + random() * 4 }, () => pick(parts)).join('');
    const entry = (): StoreEntry => ({
      key: key(),
      bytes: new Uint8Array(random() * 20),
      expiresAt: pick([undefined, 1, 2, 3]),
    });
    const keys = (): string[] => Array.from({ length: random() * 4 }, key);
    const changes: readonly (() => (on: ByteStore) => unknown)[] = [
      () =>
        (
          (batch) => (on) =>
            on.write(batch)
        )({ puts: [entry(), entry(), entry()], deletes: keys() }),
      () =>
        (
          (each) => (on) =>
            on.putIfAbsent(each.key, each.bytes)
        )(entry()),
      () =>
        (
          (each) => (on) =>
            on.delete(each)
        )(key()),
      () =>
        (
          (each) => (on) =>
            on.deletePrefix(each)
        )(key() + key()),
    ];
    for (let round = 0; round < 60; round++) {
      const tick = Array.from({ length: 1 + random() * 5 }, () => pick(changes)());
      await Promise.all(tick.map((change) => change(store)));
      for (const change of tick) change(model);
      const used = keys();
      const trim = { prefix: pick(['', 'a', 'a/', '/', 'b']), nowMs: pick([0, 1, 2, 3]), maxBytes: random() * 300 };
      const trimmed = [];
      for (const each of [store, model]) {
        await each.write({ used });
        trimmed.push(await each.trim(trim));
      }
      expect(trimmed[0], `round ${round}`).toBe(trimmed[1]);
      expect(await store.keys('')).toEqual(model.keys(''));
      const prefixes = ['', '/', 'a/', 'a/a/', 'a', 'a/b', '//', '///', '\uffff', key()];
      const usages = await Promise.all(prefixes.map(async (prefix) => store.usage(prefix)));
      expect(usages, `round ${round}`).toEqual(prefixes.map((prefix) => model.usage(prefix)));
    }
  });

  test('is counted below its first two parts, within them and below', async () => {
    const store = await openStore();
    for (const key of ['a', 'a/b', 'a/b/c', 'a/b/c/d', 'a/b/c/e', 'a/bb/c']) await store.put(key, bytes(1));
    const prefixes = ['', 'a', 'a/', 'a/b', 'a/b/', 'a/b/c', 'a/b/c/', 'a/b/c/d'];
    const counts = await Promise.all(prefixes.map(async (prefix) => (await store.usage(prefix)).entries));
    expect(counts).toEqual([6, 6, 5, 5, 3, 3, 2, 1]);
  });

  test('is found by the beginning of its keys to the last code unit', async () => {
    const store = await openStore();
    const all = [
      '\ud83d',
      '\ud83d\udca5',
      '\ud83e',
      '\uffff',
      '\uffff\0',
      '\uffff\uffff',
      'a',
      'a\uffff',
      'a\uffffb',
      'b',
    ];
    for (const key of all) await store.put(key, bytes(1));
    for (const prefix of ['', '\ud83d', '\uffff', '\uffff\uffff', 'a', 'a\uffff']) {
      const below = all.filter((key) => key.startsWith(prefix)).toSorted();
      expect(await store.keys(prefix), JSON.stringify(prefix)).toEqual(below);
    }
    await store.deletePrefix('\uffff');
    await store.deletePrefix('a\uffff');
    expect(await store.keys('')).toEqual(['a', 'b', '\ud83d', '\ud83d\udca5', '\ud83e'].toSorted());
  });

  test('is trimmed in chunks, past what is not to go, where all expire at one time', async () => {
    const store = await openStore();
    const entries = (prefix: string, length: number): StoreEntry[] =>
      Array.from({ length }, (_, i) => ({ key: `${prefix}${i}`, bytes: bytes(1), expiresAt: 1 }));
    await store.write({ puts: [...entries('b/', 600), ...entries('a/', 600), ...entries('c/', 600)] });
    expect(await store.trim({ prefix: 'c/', nowMs: 1, maxBytes: Infinity })).toBe(600);
    expect(await store.trim({ prefix: 'a/', nowMs: 0, maxBytes: 6 })).toBe(599);
    expect(await store.keys('a/')).toEqual(['a/599']);
    expect((await store.usage('b/')).entries).toBe(600);
  });

  test('keeps its order of use when the clock is set back', async () => {
    const [name, clock] = [databaseName(), createFakeClock()];
    clock.advance(1_000_000);
    const store = await openStore(name, { clock });
    await put(store, 'old', 1);
    await store.close();
    const later = await openStore(name, { clock: createFakeClock() });
    await put(later, 'new', 1);
    await put(later, 'newest', 1);
    await later.trim({ prefix: '', nowMs: 0, maxBytes: 7 });
    expect(await later.keys('')).toEqual(['newest']);
  });
});
