/** Writes that wait: when they go, in what batches, and what becomes of them where the store fails. */

import { describe, expect, test } from 'vitest';
import type { ByteStore, StoreBatch } from '../../src/cache/byte-store.ts';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { Room } from '../../src/cache/sealed/room.ts';
import { WriteBuffer } from '../../src/cache/sealed/write-buffer.ts';
import { runSteps } from '../../src/maybe-promise.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { slowStore } from '../helpers/shared-store.ts';

interface SetUpOptions {
  readonly slow?: boolean;
  readonly maxBytes?: number;
  readonly batchEntries?: number;
}

const setUp = ({ slow = false, maxBytes = Infinity, batchEntries }: SetUpOptions = {}) => {
  const clock = createFakeClock();
  const memory = new MemoryStore();
  const batches: StoreBatch[] = [];
  const faults: unknown[] = [];
  const errors: unknown[] = [];
  let lost = 0;
  const counted: ByteStore = {
    get: (key) => memory.get(key),
    put: (key, bytes) => memory.put(key, bytes),
    putIfAbsent: (key, bytes) => memory.putIfAbsent(key, bytes),
    delete: (key) => memory.delete(key),
    keys: (prefix) => memory.keys(prefix),
    deletePrefix: (prefix) => memory.deletePrefix(prefix),
    usage: (prefix) => memory.usage(prefix),
    trim: (options) => memory.trim(options),
    close: () => undefined,
    ...(batchEntries !== undefined && { batchEntries }),
    write(batch) {
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      batches.push(batch);
      memory.write(batch);
    },
  };
  const store = slow ? slowStore(counted) : counted;
  const buffer = new WriteBuffer({
    store,
    clock,
    room: new Room({ store, prefix: 'e', clock, maxBytes }),
    onError(error, puts) {
      errors.push(error);
      lost += puts;
    },
  });
  const owner = { isCurrent: true };
  const put = (name: string, length = 10): boolean => buffer.put(name, new Uint8Array(length), Infinity, owner);
  return { buffer, clock, memory, batches, faults, errors, owner, put, lost: () => lost };
};

