/** A store that several processes have open, and that they leave in every way there is. */

import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openSqliteStore } from '../../dist/platforms/node/store/open-sqlite-store.js';
import { driver, problemsOf } from './support/database.ts';
import { endOf, runProgram, startProgram } from './support/store-program.ts';

const root = mkdtempSync(join(tmpdir(), 'epochly-processes-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const newPath = (): string => join(root, String(count++), 'store.db');

/** How often four processes are killed. `EPOCHLY_KILLS=100 npx vitest run test/node/sqlite-store-processes.test.ts` */
const KILLS = Number(process.env['EPOCHLY_KILLS'] ?? 4);

/** Numbers that look random and are the same in each run, so that a failure can be had again. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/**
 * Writes without a pause: pairs of entries that are always written together with a third that says what was done, and deleted
 * together; whoever is first for a name; a part that is trimmed and cleared. Says what was written once it is.
 */
const WRITER = `
  const [path, name, seed] = args;
  let state = Number(seed);
  const random = (below) => Math.floor(((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32) * below);
  const value = (version, size) => {
    const bytes = new Uint8Array(8 + size).fill(version);
    new DataView(bytes.buffer).setUint32(0, version);
    new DataView(bytes.buffer).setUint32(4, size);
    return bytes;
  };
  process.send({ opening: true });
  const store = await openSqliteStore({ path });
  let version = Number(seed) * 1e5;
  const work = async () => {
    for (;;) {
      const pair = name + '/' + random(8);
      const current = ++version;
      const keys = ['a/' + pair, 'b/' + pair];
      const last = (deleted) => ({ key: 'last/' + pair, bytes: value(current, deleted) });
      switch (random(8)) {
        case 0:
          await store.write({ deletes: keys, puts: [last(1)] });
          process.send({ pair, version: current });
          break;
        case 1: {
          const key = 'first/' + random(1e4);
          const kept = await store.putIfAbsent(key, new TextEncoder().encode(name + current));
          process.send({ key, kept: new TextDecoder().decode(kept) });
          break;
        }
        case 2:
          await store.trim({ prefix: 'trimmed/', nowMs: Date.now(), maxBytes: 50_000 });
          break;
        case 3:
          if (random(20) === 0) await store.deletePrefix('trimmed/' + name);
          else await store.put('trimmed/' + name + random(1e6), value(current, random(3000)));
          break;
        default: {
          const size = random(10) === 0 ? random(200_000) : random(3000);
          const puts = [...keys.map((key) => ({ key, bytes: value(current, size) })), last(0)];
          await store.write({ puts, used: ['a/' + random(4) + '/1'] });
          process.send({ pair, version: current });
        }
      }
    }
  };
  await Promise.all([work(), work(), work()]);`;

interface Said {
  readonly opening?: true;
  readonly pair?: string;
  readonly version?: number;
  readonly key?: string;
  readonly kept?: string;
}

/** What the writers said was written: the newest of each pair, and who was first. */
class Ledger {
  readonly pairs = new Map<string, number>();
  readonly firsts = new Map<string, string>();

  note({ pair, version = 0, key, kept }: Said): void {
    if (pair !== undefined) this.pairs.set(pair, Math.max(version, this.pairs.get(pair) ?? 0));
    if (key === undefined || kept === undefined) return;
    expect(this.firsts.get(key) ?? kept, `two were first for ${key}`).toBe(kept);
    this.firsts.set(key, kept);
  }
}

/** Starts four writers and kills each after it has said so many things; some while they open the store. */
async function writeAndKill(path: string, round: number, ledger: Ledger): Promise<void> {
  const random = randomFrom(round + 1);
  const children = [0, 1, 2, 3].map((i) => {
    // Versions go on counting from round to round.
    const child = startProgram(WRITER, { args: [path, String(i), String(round + 1)] });
    let left = random(6) === 0 ? 0 : 1 + random(150);
    child.on('message', (said: Said) => {
      if (said.opening === undefined) ledger.note(said);
      if (left-- === 0) child.kill('SIGKILL');
    });
    return child;
  });
  for (const end of await Promise.all(children.map((child: ChildProcess) => endOf(child)))) {
    expect(end).toEqual({ code: null, signal: 'SIGKILL', output: '' });
  }
}

async function checkAgainst(path: string, ledger: Ledger): Promise<void> {
  const store = await openSqliteStore({ path, driver });
  expect(store.warnings).toEqual([]);
  const read = async (key: string): Promise<{ readonly version: number; readonly size: number } | undefined> => {
    const bytes = await store.get(key);
    if (bytes === undefined) return undefined;
    const view = new DataView(bytes.buffer);
    const [version, size] = [view.getUint32(0), view.getUint32(4)];
    expect(bytes.length, key).toBe(8 + size);
    expect(
      bytes.subarray(8).every((byte) => byte === (version & 0xff)),
      key,
    ).toBe(true);
    return { version, size };
  };
  for (const key of await store.keys('trimmed/')) expect(await read(key), key).toBeDefined();
  for (const [pair, version] of ledger.pairs) {
    const [a, b, last] = [await read(`a/${pair}`), await read(`b/${pair}`), await read(`last/${pair}`)];
    // What was said is there, or what came after it and was not said any more.
    expect(last?.version, `the last of ${pair}`).toBeGreaterThanOrEqual(version);
    expect([a?.version, b?.version], `the pair ${pair}`).toEqual(
      last?.size === 1 ? [undefined, undefined] : [last?.version, last?.version],
    );
  }
  for (const [key, kept] of ledger.firsts) {
    expect(new TextDecoder().decode((await store.get(key)) ?? new Uint8Array()), key).toBe(kept);
  }
  await store.close();
  expect(problemsOf(path)).toEqual([]);
}

test('four processes that write and are killed lose nothing that was written, and break nothing', async () => {
  let path = newPath();
  let ledger = new Ledger();
  for (let round = 0; round < KILLS; round++) {
    if (round % 3 === 0) [path, ledger] = [newPath(), new Ledger()];
    await writeAndKill(path, round, ledger);
    await checkAgainst(path, ledger);
    expect(ledger.pairs.size).toBeGreaterThan(0);
  }
}, 3_600_000);

describe('a program that ends while its store is open', () => {
  const FILL = `
    const store = await openSqliteStore({ path: args[0] });
    let written = 0;
    for (let i = 0; i < 3000; i++) {
      const size = i % 100 === 0 ? 300_000 : 1500;
      store.put('key ' + i, new Uint8Array(size).fill(i)).then(() => written++, () => undefined);
    }`;
  const check = async (path: string): Promise<number> => {
    const store = await openSqliteStore({ path, driver });
    expect(store.warnings).toEqual([]);
    const keys = await store.keys('');
    for (const key of keys) {
      const i = Number(key.slice(4));
      const bytes = await store.get(key);
      expect([bytes?.length, bytes?.every((byte) => byte === (i & 0xff))], key).toEqual([
        i % 100 === 0 ? 300_000 : 1500,
        true,
      ]);
    }
    await store.close();
    expect(problemsOf(path)).toEqual([]);
    return keys.length;
  };

  test('by itself: what was put is written first', async () => {
    const path = newPath();
    expect(await runProgram(`${FILL} process.disconnect();`, { args: [path] })).toEqual({
      code: 0,
      signal: null,
      output: '',
    });
    expect(await check(path)).toBe(3000);
  });

  test('by itself, when it has nothing more to write', async () => {
    const path = newPath();
    const text = `
      const store = await openSqliteStore({ path: args[0] });
      await store.put('key 1', new Uint8Array(1500).fill(1));
      process.disconnect();
      console.log(store.get('key 1').length);`;
    expect(await runProgram(text, { args: [path] })).toEqual({ code: 0, signal: null, output: '1500\n' });
    expect(await check(path)).toBe(1);
  });

  test.each([
    ['at once', ''],
    ['when some of it is written', 'while (written < 600) await new Promise((resolve) => setImmediate(resolve));'],
    ['while it closes', 'store.close(); await new Promise((resolve) => setImmediate(resolve));'],
    ['while it opens', 'openSqliteStore({ path: args[0] });'],
  ])('by process.exit() %s: what was awaited is there, and what is there is whole', async (_, wait) => {
    const path = newPath();
    const text = `${FILL} ${wait} console.log(written); process.exit(0);`;
    const { code, signal, output } = await runProgram(text, { args: [path] });
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(output).toMatch(/^\d+\n$/);
    expect(await check(path)).toBeGreaterThanOrEqual(Number(output));
  });

  test('by closing it: all is there, and nothing lies beside the file', async () => {
    const path = newPath();
    const text = `${FILL} await store.close(); console.log(written); process.disconnect();`;
    expect(await runProgram(text, { args: [path] })).toEqual({ code: 0, signal: null, output: '3000\n' });
    expect(readdirSync(join(path, '..')).toSorted()).toEqual(['store.db', 'store.db-epochly', 'store.db-lock']);
    expect(await check(path)).toBe(3000);
  });

  test('by an error', async () => {
    const path = newPath();
    const { code, output } = await runProgram(`${FILL} throw new Error('broken');`, { args: [path] });
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('broken') });
    await check(path);
  });
});
