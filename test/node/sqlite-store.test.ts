/** The store in a file: the contract, in a thread and without one, and what is its own. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { openSqliteStore } from '../../dist/platforms/node/store/open-sqlite-store.js';
import { nodeClock } from '../../platforms/node/clock.ts';
import { Checkpoints } from '../../platforms/node/store/checkpoints.ts';
import { openDatabaseFile } from '../../platforms/node/store/database-file.ts';
import { bytesToKey, keyToBytes } from '../../platforms/node/store/key-bytes.ts';
import { openSqliteStore as openHere } from '../../platforms/node/store/open-sqlite-store.ts';
import type { SqliteStoreOptions } from '../../platforms/node/store/open-sqlite-store.ts';
import { SqliteStore } from '../../platforms/node/store/sqlite-store.ts';
import { loadSqlite } from '../../platforms/node/store/sqlite.ts';
import { Tables } from '../../platforms/node/store/tables.ts';
import type { WritePlace } from '../../platforms/node/store/write-place.ts';
import type { WriteReply, WriteRequest } from '../../platforms/node/store/write-protocol.ts';
import { testByteStore } from '../contract/byte-store-contract.ts';
import { driver, openDatabase, problemsOf } from './support/database.ts';

const root = mkdtempSync(join(tmpdir(), 'epochly-store-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const newPath = (): string => join(root, String(count++), 'store.db');

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
});
async function open(path = newPath(), options: Partial<SqliteStoreOptions> = {}): Promise<SqliteStore> {
  const store = await openSqliteStore({ path, driver, ...options });
  opened.push(store);
  return store as unknown as SqliteStore;
}

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

const paths = new WeakMap<object, string>();
for (const [name, openAt] of [
  ['SQLite', openSqliteStore],
  ['SQLite in this thread', openHere],
] as const) {
  const openPath = async (path: string) => {
    const store = await openAt({ path, driver });
    paths.set(store, path);
    return store;
  };
  testByteStore(name, { open: () => openPath(newPath()), reopen: (store) => openPath(paths.get(store) as string) });
}

describe('keys as bytes', () => {
  const keys = [
    '',
    '\0',
    'a',
    'a\0',
    'ab',
    '\x7f',
    '\x80',
    '\u07ff',
    '\u0800',
    '\ud7ff',
    '\ud83d',
    '💥',
    '\udfff',
    '\ue000',
    '\uffff',
  ];

  test('come back as they were, and lie in the order of code units', () => {
    for (const key of keys) expect(bytesToKey(keyToBytes(key)), JSON.stringify(key)).toBe(key);
    for (const a of keys) {
      for (const b of keys) {
        expect(Math.sign(Buffer.compare(keyToBytes(a), keyToBytes(b)))).toBe(a < b ? -1 : a > b ? 1 : 0);
        expect(Buffer.from(keyToBytes(a + b)).equals(Buffer.concat([keyToBytes(a), keyToBytes(b)]))).toBe(true);
      }
    }
  });

  test('of damaged bytes are some key', () => {
    for (const each of [[0xff], [0xe0], [0xc0, 0x80], [0xe0, 0x80, 0x80, 0x80]]) {
      expect(typeof bytesToKey(Uint8Array.from(each))).toBe('string');
    }
  });
});

describe('writing', () => {
  test('is not done by the thread that asks, which may be busy', async () => {
    const path = newPath();
    const store = await open(path);
    const reader = openDatabase(path);
    const statement = reader.prepare('SELECT count(*) AS entries FROM entries');
    const puts = Array.from({ length: 1000 }, (_, i) => store.put(`key ${i}`, new Uint8Array(1500)));
    // What was asked for in this turn goes over at its end.
    await Promise.resolve();
    // From here on this thread's event loop stands still: what is written is written by another one.
    const giveUpAt = Date.now() + 30_000;
    while ((statement.get()?.['entries'] as number) < 512 && Date.now() < giveUpAt);
    expect(statement.get()?.['entries']).toBeGreaterThanOrEqual(512);
    reader.close();
    await Promise.all(puts);
    expect(store.warnings).toEqual([]);
  });

  test('blocks the thread where none can be opened for it, and a warning says why', async () => {
    const store = await openHere({ path: newPath(), driver });
    opened.push(store);
    expect(store.warnings).toEqual([
      expect.stringMatching(/blocks this thread.*write-thread-entry\.js is missing.*external/),
    ]);
  });

  test('takes many in one transaction', async () => {
    const path = newPath();
    const store = await open(path);
    const other = await open(path);
    const before = other.changeCount();
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.put(`key ${i}`, bytes(i))));
    const keys = await other.keys('');
    expect(keys).toHaveLength(100);
    // Each transaction that is seen counts by one; one goes over by itself, the others while it is written.
    expect(other.changeCount() - before).toBeLessThanOrEqual(3);
  });

  test('what fails harms nothing that was written with it, and is undone whole', async () => {
    const path = newPath();
    const store = await open(path);
    const database = openDatabase(path);
    database.exec(`CREATE TRIGGER refuse BEFORE INSERT ON entries WHEN new.key = CAST('bad' AS BLOB)
      BEGIN SELECT RAISE(ABORT, 'refused'); END`);
    const put = (key: string) => ({ key, bytes: bytes(1) });
    const results = await Promise.allSettled([
      store.put('one', bytes(1)),
      store.put('bad', bytes(1)),
      store.write({ deletes: ['one'], puts: [put('two'), put('bad')] }),
      store.putIfAbsent('bad', bytes(1)),
      store.write({ puts: [put('three'), put('four')] }),
      store.usage(''),
    ]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(results[1]).toMatchObject({ reason: { code: 'STORE', message: expect.stringContaining('refused') } });
    expect(await store.keys('')).toEqual(['four', 'one', 'three']);
    database.exec('DROP TRIGGER refuse');
    database.close();
  });

  test('one that is not of the right kind is refused before it is sent', async () => {
    const store = await open();
    const wrong = [
      () => store.put(1 as unknown as string, bytes(1)),
      () => store.put(Symbol('key') as unknown as string, bytes(1)),
      () => store.write({ deletes: [undefined as unknown as string] }),
      () => store.write({ used: [{} as unknown as string] }),
      () => store.putIfAbsent(null as unknown as string, bytes(1)),
      () => store.put('key', 'text' as unknown as Uint8Array),
      () => store.put('key', [1, 2] as unknown as Uint8Array),
      async () => store.get(1 as unknown as string),
      () => store.keys(/a/ as unknown as string),
    ];
    for (const call of wrong) await expect(call()).rejects.toThrow(TypeError);
    await store.put('key', Buffer.from('text'));
    expect(Buffer.from((await store.get('key')) as Uint8Array).toString()).toBe('text');
  });

  test('gives back plain bytes in memory of their own, whatever they came in', async () => {
    const store = await open();
    const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(5);
    await store.put('shared', shared);
    await store.put('pooled', Buffer.from('pooled'));
    await store.put('large', new Uint8Array(100_000).subarray(10, 90_000));
    for (const [key, length] of [
      ['shared', 8],
      ['pooled', 6],
      ['large', 89_990],
    ] as const) {
      const got = (await store.get(key)) as Uint8Array;
      expect([got.constructor.name, got.length, got.buffer.byteLength]).toEqual(['Uint8Array', length, length]);
    }
  });

  test("the value of a caller is the caller's as soon as the call returns", async () => {
    const store = await open();
    for (const size of [10, 1000, 200_000]) {
      const value = new Uint8Array(size).fill(1);
      const [put, kept] = [store.put('put', value), store.putIfAbsent(`kept ${size}`, value)];
      value.fill(2);
      await put;
      expect([await store.get('put'), await kept].map((each) => each?.every((byte) => byte === 1))).toEqual([
        true,
        true,
      ]);
      expect(value.length).toBe(size);
    }
  });

  test('what was put a moment ago is read, whichever is newer', async () => {
    const store = await open();
    for (let i = 0; i < 200; i++) {
      await store.put('key', bytes(i));
      expect(store.get('key')).toEqual(bytes(i));
    }
  });
});

describe('closing', () => {
  test('writes what is waiting, takes no more, and leaves the file alone', async () => {
    const path = newPath();
    const store = await open(path);
    const puts = Array.from({ length: 3000 }, (_, i) => store.put(`key ${i}`, new Uint8Array(1000).fill(i)));
    const trimmed = store.trim({ prefix: 'none', nowMs: 0, maxBytes: 0 });
    const closed = store.close();
    expect(() => store.get('key 1')).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    expect(() => store.changeCount()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    await expect(store.put('late', bytes(1))).rejects.toMatchObject({ code: 'CLOSED' });
    await Promise.all([...puts, trimmed, closed, store.close()]);
    expect(readdirSync(dirname(path)).toSorted()).toEqual(['store.db', 'store.db-lock']);
    expect(await (await open(path)).usage('')).toMatchObject({ entries: 3000 });
    expect(problemsOf(path)).toEqual([]);
  });

  test('ends a trim where it is', async () => {
    const path = newPath();
    const store = await open(path);
    await store.write({ puts: Array.from({ length: 2000 }, (_, i) => ({ key: `key ${i}`, bytes: bytes(1) })) });
    const trimmed = store.trim({ prefix: '', nowMs: 0, maxBytes: 0 });
    await Promise.resolve();
    await store.close();
    const left = (await (await open(path)).keys('')).length;
    expect(left).toBeGreaterThan(0);
    expect(await trimmed).toBe(2000 - left);
  });

  test('while another connection is open leaves it what it needs', async () => {
    const path = newPath();
    const [one, other] = [await open(path), await open(path)];
    await one.put('a', bytes(1));
    await one.close();
    expect(other.get('a')).toEqual(bytes(1));
    await other.put('b', bytes(2));
    await other.close();
    expect(await (await open(path)).keys('')).toEqual(['a', 'b']);
  });
});

describe('making room', () => {
  const fill = async (store: SqliteStore, entries: number, size: number): Promise<void> => {
    const puts = Array.from({ length: entries }, (_, i) => ({
      key: `e:${String(i).padStart(5, '0')}`,
      bytes: new Uint8Array(size),
    }));
    await store.write({ puts });
  };

  test('two that do it at once make no more than one would', async () => {
    const path = newPath();
    const stores = [await open(path), await open(path), await open(path)];
    const [store] = stores as [SqliteStore];
    await fill(store, 3000, 93);
    const options = { prefix: 'e:', nowMs: 0, maxBytes: 1000 * 100 };
    const deleted = await Promise.all([...stores, store].map((each) => each.trim(options)));
    // A step of another may come between the counting and the deleting of one.
    const left = (await store.usage('e:')).entries;
    expect(left).toBeLessThanOrEqual(1000);
    expect(left).toBeGreaterThanOrEqual(1000 - 3 * 256);
    expect(deleted.reduce((sum, each) => sum + each)).toBe(3000 - left);
    expect((await store.keys('e:')).at(-1)).toBe('e:02999');
  });

  test('others write while it goes on, and what they write stays', async () => {
    const store = await open();
    await fill(store, 3000, 100);
    let ended = false;
    const trimmed = store.trim({ prefix: 'e:', nowMs: 0, maxBytes: 0 }).finally(() => (ended = true));
    await store.put('k:1', bytes(1));
    expect(ended).toBe(false);
    await trimmed;
    expect(await store.keys('')).toEqual(['k:1']);
  });

  test('gives the room back to the file system, most of it', async () => {
    const path = newPath();
    const store = await open(path);
    await fill(store, 100, 600_000);
    await store.trim({ prefix: 'e:', nowMs: 0, maxBytes: 1_300_000 });
    expect(await store.keys('')).toEqual(['e:00098', 'e:00099']);
    await store.close();
    expect(statSync(path).size).toBeLessThan(25_000_000);
    expect(problemsOf(path)).toEqual([]);
    expect((await open(path)).get('e:00099')).toEqual(new Uint8Array(600_000));
  });
});

describe('the file', () => {
  test.skipIf(process.platform === 'win32')('and its folder are for this user alone', async () => {
    const path = join(newPath(), 'a', 'store.db');
    const store = await open(path);
    await store.put('key', bytes(1));
    const modes = readdirSync(dirname(path)).map((name) => [
      name,
      (statSync(join(dirname(path), name)).mode & 0o777).toString(8),
    ]);
    expect(Object.fromEntries(modes)).toEqual({
      'store.db': '600',
      'store.db-lock': '600',
      'store.db-shm': '600',
      'store.db-wal': '600',
    });
    for (const folder of [dirname(path), join(path, '../..')]) expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test.skipIf(process.platform === 'win32')('that others could read becomes one that they cannot', async () => {
    const path = newPath();
    mkdirSync(dirname(path));
    openDatabase(path).close();
    const { chmodSync, writeFileSync } = await import('node:fs');
    writeFileSync(path, '');
    chmodSync(path, 0o644);
    await open(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('holds nothing any more of what was deleted', async () => {
    const path = newPath();
    const store = await open(path);
    const secret = Buffer.from('a secret that nobody finds again');
    const large = Buffer.concat(Array.from({ length: 20_000 }, () => secret));
    await store.put('small', secret);
    await store.put('large', large);
    await store.put('replaced', secret);
    await store.put('secret key', bytes(1));
    await store.put('neighbour', bytes(1));
    await store.write({ deletes: ['small', 'secret key'], puts: [{ key: 'replaced', bytes: bytes(1) }] });
    await store.deletePrefix('large');
    await store.close();
    const content = readFileSync(path);
    expect(content.includes('neighbour')).toBe(true);
    expect(content.includes('secret')).toBe(false);
  });

  test('takes over what is in the log when that has grown, and cuts it off when it has grown too far', () => {
    for (const [megabytes, left, later] of [
      [10, 10, 10],
      [20, 20, 8],
      [70, 0, 0],
    ] as const) {
      const path = newPath();
      const { connection } = openDatabaseFile({ sqlite: loadSqlite(driver), path, clock: nodeClock });
      const [tables, checkpoints] = [new Tables(connection), new Checkpoints(connection, path)];
      tables.begin();
      for (let i = 0; i < megabytes; i++) tables.put({ key: `key ${i}`, bytes: new Uint8Array(1 << 20) });
      tables.commit();
      checkpoints.keepUp();
      expect(statSync(`${path}-wal`).size >> 20).toBe(left);
      expect(statSync(path).size >> 20).toBe(megabytes < 16 ? 0 : megabytes);
      tables.begin();
      tables.put({ key: 'small', bytes: bytes(1) });
      tables.commit();
      // What was taken over is written over.
      expect(statSync(`${path}-wal`).size >> 20).toBe(later);
      connection.close();
    }
  });

  test('is followed by a log that is cut off again after a reader kept it from beginning anew', async () => {
    const path = newPath();
    const store = await open(path);
    await store.put('key', bytes(1));
    const reader = openDatabase(path);
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM entries').get();
    const write = async (megabytes: number): Promise<void> => {
      for (let i = 0; i < megabytes; i++) await store.put(`key ${i % 8}`, new Uint8Array(1 << 20).fill(i));
    };
    await write(90);
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(80 << 20);
    reader.exec('COMMIT');
    await write(20);
    expect(statSync(`${path}-wal`).size).toBeLessThan(40 << 20);
    reader.close();
    expect(statSync(path).size).toBeLessThan(40 << 20);
  });
});

describe('a thread that is gone', () => {
  /** A place to write that answers when the test says so. */
  function fakePlace() {
    const requests: WriteRequest[] = [];
    let held = 0;
    let reply: (reply: WriteReply) => void = () => undefined;
    let end: (reason: string | undefined) => void = () => undefined;
    const place: WritePlace = {
      holdsUp: false,
      post: (request) => void requests.push(request),
      onReply: (listener) => (reply = listener),
      hold: () => void held++,
      release: () => void held--,
      ended: new Promise((resolve) => (end = resolve)),
    };
    return {
      place,
      requests,
      held: () => held,
      reply: (each: WriteReply) => reply(each),
      end: (reason?: string) => end(reason),
    };
  }

  test('fails what waits for it and what comes after, and leaves nothing hanging', async () => {
    const path = newPath();
    await (await open(path)).close();
    const { place, reply, end, held, requests } = fakePlace();
    const store = new SqliteStore({ sqlite: loadSqlite(driver), path, place });
    const { dev, ino } = statSync(path, { bigint: true });
    reply({ type: 'opened', identity: `${dev}:${ino}` });
    await store.opened();
    expect(held()).toBe(0);
    const puts = Array.from({ length: 2000 }, () => store.put('a', bytes(1)));
    expect(held()).toBe(1);
    await Promise.resolve();
    expect(requests.map(({ type }) => type)).toEqual(['perform', 'perform']);
    end('Its thread ended: out of memory.');
    for (const put of puts) {
      await expect(put).rejects.toMatchObject({ code: 'STORE', message: expect.stringContaining('out of memory') });
    }
    await expect(store.put('a', bytes(1))).rejects.toMatchObject({ code: 'STORE' });
    expect(() => store.get('a')).toThrow(expect.objectContaining({ code: 'STORE' }));
    await store.close();
    expect(held()).toBe(0);
  });

  test('a read that comes while the file is opened anew waits for it', async () => {
    const path = newPath();
    await (await open(path)).close();
    const { place, reply, requests, held } = fakePlace();
    const store = new SqliteStore({ sqlite: loadSqlite(driver), path, place });
    const early = store.get('a');
    expect(held()).toBe(1);
    const { dev, ino } = statSync(path, { bigint: true });
    // It was replaced while it was opened: what was opened is not what is there.
    reply({ type: 'opened', identity: '1:1' });
    expect(requests).toEqual([{ type: 'reopen', identity: '1:1', damaged: false }]);
    reply({ type: 'opened', identity: `${dev}:${ino}` });
    expect(await early).toBeUndefined();
    expect(held()).toBe(0);
    reply({ type: 'unusable', identity: `${dev}:${ino}`, damaged: false });
    reply({ type: 'unusable', identity: `${dev}:${ino}`, damaged: false });
    expect(requests).toHaveLength(2);
    const waiting = store.get('a');
    reply({ type: 'failed', reason: 'no such disk' });
    await expect(waiting).rejects.toMatchObject({ code: 'STORE', message: 'no such disk' });
  });

  test('a file that never stays is given up', async () => {
    const path = newPath();
    await (await open(path)).close();
    const { place, reply } = fakePlace();
    const store = new SqliteStore({ sqlite: loadSqlite(driver), path, place });
    for (let i = 0; i < 5; i++) reply({ type: 'opened', identity: `1:${i}` });
    await expect(store.opened()).rejects.toMatchObject({
      code: 'STORE',
      message: expect.stringContaining('replacing'),
    });
  });
});
