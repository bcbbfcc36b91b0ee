/** What becomes of a store whose file is no store, is damaged, is taken away, or cannot be written. */

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { openSqliteStore } from '../../dist/platforms/node/store/open-sqlite-store.js';
import type { SqliteStore } from '../../dist/platforms/node/store/sqlite-store.js';
import { openSqliteStore as openHere } from '../../platforms/node/store/open-sqlite-store.ts';
import { openDatabaseFile } from '../../platforms/node/store/database-file.ts';
import { mark } from '../../platforms/node/store/marker.ts';
import { loadSqlite } from '../../platforms/node/store/sqlite.ts';
import { Writer } from '../../platforms/node/store/writer.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { endOf, runProgram, startProgram } from './support/store-program.ts';
import { driver, openDatabase } from './support/database.ts';

const root = mkdtempSync(join(tmpdir(), 'epochly-damage-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
const newPath = (): string => {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  return join(folder, 'store.db');
};

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
});
async function open(path: string): Promise<SqliteStore> {
  const store = await openSqliteStore({ path, driver });
  opened.push(store);
  return store;
}

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
const filesBeside = (path: string): readonly string[] => readdirSync(dirname(path)).toSorted();
const asides = (path: string, why = 'damaged'): readonly string[] =>
  filesBeside(path).filter((name) => new RegExp(`\\.${why}-\\d+$`).test(name));
/** What there is of a store that nobody has open. */
const FILES = ['store.db', 'store.db-epochly', 'store.db-lock'];
const pathOf = (path: string, name: string | undefined): string => join(dirname(path), String(name));

/** A store with entries of its own in its file, and nothing beside it. */
async function makeStore(path: string, entries = 200, size = 2000): Promise<void> {
  const store = await openSqliteStore({ path, driver });
  const puts = Array.from({ length: entries }, (_, i) => ({ key: `key ${i}`, bytes: new Uint8Array(size).fill(i) }));
  await store.write({ puts });
  await store.close();
  expect(filesBeside(path)).toEqual(FILES);
}

/** In a process of its own: this one, by closing the file, would give up the locks that its stores hold. */
async function overwrite(path: string, from: number, length: number): Promise<void> {
  const text = `
    const { openSync, writeSync } = await import('node:fs');
    const [path, from, length] = args;
    writeSync(openSync(path, 'r+'), Buffer.alloc(Number(length), 0xa5), 0, Number(length), Number(from));`;
  expect(await runProgram(text, { args: [path, String(from), String(length)] })).toMatchObject({ code: 0, output: '' });
}

/** A store that was overwritten, from its beginning to its end, so that it can be told by nothing of it. */
async function makeRuin(path: string, content: string | Uint8Array = randomBytes(50_000)): Promise<void> {
  await makeStore(path);
  writeFileSync(path, content);
}

