/** @module What every ByteStore must do, as tests. */

import { afterEach, describe, expect, test } from 'vitest';
import type { ByteStore } from '../../src/cache/byte-store.ts';
import type { MaybePromise } from '../../src/platform.ts';

export interface ByteStoreContractOptions {
  /** Opens an empty store. */
  readonly open: () => MaybePromise<ByteStore>;
  /** Opens another connection to the same one, where it lasts longer than its connection. */
  readonly reopen?: (store: ByteStore) => MaybePromise<ByteStore>;
  /** Whether entries expire by themselves, and the last use of others is known by the second only. Default false. */
  readonly expires?: boolean;
}

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
/** What stores have stumbled over: nothing, NUL, wildcards of SQL and Redis, quotes, characters beyond the BMP, half of one. */
const KEYS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '%',
  '_',
  '*',
  '?',
  '[a]',
  '\\',
  `'`,
  '"',
  ':',
  'ä',
  'a\u0308',
  '💥',
  '\ud83d',
  'a'.repeat(900),
];

/** Tests a store. @example testByteStore('mine', { open: () => new MyStore() }); */
export function testByteStore(name: string, { open, reopen, expires = false }: ByteStoreContractOptions): void {
  const opened: ByteStore[] = [];
  const openStore = async (): Promise<ByteStore> => {
    const store = await open();
    opened.push(store);
    return store;
  };
  const list = async (store: ByteStore, prefix = ''): Promise<readonly string[]> => store.keys(prefix);

  describe(`the ${name} store keeps the contract`, () => {
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close();
    });

    test('gives back what was put last, and nothing where nothing was', async () => {
      const store = await openStore();
      expect(await store.get('a')).toBeUndefined();
      await store.put('a', bytes(1));
      await store.put('a', bytes(2, 3));
      expect(await store.get('a')).toEqual(bytes(2, 3));
      await store.put('a', bytes());
      expect(await store.get('a')).toEqual(bytes());
    });

    test.each(KEYS)('takes the key %j, and no other for it', async (key) => {
      const store = await openStore();
      const others = KEYS.filter((each) => each !== key);
      await store.put(key, bytes(1));
      for (const other of others) expect(await store.get(other), JSON.stringify(other)).toBeUndefined();
      for (const other of others) await store.put(other, bytes(2));
      expect(await store.get(key)).toEqual(bytes(1));
      expect(await list(store)).toEqual(KEYS.toSorted());
      await store.delete(key);
      expect(await list(store)).toEqual(others.toSorted());
    });

    test('takes values of all bytes, of parts of a buffer, and of a megabyte', async () => {
      const store = await openStore();
      const all = Uint8Array.from({ length: 256 }, (_, i) => i);
      await store.put('part', all.subarray(100, 103));
      await store.put('all', all);
      await store.put('large', new Uint8Array(1 << 20).fill(7));
      expect(await store.get('part')).toEqual(bytes(100, 101, 102));
      expect(await store.get('all')).toEqual(all);
      // Byte by byte: comparing a megabyte as values takes seconds.
      const large = await store.get('large');
      expect([large?.length, large?.every((byte) => byte === 7)]).toEqual([1 << 20, true]);
    });

    test('shares no memory with anybody', async () => {
      const store = await openStore();
      const given = bytes(1);
      await store.put('a', given);
      given[0] = 9;
      const taken = (await store.get('a')) as Uint8Array;
      taken[0] = 8;
      expect(await store.get('a')).toEqual(bytes(1));
      ((await store.putIfAbsent('a', bytes(3))) as Uint8Array)[0] = 7;
      expect(await store.get('a')).toEqual(bytes(1));
    });

    test('deletes by key and by beginning, what is there and what is not', async () => {
      const store = await openStore();
      for (const key of ['a', 'a:1', 'a:2', 'a%', 'b', 'A:1']) await store.put(key, bytes(1));
      await store.delete('none');
      await store.deletePrefix('none');
      await store.deletePrefix('a:');
      expect(await list(store)).toEqual(['A:1', 'a', 'a%', 'b']);
      await store.deletePrefix('a%');
      expect(await list(store)).toEqual(['A:1', 'a', 'b']);
      expect(await list(store, 'a')).toEqual(['a']);
      await store.deletePrefix('');
      expect(await list(store)).toEqual([]);
    });

    test('takes a beginning for what it is, code unit by code unit: half a surrogate pair, the last one of all, wildcards', async () => {
      const store = await openStore();
      const keys = [
        '',
        '\0',
        'a',
        'a\0',
        'a\uffff',
        'b',
        'ä',
        'äa',
        '\ud83d',
        '\ud83da',
        '💥',
        '💥a',
        '💦',
        '\udca5',
        '\ue000',
        '\uffff',
        '\uffff\uffff',
      ];
      await store.write({ puts: keys.map((key) => ({ key, bytes: bytes(1) })) });
      for (const prefix of [...keys, 'a%', 'a_', '*', '\ud83d\udca6']) {
        const found = keys.filter((key) => key.startsWith(prefix)).toSorted();
        const sum = found.reduce((length, key) => length + key.length + 1, 0);
        expect(await list(store, prefix), JSON.stringify(prefix)).toEqual(found);
        expect(await store.usage(prefix), JSON.stringify(prefix)).toEqual({ entries: found.length, bytes: sum });
      }
      const isLeft = (key: string): boolean => !key.startsWith('\ud83d') && !key.startsWith('\uffff');
      await store.deletePrefix('\ud83d');
      await store.trim({ prefix: '\uffff', nowMs: 0, maxBytes: 0 });
      expect(await list(store)).toEqual(keys.filter(isLeft).toSorted());
    });

    // Times of long ago, which a store that lets entries expire by itself does not keep at all.
    test.skipIf(expires)('takes many at once, and makes room among them', async () => {
      const store = await openStore();
      const keys = Array.from({ length: 700 }, (_, i) => `e:${String(i).padStart(3, '0')}`);
      await store.put('k:1', bytes(1));
      await store.write({
        puts: keys.map((key, i) => ({ key, bytes: bytes(1, 2, 3), expiresAt: i % 2 === 0 ? 1000 : 2000 })),
      });
      expect(await list(store, 'e:')).toEqual(keys);
      expect(await store.usage('e:')).toEqual({ entries: 700, bytes: 700 * 8 });
      expect(await store.trim({ prefix: 'e:', nowMs: 1000, maxBytes: 20 * 8 })).toBe(680);
      expect(await list(store, 'e:')).toEqual(keys.filter((_, i) => i % 2 === 1).slice(-20));
      await store.write({ puts: keys.map((key) => ({ key, bytes: bytes(1) })) });
      await store.deletePrefix('e:');
      expect(await list(store)).toEqual(['k:1']);
    });

    test('does what it is asked in that order, also where nobody waits in between', async () => {
      const store = await openStore();
      await Promise.all([
        store.put('a', bytes(1)),
        store.put('a', bytes(2)),
        store.put('b', bytes(1)),
        store.delete('b'),
        store.delete('c'),
        store.put('c', bytes(1)),
      ]);
      expect(await store.get('a')).toEqual(bytes(2));
      expect(await list(store)).toEqual(['a', 'c']);
      await store.write({ puts: [1, 2, 3].map((value) => ({ key: 'twice', bytes: bytes(value) })) });
      expect(await store.get('twice')).toEqual(bytes(3));
      expect(await store.usage('twice')).toEqual({ entries: 1, bytes: 6 });
    });

    test('of several who would be first, one is, and all learn who', async () => {
      const store = await openStore();
      const all = await Promise.all([1, 2, 3, 4].map(async (value) => store.putIfAbsent('key', bytes(value))));
      const kept = await store.get('key');
      expect(all).toEqual([kept, kept, kept, kept]);
      expect(await store.putIfAbsent('key', bytes(9))).toEqual(kept);
    });

    test('writes a batch: deletes first, then puts; what was read is marked, and nothing comes of it', async () => {
      const store = await openStore();
      await store.put('a', bytes(1));
      await store.put('b', bytes(2));
      const given = bytes(3);
      await store.write({
        deletes: ['a', 'b', 'none'],
        puts: [
          { key: 'b', bytes: given },
          { key: 'c', bytes: bytes() },
        ],
        used: ['c', 'none'],
      });
      given[0] = 9;
      expect(await list(store)).toEqual(['b', 'c']);
      expect([await store.get('b'), await store.get('c')]).toEqual([bytes(3), bytes()]);
      await store.write({});
      expect(await list(store)).toEqual(['b', 'c']);
    });

    test('counts what it keeps, by beginning', async () => {
      const store = await openStore();
      expect(await store.usage('')).toEqual({ entries: 0, bytes: 0 });
      await store.write({
        puts: [
          { key: 'a:1', bytes: bytes(1, 2, 3) },
          { key: 'a:2', bytes: bytes() },
          { key: 'b', bytes: bytes(1) },
        ],
      });
      expect(await store.usage('a:')).toEqual({ entries: 2, bytes: 3 + 3 + 3 });
      await store.put('a:1', bytes(1));
      expect(await store.usage('')).toEqual({ entries: 3, bytes: 3 + 1 + 3 + 1 + 1 });
      await store.delete('a:1');
      await store.deletePrefix('b');
      expect(await store.usage('')).toEqual({ entries: 1, bytes: 3 });
    });

    test.skipIf(expires)(
      'makes room: what has expired goes, then what was used longest ago, and nothing else',
      async () => {
        const store = await openStore();
        const put = (key: string, expiresAt?: number): MaybePromise<void> =>
          store.write({ puts: [{ key, bytes: bytes(1, 2, 3, 4), expiresAt }] });
        for (const key of ['e:1', 'e:2', 'e:3', 'e:4']) await put(key);
        await put('e:old', 1000);
        await put('e:young', 3000);
        await put('k:1', 1000);
        expect(await store.trim({ prefix: 'e:', nowMs: 999, maxBytes: 1000 })).toBe(0);
        expect(await store.trim({ prefix: 'e:', nowMs: 1000, maxBytes: 1000 })).toBe(1);
        expect(await list(store)).toEqual(['e:1', 'e:2', 'e:3', 'e:4', 'e:young', 'k:1']);
        await store.write({ used: ['e:1'] });
        await put('e:2');
        // 7 bytes each, 11 the young one: room for three of those used last.
        expect(await store.trim({ prefix: 'e:', nowMs: 1000, maxBytes: 7 + 7 + 11 })).toBe(2);
        expect(await list(store)).toEqual(['e:1', 'e:2', 'e:young', 'k:1']);
        expect(await store.trim({ prefix: 'e:', nowMs: 1000, maxBytes: 0 })).toBe(3);
        expect(await list(store)).toEqual(['k:1']);
      },
    );

    test.runIf(expires)(
      'what has expired is gone, also without making room; no more is left than there is room for',
      async () => {
        const store = await openStore();
        const past = Date.now() - 1000;
        await store.write({
          puts: [
            ...['e:1', 'e:2', 'e:3', 'e:4', 'k:1'].map((key) => ({ key, bytes: bytes(1, 2, 3, 4) })),
            { key: 'e:5', bytes: bytes(1, 2, 3, 4), expiresAt: past + 1e6 },
            ...[-1, 0, 1, past].map((expiresAt) => ({ key: `e:old ${expiresAt}`, bytes: bytes(1), expiresAt })),
          ],
        });
        expect(await store.get(`e:old ${past}`)).toBeUndefined();
        expect(await list(store)).toEqual(['e:1', 'e:2', 'e:3', 'e:4', 'e:5', 'k:1']);
        expect(await store.trim({ prefix: 'e:', nowMs: Date.now(), maxBytes: 5 * 7 })).toBe(0);
        expect(await store.trim({ prefix: 'e:', nowMs: Date.now(), maxBytes: 5 * 7 - 1 })).toBe(1);
        expect(await store.trim({ prefix: 'e:', nowMs: Date.now(), maxBytes: 20 })).toBe(2);
        expect(await store.usage('e:')).toEqual({ entries: 2, bytes: 14 });
        expect(await store.trim({ prefix: 'e:', nowMs: Date.now(), maxBytes: 0 })).toBe(2);
        expect(await list(store)).toEqual(['k:1']);
      },
    );

    test.skipIf(expires)('what is put again expires when it is said last', async () => {
      const store = await openStore();
      await store.write({ puts: ['a', 'b', 'c'].map((key) => ({ key, bytes: bytes(1), expiresAt: 1000 })) });
      await store.put('a', bytes(1));
      await store.write({ puts: [{ key: 'b', bytes: bytes(1), expiresAt: 1001 }], used: ['c'] });
      expect(await store.trim({ prefix: '', nowMs: 1000, maxBytes: 1000 })).toBe(1);
      expect(await list(store)).toEqual(['a', 'b']);
    });

    test('once closed it says so', async () => {
      const store = await openStore();
      await store.close();
      await store.close();
      const calls = [
        () => store.get('a'),
        () => store.put('a', bytes(1)),
        () => store.delete('a'),
        () => store.keys(''),
        () => store.putIfAbsent('a', bytes(1)),
        () => store.write({ puts: [{ key: 'a', bytes: bytes(1) }] }),
        () => store.deletePrefix(''),
        () => store.usage(''),
        () => store.trim({ prefix: '', nowMs: 0, maxBytes: 0 }),
      ];
      for (const call of calls) await expect((async () => call())()).rejects.toMatchObject({ code: 'CLOSED' });
    });

    test.runIf(reopen !== undefined)('another connection sees the same, now and afterwards', async () => {
      const store = await openStore();
      const again = async (): Promise<ByteStore> => {
        const other = await (reopen as NonNullable<typeof reopen>)(store);
        opened.push(other);
        return other;
      };
      const other = await again();
      await store.put('a', bytes(1));
      expect(await other.get('a')).toEqual(bytes(1));
      expect(await other.putIfAbsent('a', bytes(2))).toEqual(bytes(1));
      await other.write({ deletes: ['a'], puts: [{ key: 'b', bytes: bytes(2) }] });
      expect([await store.get('a'), await store.get('b')]).toEqual([undefined, bytes(2)]);
      await other.close();
      await store.close();
      expect(await (await again()).get('b')).toEqual(bytes(2));
    });

    test.runIf(reopen !== undefined)('tells that another connection changed it, where it can', async () => {
      const store = await openStore();
      const other = await (reopen as NonNullable<typeof reopen>)(store);
      opened.push(other);
      if (store.changeCount === undefined) return;
      const changes: (() => MaybePromise<unknown>)[] = [
        () => other.put('a', bytes(1)),
        () => other.put('a', bytes(1)),
        () => other.putIfAbsent('b', bytes(1)),
        () => other.delete('a'),
        () => other.deletePrefix('b'),
      ];
      for (const change of changes) {
        const before = store.changeCount();
        await store.get('a');
        expect(store.changeCount()).toBe(before);
        await change();
        expect(store.changeCount()).not.toBe(before);
      }
    });
  });
}