describe.each([false, true])('over a store that takes its time: %s', (slow) => {
  test('puts go together after a little while, the last one of a name, and are seen until then', async () => {
    const { buffer, clock, memory, batches, put } = setUp({ slow });
    put('e1', 1);
    put('e2', 2);
    put('e1', 3);
    buffer.delete('e3', true);
    expect(buffer.get('e1')).toHaveLength(3);
    expect([buffer.get('e3'), buffer.get('e4')]).toEqual([null, undefined]);
    expect(buffer.pending).toEqual({ entries: 3, bytes: 5 });
    await clock.run(9);
    expect(batches).toEqual([]);
    await clock.run(1);
    expect(batches).toHaveLength(1);
    expect(batches[0]).toMatchObject({ deletes: ['e3'], puts: [{ key: 'e2' }, { key: 'e1' }] });
    expect(memory.get('e1')).toHaveLength(3);
    expect([buffer.get('e1'), buffer.pending.entries]).toEqual([undefined, 0]);
    expect(clock.pending).toBe(0);
  });

  test('batches are bounded by entries and by bytes, and others get their turn between them', async () => {
    const { clock, batches, put } = setUp({ slow });
    for (let i = 0; i < 70; i++) put(`e${i}`);
    for (let i = 0; i < 5; i++) put(`large${i}`, 100_000);
    put('huge', 1_000_000);
    put('last');
    await clock.run(10);
    const sizes = batches.map(({ puts = [] }) => puts.length);
    // 2 of 100,000 bytes fit into 256 KiB, with 6 small ones before them.
    expect(sizes).toEqual([32, 32, 8, 2, 1, 1, 1]);
  });

  test('a store that takes other batches without holding up anybody gets them', async () => {
    const { clock, batches, put, buffer } = setUp({ slow, batchEntries: 50 });
    for (let i = 0; i < 70; i++) put(`e${i}`);
    for (let i = 0; i < 60; i++) buffer.markUsed(`e${i}`);
    // 400 KiB are 50 times 8.
    for (let i = 0; i < 5; i++) put(`large${i}`, 100_000);
    await clock.run(10);
    expect(batches.map(({ puts = [] }) => puts.length)).toEqual([50, 24, 1]);
    expect(batches.map(({ used = [] }) => used.length)).toEqual([50, 10, 0]);
  });

  test('what waits when it is flushed is written, and what comes later is not waited for', async () => {
    const { buffer, batches, put } = setUp({ slow });
    for (let i = 0; i < 40; i++) put(`e${i}`);
    const flushed = buffer.flush();
    if (!slow) expect(flushed).toBeUndefined();
    for (let i = 0; i < 40; i++) put(`later${i}`);
    await flushed;
    const written = batches.flatMap(({ puts = [] }) => puts.map(({ key }) => key));
    expect(written.filter((key) => key.startsWith('e'))).toHaveLength(40);
    expect(written.length).toBeLessThan(80);
  });

  test('what is no longer so is not written', async () => {
    const { buffer, clock, memory, owner, put } = setUp({ slow });
    put('e1');
    buffer.put('e2', new Uint8Array(1), Infinity, { isCurrent: true });
    owner.isCurrent = false;
    await clock.run(10);
    expect(memory.keys('')).toEqual(['e2']);
    put('e3');
    await clock.run(10);
    expect([buffer.pending.entries, clock.pending]).toEqual([0, 0]);
  });

  test('where the store fails puts are lost and counted, deletions tried again; it is left alone for longer each time', async () => {
    const { buffer, clock, memory, batches, faults, errors, put, lost } = setUp({ slow });
    memory.put('e0', new Uint8Array(1));
    put('e1');
    buffer.delete('e0', true);
    buffer.delete('e9', false);
    faults.push(new Error('1'), new Error('2'));
    await clock.run(10);
    expect([errors.length, lost(), buffer.get('e0'), buffer.get('e1'), buffer.get('e9')]).toEqual([
      1,
      1,
      null,
      undefined,
      undefined,
    ]);
    expect(put('e2')).toBe(false);
    await clock.run(1000);
    expect([errors.length, lost(), memory.keys('')]).toEqual([2, 1, ['e0']]);
    await clock.run(1900);
    expect(put('e2')).toBe(false);
    await clock.run(100);
    expect([errors.length, memory.keys(''), batches.length]).toEqual([2, [], 1]);
    expect(put('e2')).toBe(true);
    await clock.run(10);
    expect(memory.keys('')).toEqual(['e2']);
  });

  test('a put after a failed deletion takes its place', async () => {
    const { buffer, clock, memory, faults, put } = setUp({ slow });
    memory.put('e0', new Uint8Array(1));
    buffer.delete('e0', true);
    faults.push(new Error('1'));
    await clock.run(10);
    await clock.run(1000);
    expect(memory.keys('')).toEqual([]);
    put('e0', 5);
    await clock.run(10);
    expect(memory.get('e0')).toHaveLength(5);
  });

  test('closed, it writes what waits, or counts it as lost, and leaves no timer', async () => {
    const { buffer, clock, memory, faults, put, lost } = setUp({ slow });
    put('e1');
    await runSteps(buffer.close());
    expect([memory.keys(''), clock.pending, lost()]).toEqual([['e1'], 0, 0]);
    for (let i = 0; i < 40; i++) put(`f${i}`);
    faults.push(new Error('broken'));
    await runSteps(buffer.close());
    expect([memory.keys(''), clock.pending, lost()]).toEqual([['e1'], 0, 40]);
  });

  test('makes room after a sixteenth of it was written, and takes nothing that is larger', async () => {
    const { buffer, clock, memory, put } = setUp({ slow, maxBytes: 1600 });
    for (let i = 0; i < 40; i++) {
      put(`e${i}`, 98);
      await clock.run(10);
      const { bytes } = memory.usage('e');
      expect(bytes).toBeLessThanOrEqual(1600);
    }
    expect(memory.usage('e').entries).toBeGreaterThan(14);
    expect(put('large', 1600)).toBe(false);
    // What is read stays for longer than what is not.
    const [oldest] = memory.keys('e').toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
    for (let i = 100; i < 120; i++) {
      buffer.markUsed(oldest as string);
      put(`e${i}`, 97);
      await clock.run(10);
    }
    expect(memory.get(oldest as string)).toBeDefined();
  });

  test('a store that is full is made to shed, and written to again', async () => {
    const { clock, memory, faults, errors, put, lost } = setUp({ slow, maxBytes: 1e9 });
    for (let i = 10; i < 26; i++) put(`e${i}`, 98);
    await clock.run(10);
    faults.push(
      Object.assign(new Error('no room'), { cause: Object.assign(new Error(), { name: 'QuotaExceededError' }) }),
    );
    put('new', 98);
    await clock.run(10);
    expect(memory.get('new')).toHaveLength(98);
    expect([errors, lost(), memory.usage('e').entries]).toEqual([[], 0, 12]);
    faults.push(Object.assign(new Error('no room'), { code: 'STORE_FULL' }), new Error('still'));
    put('newer', 98);
    await clock.run(10);
    expect([errors.length, lost()]).toEqual([1, 1]);
  });
});

test('more than may wait is written at once, or where that takes time is not taken', async () => {
  // 16 may wait, and one is being written.
  const megabytes = 18;
  for (const slow of [false, true]) {
    const { buffer, clock, memory, put } = setUp({ slow });
    const taken = Array.from({ length: megabytes }, (_, i) => put(`e${i}`, 1 << 20));
    expect(taken.every(Boolean)).toBe(!slow);
    expect(buffer.pending.bytes).toBeLessThanOrEqual(16 << 20);
    await clock.run(10);
    expect(memory.keys('e')).toHaveLength(slow ? megabytes - 1 : megabytes);
  }
});

test('what fails while room is made is counted, and the write stands', async () => {
  const { clock, memory, errors, put, lost } = setUp({ maxBytes: 1000 });
  memory.trim = () => {
    throw new Error('no trimming');
  };
  put('e1');
  await clock.run(10);
  expect([memory.keys(''), errors.length, lost()]).toEqual([['e1'], 1, 0]);
});