describe('a store that is none any more is set aside, and another one begun', () => {
  const kinds: Readonly<Record<string, (path: string) => void | Promise<void>>> = {
    'overwritten with text': (path) => makeRuin(path, 'not a database\n'.repeat(1000)),
    'overwritten with a few bytes': (path) => makeRuin(path, 'xyz'),
    encrypted: (path) => makeRuin(path, randomBytes(100_000)),
    'overwritten with zeros': (path) => makeRuin(path, new Uint8Array(100_000)),
    'that says to be another program’s': async (path) => {
      await makeStore(path);
      const database = openDatabase(path);
      database.exec('PRAGMA application_id = 1');
      database.close();
    },
    'cut off in its middle': async (path) => {
      await makeStore(path);
      truncateSync(path, Math.floor(statSync(path).size / 2));
    },
    'cut off after its first page': async (path) => {
      await makeStore(path);
      truncateSync(path, 16_384);
    },
    'cut off in its header': async (path) => {
      await makeStore(path);
      truncateSync(path, 50);
    },
    'with a broken first page': async (path) => {
      await makeStore(path);
      await overwrite(path, 100, 500);
    },
    'of which nothing but its header tells, and that nobody marked': async (path) => {
      await makeStore(path);
      await overwrite(path, 100, 500);
      rmSync(`${path}-epochly`);
    },
    'with another schema': async (path) => {
      await makeStore(path);
      const database = openDatabase(path);
      database.exec('DROP INDEX entries_by_use');
      database.close();
    },
    'with a part of the schema renamed': async (path) => {
      await makeStore(path);
      const database = openDatabase(path);
      database.exec('ALTER TABLE contents RENAME COLUMN bytes TO bites');
      database.close();
    },
  };
  test.each(Object.entries(kinds))('%s', async (_, damage) => {
    const path = newPath();
    await damage(path);
    const before = readFileSync(path);
    const store = await open(path);
    expect(await store.keys('')).toEqual([]);
    await store.put('a', bytes(1));
    expect(store.get('a')).toEqual(bytes(1));
    const [aside, ...others] = asides(path);
    expect(others).toEqual([]);
    expect(readFileSync(pathOf(path, aside)).equals(before)).toBe(true);
    expect(store.warnings).toEqual([expect.stringContaining(pathOf(path, aside))]);
    await store.close();
    expect(await (await open(path)).keys('')).toEqual(['a']);
    expect(asides(path)).toEqual([aside]);
  });

  test('of those that were damaged three are kept, with what belongs to them', async () => {
    const path = newPath();
    writeFileSync(`${path}.damaged-by hand`, '');
    const clock = createFakeClock();
    mark(path);
    for (let i = 0; i < 5; i++) {
      writeFileSync(path, `damaged ${i}`.padEnd(1000));
      for (const suffix of ['-wal', '-shm']) writeFileSync(path + suffix, `${i}${suffix}`);
      const writer = new Writer({ sqlite: loadSqlite(driver), path, clock });
      writer.open();
      writer.close();
      if (i % 2 === 0) clock.advance(5);
    }
    const names = asides(path);
    expect(names.map((name) => readFileSync(pathOf(path, name), 'utf8').trim())).toEqual([
      'damaged 2',
      'damaged 3',
      'damaged 4',
    ]);
    expect(names.map((name) => readFileSync(pathOf(path, `${name}-wal`), 'utf8'))).toEqual(['2-wal', '3-wal', '4-wal']);
    expect(filesBeside(path)).toHaveLength(4 + 3 * 3);
  });

  test('a log without its database is not taken for a part of the next one', async () => {
    const path = newPath();
    const store = await open(path);
    await store.put('old', bytes(1));
    copyFileSync(`${path}-wal`, `${path}.kept`);
    await store.close();
    rmSync(path);
    copyFileSync(`${path}.kept`, `${path}-wal`);
    expect(await (await open(path)).keys('')).toEqual([]);
  });

  test('an empty file is a store with nothing in it; one that nobody finished is as well', async () => {
    const path = newPath();
    writeFileSync(path, '');
    const store = await open(path);
    await store.put('a', bytes(1));
    await store.close();
    const unfinished = newPath();
    const database = openDatabase(unfinished);
    database.exec('PRAGMA journal_mode = WAL');
    database.close();
    expect(statSync(unfinished).size).toBeGreaterThan(0);
    expect((await open(unfinished)).warnings).toEqual([]);
    expect((await open(path)).get('a')).toEqual(bytes(1));
    expect([...asides(path), ...asides(unfinished)]).toEqual([]);
  });
});

describe('a file that is not epochly’s', () => {
  const begin = (path: string, sql: string): void => {
    const database = openDatabase(path);
    database.exec(sql);
    database.close();
  };
  const kinds: Readonly<Record<string, (path: string) => void>> = {
    'a text': (path) => writeFileSync(path, 'root:x:0:0:root:/root:/bin/bash\n'.repeat(50)),
    'a few bytes': (path) => writeFileSync(path, 'xyz'),
    zeros: (path) => writeFileSync(path, new Uint8Array(100_000)),
    'another program’s database': (path) => begin(path, 'CREATE TABLE notes (text); PRAGMA journal_mode = WAL'),
    'one that is told by its application id': (path) => begin(path, 'PRAGMA application_id = 1; CREATE TABLE t (x)'),
    'one that is damaged': (path) => {
      begin(path, 'CREATE TABLE notes (text)');
      truncateSync(path, 4096);
      const bytesOf = readFileSync(path);
      writeFileSync(path, bytesOf.fill(0xa5, 100, 600));
    },
  };
  test.each(Object.entries(kinds))('%s, is left as it is, with its mode, and the error says so', async (_, make) => {
    const path = newPath();
    make(path);
    chmodSync(path, 0o644);
    const before = readFileSync(path);
    const { mtimeMs, ino } = statSync(path);
    for (let i = 0; i < 2; i++)
      await expect(openSqliteStore({ path, driver })).rejects.toMatchObject({
        code: 'STORE',
        message: `What is at ${path} is not a store of epochly, and was left as it is. Name another path, or move it away.`,
      });
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(statSync(path)).toMatchObject({ mode: 0o100644, mtimeMs, ino });
    expect(filesBeside(path)).toEqual(['store.db']);
  });

  test.skipIf(process.platform === 'win32')('is left as it is behind a link, and so is what is no file', async () => {
    const path = newPath();
    const target = join(dirname(path), 'target');
    writeFileSync(target, 'of another');
    chmodSync(target, 0o644);
    symlinkSync(target, path);
    await expect(openSqliteStore({ path, driver })).rejects.toMatchObject({ code: 'STORE' });
    expect([readFileSync(target, 'utf8'), statSync(target).mode & 0o777]).toEqual(['of another', 0o644]);
    const { mode } = statSync('/dev/null');
    await expect(openSqliteStore({ path: '/dev/null', driver })).rejects.toMatchObject({ code: 'STORE' });
    expect(statSync('/dev/null').mode).toBe(mode);
    expect(filesBeside(path)).toEqual(['store.db', 'target']);
  });

  test('that takes a store’s place while it is open fails the store, and is left as it is', async () => {
    const path = newPath();
    const store = await open(path);
    await store.put('a', bytes(1));
    rmSync(path);
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix);
    begin(path, 'CREATE TABLE notes (text)');
    const before = readFileSync(path);
    await expect(store.put('b', bytes(2))).rejects.toMatchObject({
      message: expect.stringContaining('is not a store'),
    });
    await store.close();
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(asides(path)).toEqual([]);
  });
});

test.skipIf(process.platform === 'win32')(
  'a store that others may read is theirs no more, damaged or not',
  async () => {
    const path = newPath();
    await makeStore(path);
    chmodSync(path, 0o644);
    await (await open(path)).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const empty = newPath();
    writeFileSync(empty, '', { mode: 0o644 });
    await open(empty);
    expect(statSync(empty).mode & 0o777).toBe(0o600);
  },
);

test("a newer version's store is left alone, and the error says so", async () => {
  const path = newPath();
  await makeStore(path);
  const database = openDatabase(path);
  database.exec('PRAGMA user_version = 2');
  database.close();
  const error = await openSqliteStore({ path, driver }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'STORE', message: expect.stringContaining('newer version of epochly') });
  expect(filesBeside(path)).toEqual(FILES);
});

test('many who find it damaged at once agree on one new file', async () => {
  const path = newPath();
  await makeRuin(path);
  const text = `
    const [path, name] = args;
    process.send('ready');
    await new Promise((resolve) => process.once('message', resolve));
    const stores = await Promise.all([1, 2].map(() => openSqliteStore({ path })));
    await Promise.all(stores.map((store, i) => store.put(name + i, Uint8Array.of(1))));
    for (const store of stores) await store.close();
    process.disconnect();`;
  const children = ['a', 'b', 'c', 'd'].map((name) => startProgram(text, { args: [path, name] }));
  const ends = children.map(endOf);
  await Promise.all(children.map((child) => new Promise((resolve) => child.once('message', resolve))));
  for (const child of children) child.send('go');
  for (const end of ends) expect(await end).toMatchObject({ code: 0, output: '' });
  const store = await open(path);
  expect(await store.keys('')).toEqual(['a0', 'a1', 'b0', 'b1', 'c0', 'c1', 'd0', 'd1']);
  expect(asides(path)).toHaveLength(1);
});

test('one that opens the file has it for itself meanwhile', async () => {
  const path = newPath();
  await makeRuin(path);
  const sqlite = loadSqlite(driver);
  let tried = 0;
  const watched = {
    ...sqlite,
    open(at: string) {
      if (at === path) {
        const other = openDatabase(`${path}-lock`);
        expect(() => other.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE')).toThrow('locked');
        other.close();
        tried++;
      }
      return sqlite.open(at);
    },
  };
  openDatabaseFile({ sqlite: watched, path, clock: createFakeClock() }).connection.close();
  expect(tried).toBe(2);
});

test('while one sets it aside, others wait', async () => {
  const path = newPath();
  await makeRuin(path);
  const lock = openDatabase(`${path}-lock`);
  lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  const opening = open(path);
  // Time enough for one that would not wait.
  for (let i = 0; i < 5; i++) await (await open(newPath())).close();
  expect(filesBeside(path)).toEqual(FILES);
  expect(statSync(path).size).toBe(50_000);
  lock.close();
  expect((await opening).warnings).toHaveLength(1);
  expect(asides(path)).toHaveLength(1);
});

describe('damage that shows while a store is open', () => {
  /** Every page but the first one. */
  const spoil = async (path: string): Promise<void> => overwrite(path, 16_384, statSync(path).size - 16_384);

  for (const [where, openAt] of [
    ['in a thread', openSqliteStore],
    ['here', openHere],
  ] as const) {
    test(`a read fails once, and finds a new file the next time; writing ${where}`, async () => {
      const path = newPath();
      await makeStore(path);
      const store = await openAt({ path, driver });
      opened.push(store);
      const beforehand = store.changeCount();
      await spoil(path);
      expect(() => store.get('key 1')).toThrow(expect.objectContaining({ code: 'STORE' }));
      expect(await store.get('key 1')).toBeUndefined();
      await store.put('key 1', bytes(1));
      expect(store.get('key 1')).toEqual(bytes(1));
      expect(store.changeCount()).toBeGreaterThan(beforehand + 2 ** 31);
      expect(asides(path)).toHaveLength(1);
      expect(store.warnings.at(-1)).toContain(asides(path)[0]);
      await store.close();
      expect(await (await open(path)).keys('')).toEqual(['key 1']);
    });

    test(`a write that meets it goes to a new file, in its turn; writing ${where}`, async () => {
      const path = newPath();
      await makeStore(path);
      const store = await openAt({ path, driver });
      opened.push(store);
      await spoil(path);
      const kept = await Promise.all([
        store.put('a', bytes(1)),
        store.putIfAbsent('a', bytes(2)),
        store.keys(''),
        store.deletePrefix('key'),
        store.put('b', bytes(3)),
        store.usage(''),
        store.trim({ prefix: '', nowMs: 0, maxBytes: 2 }),
      ]);
      expect(kept.slice(1)).toEqual([bytes(1), ['a'], undefined, undefined, { entries: 2, bytes: 4 }, 1]);
      expect([store.get('a'), store.get('b')]).toEqual([undefined, bytes(3)]);
      expect(asides(path)).toHaveLength(1);
    });
  }

  test('a second time it is an error, and closing it is none', async () => {
    const path = newPath();
    await makeStore(path);
    const store = await open(path);
    for (let i = 0; i < 2; i++) {
      await spoil(path);
      expect(() => store.get('key 1')).toThrow(expect.objectContaining({ code: 'STORE' }));
      await store.put('key 1', new Uint8Array(100_000)).catch(() => undefined);
      if (i === 0)
        await store.write({ puts: Array.from({ length: 99 }, (_, j) => ({ key: `${j}`, bytes: bytes(j) })) });
      if (i === 0) await checkpoint(path);
    }
    expect(() => store.get('key 1')).toThrow(expect.objectContaining({ code: 'STORE' }));
    await expect(store.put('key 1', bytes(1))).rejects.toMatchObject({ code: 'STORE' });
    await expect(store.keys('')).rejects.toMatchObject({ code: 'STORE' });
    await store.close();
    expect(asides(path)).toHaveLength(1);
  });

  /** In a process of its own, as any other that has the store open may do it. */
  async function checkpoint(path: string): Promise<void> {
    const text = `openDatabase(args[0]).prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();`;
    expect(await runProgram(text, { args: [path] })).toMatchObject({ code: 0, output: '' });
  }

  test('another process that has it open goes on with the new file', async () => {
    const path = newPath();
    await makeStore(path);
    const [one, other] = [await open(path), await open(path)];
    await spoil(path);
    expect(() => one.get('key 1')).toThrow();
    await one.put('a', bytes(1));
    await other.put('b', bytes(2));
    expect([other.get('a'), await one.get('b')]).toEqual([bytes(1), bytes(2)]);
    expect(other.warnings).toEqual([expect.stringContaining('replaced')]);
    await other.close();
    await one.put('c', bytes(3));
    await one.close();
    expect(await (await open(path)).keys('')).toEqual(['a', 'b', 'c']);
    expect(asides(path)).toHaveLength(1);
  });

  test('a file that is taken away, folder and all, is begun anew with the next write', async () => {
    const path = newPath();
    const store = await open(path);
    await store.put('a', bytes(1));
    rmSync(dirname(path), { recursive: true });
    await Promise.all(['b', 'c'].map((key) => store.put(key, bytes(2))));
    expect([store.get('a'), store.get('b')]).toEqual([undefined, bytes(2)]);
    await store.close();
    expect(await (await open(path)).keys('')).toEqual(['b', 'c']);
  });
});

test('bits that flip anywhere are an error, another answer of the right kind, or nothing, and the store goes on', async () => {
  const original = newPath();
  await makeStore(original, 60, 700);
  const whole = readFileSync(original);
  const random = randomBytes(8);
  let seed = random.readUInt32LE(0);
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed % below;
  };
  const outcomes = { whole: 0, errors: 0, absent: 0, setAside: 0, other: 0 };
  for (let i = 0; i < 60; i++) {
    const path = newPath();
    const spoilt = Buffer.from(whole);
    // More in what holds the rest together: the beginnings of pages.
    for (let flips = next(3) + 1; flips > 0; flips--) {
      const at = i % 2 === 0 ? next(spoilt.length) : next(spoilt.length / 16_384) * 16_384 + next(200);
      spoilt[at] = (spoilt[at] as number) ^ (1 << next(8));
    }
    writeFileSync(path, spoilt);
    mark(path);
    const store = await openHere({ path, driver }).catch((error: unknown) => error as Error);
    if (store instanceof Error) {
      // Its version may have become a newer one.
      expect(store).toMatchObject({ code: 'STORE', message: expect.stringContaining('newer') });
      continue;
    }
    for (let k = 0; k < 60; k++) {
      try {
        const value = await store.get(`key ${k}`);
        if (value === undefined) outcomes.absent++;
        else if (value.length === 700 && value.every((byte) => byte === k)) outcomes.whole++;
        else outcomes.other++;
        expect(value === undefined || value instanceof Uint8Array).toBe(true);
      } catch (error) {
        expect(error, `seed ${random.readUInt32LE(0)}`).toMatchObject({ code: 'STORE' });
        outcomes.errors++;
      }
    }
    const failures: unknown[] = [];
    const note = (error: unknown): void => void failures.push(error);
    await store.put('key 7', bytes(7)).catch(note);
    await store.usage('').catch(note);
    await store.keys('').catch(note);
    await store.trim({ prefix: '', nowMs: 1, maxBytes: 1000 }).catch(note);
    await store.deletePrefix('').catch(note);
    for (const failure of failures) expect(failure).toMatchObject({ code: 'STORE' });
    outcomes.setAside += asides(path).length;
    await store.close();
    rmSync(dirname(path), { recursive: true });
  }
  // Most flips hit values, which are sealed by those who use a store.
  expect(outcomes.whole).toBeGreaterThan(1000);
  expect(outcomes.setAside).toBeGreaterThan(5);
});

describe('a path where no store can be', () => {
  const user = process.getuid?.() === 0 ? 65_534 : undefined;
  // Who becomes another must still be able to read the package.
  const isReadable = (path: string): boolean =>
    path === dirname(path) || ((statSync(path).mode & 0o005) === 0o005 && isReadable(dirname(path)));
  const cannotTry = process.platform === 'win32' || (user !== undefined && !isReadable(process.cwd()));
  /** By a user who is not almighty. */
  const openAs = (path: string): ReturnType<typeof runProgram> =>
    runProgram(`await openSqliteStore({ path: args[0] }).catch((error) => console.log(error.code, error.message));`, {
      args: [path],
      user,
    });

  test('a file where its folder would be; a folder where its file would be', async () => {
    const path = newPath();
    writeFileSync(path, '');
    const below = join(path, 'store.db');
    await expect(openSqliteStore({ path: below, driver })).rejects.toMatchObject({
      code: 'STORE',
      message: expect.stringContaining(below),
    });
    await expect(openSqliteStore({ path: dirname(path), driver })).rejects.toMatchObject({ code: 'STORE' });
    expect(statSync(dirname(path)).isDirectory()).toBe(true);
    await expect(openSqliteStore({ path: '' })).rejects.toThrow(TypeError);
  });

  test.skipIf(cannotTry)('a folder that may not be written', async () => {
    const path = newPath();
    chmodSync(root, 0o755);
    chmodSync(dirname(path), 0o555);
    expect(await openAs(path)).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^STORE .*could not be opened/),
    });
    expect(existsSync(path)).toBe(false);
  });

  test.skipIf(cannotTry)('a file that may only be read', async () => {
    const path = newPath();
    await makeStore(path);
    chmodSync(root, 0o755);
    chmodSync(dirname(path), 0o777);
    for (const name of readdirSync(dirname(path))) chmodSync(join(dirname(path), name), 0o666);
    chmodSync(path, 0o444);
    expect(await openAs(path)).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^STORE .*could not be opened.*readonly/),
    });
    expect(asides(path)).toEqual([]);
  });
});

test.skipIf(process.platform === 'win32')('a disk that is full fails the write, and nothing else', async () => {
  const path = newPath();
  const text = `
    const store = await openSqliteStore({ path: args[0] });
    const value = new Uint8Array(100_000).fill(1);
    const results = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => store.put('key ' + i, value)));
    const failures = results.filter(({ status }) => status === 'rejected').map(({ reason }) => reason.code);
    const written = results.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
    const wrong = written.filter((i) => store.get('key ' + i)?.length !== value.length);
    await store.deletePrefix('key 1').catch((error) => console.log(error.message));
    await store.close();
    console.log(JSON.stringify({ codes: [...new Set(failures)], some: written.length > 0, wrong }));`;
  const { code, output } = await runProgram(text, { args: [path], maxFileKilobytes: 4000 });
  expect(JSON.parse(output.trim().split('\n').at(-1) as string)).toEqual({ codes: ['STORE'], some: true, wrong: [] });
  expect(code).toBe(0);
  const store = await open(path);
  expect(store.warnings).toEqual([]);
  await store.put('later', new Uint8Array(6 << 20));
  expect(store.get('later')).toHaveLength(6 << 20);
});
