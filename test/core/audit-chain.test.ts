import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { KeyError } from '../../src/key-error.ts';
import { AuditChain } from '../../src/privacy/audit-chain.ts';
import type { AuditChainOptions } from '../../src/privacy/audit-chain.ts';
import type { AuditEntry } from '../../src/privacy/audit-entry.ts';
import { openAuditKey, rewrapAuditKey } from '../../src/privacy/audit-key.ts';
import { fileName, headName } from '../../src/privacy/audit-lines.ts';
import { FileGoneError, StoredAuditStorage } from '../../src/privacy/audit-storage.ts';
import type { AuditStorage } from '../../src/privacy/audit-storage.ts';
import { verifyAuditLog } from '../../src/privacy/audit-verify.ts';
import type { AuditReport } from '../../src/privacy/audit-verify.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { createDataKey, createTestKeyring } from '../helpers/test-keyring.ts';

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value);
const entry = (n: number, more: Partial<AuditEntry> = {}): AuditEntry => ({
  timestamp: 1_700_000_000 + n,
  operation: 'gate',
  model_id: n,
  optimization_name: 'batching',
  result: 'allowed',
  details: { n },
  ...more,
});

/** A log in memory, and what a test does to its files. */
function createLog({ later = false, maxFileBytes = 1_000_000 } = {}) {
  const store = new MemoryStore();
  const storage = new StoredAuditStorage(store);
  const key = createDataKey(undefined, later);
  const clock = createFakeClock();
  const begin = (options: Partial<AuditChainOptions> = {}): AuditChain =>
    new AuditChain({ storage, key, clock, maxFileBytes, ...options });
  const log = {
    store,
    storage,
    key,
    clock,
    begin,
    /** A finished chain of so many entries. */
    async chain(entries: number, options: Partial<AuditChainOptions> = {}): Promise<AuditChain> {
      const chain = begin(options);
      for (let n = 0; n < entries; n++) {
        chain.write(entry(n));
        // Flushed one by one, so that files fill as they do over time.
        await chain.flush();
      }
      await chain.close();
      return chain;
    },
    verify: (): Promise<AuditReport> => verifyAuditLog(storage, key),
    async names(): Promise<readonly string[]> {
      return (await storage.list()).toSorted();
    },
    async lines(name: string): Promise<string[]> {
      return text(await storage.read(name))
        .split('\n')
        .slice(0, -1);
    },
    async write(name: string, content: string | Uint8Array): Promise<void> {
      await storage.remove(name);
      const bytes = typeof content === 'string' ? utf8(content) : content;
      if (name.endsWith('.jsonl')) await storage.append(name, 0, bytes);
      else await storage.replace(name, bytes);
    },
    async edit(name: string, change: (lines: string[]) => readonly string[]): Promise<void> {
      const lines = change(await log.lines(name));
      await log.write(name, lines.map((line) => `${line}\n`).join(''));
    },
  };
  return log;
}

const kinds = ({ faults }: AuditReport): string[] => faults.map(({ kind }) => kind);
const INTACT = { intact: true, faults: [] };

describe('what is written', () => {
  test.each([false, true])(
    'are lines of JSON that build on each other, and a head (asynchronous key: %s)',
    async (later) => {
      const log = createLog({ later });
      const chain = log.begin();
      for (let n = 0; n < 3; n++) chain.write(entry(n));
      await chain.flush();
      const name = fileName(chain.id, 0);
      expect(await log.names()).toEqual([name, headName(chain.id)]);
      const lines = (await log.lines(name)).map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(lines.map(({ line, entry: each }) => [line, (each as AuditEntry | undefined)?.model_id])).toEqual([
        [0, undefined],
        [1, 0],
        [2, 1],
        [3, 2],
      ]);
      expect(lines[0]).toMatchObject({ chain: chain.id, file: { version: 1, number: 0, others: {} } });
      expect(lines[1]).toMatchObject({ entry: entry(0), mac: expect.stringMatching(/^[0-9a-f]{64}$/) });
      expect(await log.verify()).toMatchObject({
        ...INTACT,
        entries: 3,
        chains: [{ chain: chain.id, files: 1, intactLines: 4, unsealedLines: 0, closed: false, torn: false }],
      });
      await chain.close();
      expect(await log.verify()).toMatchObject({ ...INTACT, chains: [{ closed: true }] });
    },
  );

  test('is nothing before the first entry', async () => {
    const log = createLog();
    const chain = log.begin();
    await chain.flush();
    await chain.close();
    expect(await log.names()).toEqual([]);
    expect(await log.verify()).toEqual({ ...INTACT, chains: [], entries: 0, lostEntries: 0 });
  });

  test('goes on in the next file when one is full, and the chain with it', async () => {
    const log = createLog({ maxFileBytes: 600 });
    const chain = await log.chain(7);
    const files = (await log.names()).filter((name) => name.endsWith('.jsonl'));
    expect(files.length).toBeGreaterThan(2);
    for (const name of files) expect((await log.lines(name))[0]).toContain('"file":');
    expect(await log.verify()).toMatchObject({
      ...INTACT,
      entries: 7,
      chains: [{ chain: chain.id, files: files.length }],
    });
  });

  test('is written behind the call, together with all else that was logged in that turn', async () => {
    const log = createLog();
    const append = vi.spyOn(log.storage, 'append');
    const chain = log.begin();
    for (let n = 0; n < 450; n++) chain.write(entry(n));
    expect(append).not.toHaveBeenCalled();
    await log.clock.run(0);
    // The first line of the file, and three batches.
    expect(append).toHaveBeenCalledTimes(4);
    expect((await log.verify()).entries).toBe(450);
  });

  test('the head follows within a second, after a thousand lines, and once an hour where nothing happens', async () => {
    const log = createLog();
    const seals = vi.spyOn(log.storage, 'replace');
    const chain = log.begin();
    const unsealed = async (): Promise<number | undefined> => (await log.verify()).chains[0]?.unsealedLines;
    chain.write(entry(0));
    await log.clock.run(0);
    await log.clock.run(999);
    chain.write(entry(1));
    await log.clock.run(0);
    expect(await unsealed()).toBeGreaterThan(0);
    await log.clock.run(1);
    expect(await unsealed()).toBe(0);
    seals.mockClear();
    for (let n = 0; n < 2500; n++) chain.write(entry(n));
    await log.clock.run(0);
    expect(seals).toHaveBeenCalledTimes(2);
    expect(await unsealed()).toBeLessThanOrEqual(1000);
    await log.clock.run(1000);
    expect(await unsealed()).toBe(0);
    seals.mockClear();
    await log.clock.run(3 * 3_600_000);
    expect(seals).toHaveBeenCalledTimes(3);
    await chain.close();
    expect(log.clock.pending).toBe(0);
  });

  test('a closed log takes no more; closing twice is fine', async () => {
    const log = createLog();
    const chain = log.begin();
    chain.write(entry(0));
    await Promise.all([chain.close(), chain.close()]);
    expect(() => chain.write(entry(1))).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    expect(await chain.verify()).toMatchObject({ ...INTACT, entries: 1 });
  });

  test.each([
    ['maxFileBytes', 0],
    ['maxFileBytes', 1.5],
    ['maxFiles', 0],
    ['maxPending', Infinity],
  ])('%s is not %d', (name, value) => {
    expect(() => createLog().begin({ [name]: value })).toThrow(RangeError);
  });
});

test('an entry is written whenever it comes, also just as all before it are', async () => {
  for (let turns = 0; turns < 20; turns++) {
    const log = createLog();
    const chain = log.begin();
    const append = log.storage.append.bind(log.storage);
    vi.spyOn(log.storage, 'append').mockImplementation(async (name, offset, bytes) => {
      await append(name, offset, bytes);
      if (offset === 0) return;
      let turn = Promise.resolve();
      for (let i = 0; i < turns; i++) turn = turn.then(() => undefined);
      void turn.then(() => chain.write(entry(1)));
      vi.restoreAllMocks();
    });
    chain.write(entry(0));
    await log.clock.run(0);
    expect((await log.verify()).entries, `${turns} turns`).toBe(2);
  }
});

test('whenever the process is killed, what it leaves has no fault, and nothing is missing that was flushed', async () => {
  const log = createLog({ maxFileBytes: 900 });
  const left: { readonly store: MemoryStore; readonly flushed: number }[] = [];
  let flushed = 0;
  for (const method of ['append', 'replace', 'remove'] as const) {
    const original = (log.storage[method] as (...values: unknown[]) => unknown).bind(log.storage);
    vi.spyOn(log.storage, method).mockImplementation((async (...values: unknown[]) => {
      await original(...values);
      const store = new MemoryStore();
      for (const key of log.store.keys('')) store.put(key, log.store.get(key) as Uint8Array);
      left.push({ store, flushed });
    }) as never);
  }
  await log.chain(2);
  const chain = log.begin({ maxFiles: 1000 });
  for (let n = 0; n < 30; n++) {
    chain.write(entry(n));
    if (n % 3 === 0) await log.clock.run(700);
    if (n % 5 !== 0) continue;
    await chain.flush();
    flushed = n + 1;
  }
  await chain.close();
  // From here on files are retired.
  flushed = 0;
  await log.chain(4, { maxFiles: 3 });
  expect(left.length).toBeGreaterThan(60);
  for (const { store, flushed: atLeast } of left) {
    const report = await verifyAuditLog(new StoredAuditStorage(store), log.key);
    expect(report).toMatchObject(INTACT);
    expect(report.entries).toBeGreaterThanOrEqual(atLeast);
  }
});

describe('a storage that fails', () => {
  /** Fails while told to. */
  function createFaults(log: ReturnType<typeof createLog>, methods: readonly (keyof AuditStorage)[]) {
    const faults = { failing: false, error: new Error('ENOSPC') as Error };
    for (const method of methods) {
      const original = (log.storage[method] as (...values: unknown[]) => unknown).bind(log.storage);
      vi.spyOn(log.storage, method).mockImplementation((async (...values: unknown[]) => {
        if (faults.failing) throw faults.error;
        return original(...values);
      }) as never);
    }
    return faults;
  }

  test('is told of, and tried again, later each time; nothing is lost or written twice', async () => {
    const log = createLog();
    const faults = createFaults(log, ['append', 'replace', 'list']);
    const chain = log.begin();
    const errors: unknown[] = [];
    chain.onError((error) => errors.push(error));
    chain.write(entry(0));
    await log.clock.run(0);
    faults.failing = true;
    chain.write(entry(1));
    await log.clock.run(0);
    expect(errors).toEqual([faults.error]);
    chain.write(entry(2));
    await log.clock.run(999);
    expect(errors).toHaveLength(1);
    await log.clock.run(1);
    expect(errors).toHaveLength(2);
    await log.clock.run(1999);
    expect(errors).toHaveLength(2);
    await log.clock.run(1);
    expect(errors).toHaveLength(3);
    await expect(chain.flush()).rejects.toBe(faults.error);
    faults.failing = false;
    await log.clock.run(4000);
    await chain.close();
    expect(await log.verify()).toMatchObject({ ...INTACT, entries: 3, lostEntries: 0 });
  });

  test('at the very beginning is no chain, and no fault, until it works', async () => {
    const log = createLog();
    const faults = createFaults(log, ['append', 'replace', 'list']);
    faults.failing = true;
    const chain = log.begin();
    chain.write(entry(0));
    await log.clock.run(5000);
    faults.failing = false;
    expect(await log.verify()).toMatchObject(INTACT);
    await log.clock.run(10_000);
    await chain.close();
    expect(await log.verify()).toMatchObject({ ...INTACT, entries: 1, chains: [{ intactLines: 2 }] });
  });

  test('for too long loses entries, and says how many', async () => {
    const log = createLog();
    const faults = createFaults(log, ['append', 'replace']);
    const chain = log.begin({ maxPending: 10 });
    const errors: Error[] = [];
    chain.onError((error) => errors.push(error as Error));
    faults.failing = true;
    for (let n = 0; n < 15; n++) chain.write(entry(n));
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('More than 10 entries')]);
    await log.clock.run(0);
    faults.failing = false;
    await log.clock.run(2000);
    chain.write(entry(15));
    await chain.close();
    expect(await log.verify()).toMatchObject({ ...INTACT, entries: 11, lostEntries: 5 });
  });

  test('only when the head is sealed lets the lines run no further than a thousand', async () => {
    const log = createLog();
    const faults = createFaults(log, ['replace']);
    const chain = log.begin();
    chain.write(entry(0));
    await chain.flush();
    faults.failing = true;
    for (let n = 0; n < 3000; n++) chain.write(entry(n));
    await log.clock.run(0);
    expect((await log.verify()).chains[0]?.unsealedLines).toBe(1000);
    expect(await log.verify()).toMatchObject(INTACT);
    faults.failing = false;
    await log.clock.run(2000);
    await chain.close();
    expect(await log.verify()).toMatchObject({ ...INTACT, entries: 3001 });
  });

  test('since somebody removed the file, makes the log go on in another; the missing one is found', async () => {
    const log = createLog();
    const faults = createFaults(log, ['append']);
    const chain = log.begin();
    chain.write(entry(0));
    await chain.flush();
    await log.storage.remove(fileName(chain.id, 0));
    faults.error = new FileGoneError(fileName(chain.id, 0));
    faults.failing = true;
    chain.write(entry(1));
    await log.clock.run(0);
    faults.failing = false;
    await log.clock.run(1000);
    await chain.close();
    const report = await log.verify();
    expect(report.faults).toMatchObject([{ kind: 'file_missing', file: fileName(chain.id, 0) }]);
    expect(report.entries).toBe(1);
  });
});

describe('what was changed is found', () => {
  test('a changed line', async () => {
    const log = createLog();
    const { id } = await log.chain(5);
    const name = fileName(id, 0);
    await log.edit(name, (lines) => lines.map((line, i) => (i === 2 ? line.replace('allowed', 'refused') : line)));
    expect((await log.verify()).faults).toMatchObject([{ kind: 'line_changed', chain: id, file: name, line: 3 }]);
  });

  test('a removed line', async () => {
    const log = createLog();
    const { id } = await log.chain(5);
    await log.edit(fileName(id, 0), (lines) => lines.toSpliced(2, 2));
    const { faults } = await log.verify();
    expect(faults).toMatchObject([
      { kind: 'lines_missing', line: 3, message: expect.stringContaining('Lines 2 to 3') },
    ]);
  });

  test('two lines that changed places, one that stands twice, one of another chain', async () => {
    const log = createLog();
    const { id } = await log.chain(5);
    const other = await log.chain(2);
    const name = fileName(id, 0);
    const original = await log.lines(name);
    await log.edit(name, ([a, b, c, ...rest]) => [a, c, b, ...rest] as string[]);
    expect(kinds(await log.verify())).toEqual(['lines_missing', 'line_moved']);
    await log.edit(name, () => original.toSpliced(3, 0, original[1] as string));
    expect((await log.verify()).faults).toMatchObject([{ kind: 'line_moved', line: 4 }]);
    const [, foreign] = await log.lines(fileName(other.id, 0));
    await log.edit(name, () => original.toSpliced(3, 0, foreign as string));
    expect((await log.verify()).faults).toMatchObject([
      { kind: 'line_moved', line: 4, message: expect.stringContaining(other.id) },
    ]);
  });

  test('lines that were written anew by somebody without the key', async () => {
    const log = createLog();
    const { id } = await log.chain(5);
    const forged = createLog();
    const stranger = forged.begin();
    for (let n = 0; n < 5; n++) stranger.write(entry(n, { result: 'refused' }));
    await stranger.close();
    const lines = await forged.lines(fileName(stranger.id, 0));
    const head = (await forged.storage.read(headName(stranger.id))) as Uint8Array;
    await log.write(fileName(id, 0), lines.map((line) => `${line.replaceAll(stranger.id, id)}\n`).join(''));
    await log.write(headName(id), head);
    const report = await log.verify();
    expect(kinds(report)).toEqual(['head_changed', ...Array.from({ length: 6 }, () => 'line_changed')]);
    expect(report.entries).toBe(0);
  });

  test('a tail that was cut off, within a file and with whole files', async () => {
    const log = createLog({ maxFileBytes: 600 });
    const { id } = await log.chain(7);
    const files = (await log.names()).filter((name) => name.endsWith('.jsonl'));
    const last = files.at(-1) as string;
    const before = await log.lines(last);
    await log.edit(last, (lines) => lines.slice(0, -1));
    expect((await log.verify()).faults).toMatchObject([{ kind: 'lines_cut_off', chain: id }]);
    await log.edit(last, () => before);
    expect(await log.verify()).toMatchObject(INTACT);
    await log.storage.remove(last);
    expect((await log.verify()).faults).toMatchObject([{ kind: 'file_missing', file: last }]);
    for (const name of files) await log.storage.remove(name);
    expect((await log.verify()).faults).toMatchObject([{ kind: 'file_missing', file: files[0] }]);
  });

  test('a file that is gone from the beginning or the middle', async () => {
    const log = createLog({ maxFileBytes: 600 });
    await log.chain(7);
    const files = (await log.names()).filter((name) => name.endsWith('.jsonl'));
    for (const gone of files.slice(0, -1)) {
      const content = (await log.storage.read(gone)) as Uint8Array;
      await log.storage.remove(gone);
      expect((await log.verify()).faults).toMatchObject([{ kind: 'file_missing', file: gone }]);
      await log.write(gone, content);
    }
    expect(await log.verify()).toMatchObject(INTACT);
  });

  test('a head that is gone, or another’s, or changed', async () => {
    const log = createLog();
    const [one, two] = [await log.chain(2), await log.chain(2)];
    const [head, other] = [await log.storage.read(headName(one.id)), await log.storage.read(headName(two.id))];
    await log.storage.remove(headName(one.id));
    expect((await log.verify()).faults).toMatchObject([{ kind: 'head_missing', chain: one.id }]);
    await log.write(headName(one.id), other as Uint8Array);
    expect(kinds(await log.verify())).toEqual(['head_changed']);
    await log.write(headName(one.id), (head as Uint8Array).with(20, ((head as Uint8Array)[20] as number) ^ 1));
    expect(kinds(await log.verify())).toEqual(['head_changed']);
    await log.write(headName(one.id), new Uint8Array());
    expect(kinds(await log.verify())).toEqual(['head_changed']);
  });

  test('an older head behind more lines than it can be', async () => {
    const log = createLog();
    const chain = log.begin();
    chain.write(entry(0));
    await chain.flush();
    const old = (await log.storage.read(headName(chain.id))) as Uint8Array;
    for (let n = 0; n < 1001; n++) chain.write(entry(n));
    await chain.close();
    await log.write(headName(chain.id), old);
    expect(kinds(await log.verify())).toEqual(['head_outdated']);
  });

  test('lines behind the end of a closed chain, and half of one', async () => {
    const log = createLog();
    const { id } = await log.chain(2);
    const name = fileName(id, 0);
    const content = text(await log.storage.read(name));
    await log.write(name, `${content}{"chain":"${id}"`);
    expect(kinds(await log.verify())).toEqual(['line_unreadable']);
    await log.write(name, `${content}\n`);
    expect(kinds(await log.verify())).toEqual(['line_unreadable', 'line_after_close']);
  });

  test('whole chains that vanish with their heads, and both put back to an older state, once another has seen them', async () => {
    const log = createLog();
    const first = log.begin();
    first.write(entry(0));
    await first.flush();
    const old = await Promise.all([fileName(first.id, 0), headName(first.id)].map((name) => log.storage.read(name)));
    first.write(entry(1));
    await first.close();
    await log.chain(1);
    expect(await log.verify()).toMatchObject(INTACT);
    await log.write(fileName(first.id, 0), old[0] as Uint8Array);
    await log.write(headName(first.id), old[1] as Uint8Array);
    expect((await log.verify()).faults).toMatchObject([{ kind: 'lines_cut_off', chain: first.id }]);
    await log.storage.remove(fileName(first.id, 0));
    await log.storage.remove(headName(first.id));
    expect((await log.verify()).faults).toMatchObject([{ kind: 'chain_missing', chain: first.id }]);
  });

  test('but not what nobody has seen: the last chain put back to an older state, and what was not sealed yet', async () => {
    const log = createLog();
    const chain = log.begin();
    chain.write(entry(0));
    await chain.flush();
    const old = await Promise.all([fileName(chain.id, 0), headName(chain.id)].map((name) => log.storage.read(name)));
    chain.write(entry(1));
    await log.clock.run(0);
    await log.edit(fileName(chain.id, 0), (lines) => lines.slice(0, -1));
    expect(await log.verify()).toMatchObject(INTACT);
    await log.write(fileName(chain.id, 0), old[0] as Uint8Array);
    await log.write(headName(chain.id), old[1] as Uint8Array);
    expect(await log.verify()).toMatchObject(INTACT);
  });

  test('a torn last line of a chain that was not closed is what a crash leaves', async () => {
    const log = createLog();
    const chain = log.begin();
    for (let n = 0; n < 3; n++) chain.write(entry(n));
    await chain.flush();
    const name = fileName(chain.id, 0);
    const content = text(await log.storage.read(name));
    chain.write(entry(3));
    await log.clock.run(0);
    const next = text(await log.storage.read(name)).slice(content.length);
    for (let length = 0; length < next.length; length++) {
      await log.write(name, content + next.slice(0, length));
      expect(await log.verify()).toMatchObject({
        ...INTACT,
        entries: 3,
        chains: [{ torn: length > 0, closed: false }],
      });
    }
  });

  test('whatever is done to closed chains', { timeout: 120_000 }, async () => {
    const log = createLog({ maxFileBytes: 700 });
    for (const entries of [3, 1, 8]) await log.chain(entries);
    const names = await log.names();
    const originals = new Map<string, Uint8Array>();
    for (const name of names) originals.set(name, (await log.storage.read(name)) as Uint8Array);
    expect(await log.verify()).toMatchObject(INTACT);

    const [at, byte] = [fc.nat(), fc.integer({ min: 1, max: 255 })];
    const lineChange = fc.oneof(
      fc.tuple(fc.constant('remove' as const), at, at),
      fc.tuple(fc.constant('repeat' as const), at, at),
      fc.tuple(fc.constant('swap' as const), at, at),
      fc.tuple(fc.constant('cut' as const), at, at),
    );
    const changed = (name: string, how: string, a: number, b: number): Uint8Array | undefined => {
      const original = originals.get(name) as Uint8Array;
      const lines = text(original).split(/(?<=\n)/);
      const [i, j] = [a % lines.length, b % lines.length];
      switch (how) {
        case 'flip':
          return original.with(a % original.length, (original[a % original.length] as number) ^ b);
        case 'truncate':
          return original.slice(0, a % original.length);
        case 'delete':
          return undefined;
        case 'remove':
          return utf8(lines.toSpliced(i, 1).join(''));
        case 'repeat':
          return utf8(lines.toSpliced(j, 0, lines[i] as string).join(''));
        case 'swap':
          return utf8(
            lines
              .with(i, lines[j] as string)
              .with(j, lines[i] as string)
              .join(''),
          );
        default:
          return utf8(lines.slice(0, i).join(''));
      }
    };
    const anyChange = fc.oneof(
      fc.tuple(fc.constant('flip' as const), at, byte),
      fc.tuple(fc.constantFrom('truncate' as const, 'delete' as const), at, at),
      lineChange,
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), anyChange, async (name, [how, a, b]) => {
        const isLines = name.endsWith('.jsonl');
        const content = changed(name, isLines || how === 'flip' || how === 'truncate' ? how : 'delete', a, b);
        const original = originals.get(name) as Uint8Array;
        if (content === undefined) await log.storage.remove(name);
        else await log.write(name, content);
        const report = await log.verify();
        await log.write(name, original);
        const same = content !== undefined && Buffer.compare(content, original) === 0;
        expect(report.intact, `${how} ${a} ${b}`).toBe(same);
      }),
      { numRuns: 400 },
    );
    expect(await log.verify()).toMatchObject(INTACT);
  });
});

describe('too many files', () => {
  const filesOf = async (log: ReturnType<typeof createLog>): Promise<readonly string[]> =>
    (await log.names()).filter((name) => name.endsWith('.jsonl'));

  test('of one’s own: the oldest go, with a line that says so, and the rest can be verified', async () => {
    const log = createLog({ maxFileBytes: 600 });
    const chain = log.begin({ maxFiles: 3 });
    for (let n = 0; n < 40; n++) {
      chain.write(entry(n));
      await chain.flush();
      await log.clock.run(1000);
      expect((await filesOf(log)).length).toBeLessThanOrEqual(3);
      expect(await log.verify()).toMatchObject(INTACT);
    }
    await chain.close();
    const report = await log.verify();
    expect(report.chains[0]?.retiredLines).toBeGreaterThan(0);
    const lines = (await Promise.all((await filesOf(log)).map((name) => log.lines(name)))).flat();
    expect(lines.some((line) => line.includes('"retired":'))).toBe(true);
    // What is left is as well protected as before.
    const [first] = await filesOf(log);
    const content = (await log.storage.read(first as string)) as Uint8Array;
    await log.storage.remove(first as string);
    expect(kinds(await log.verify())).toEqual(['file_missing']);
    await log.write(first as string, content);
    await log.edit(first as string, ([, ...rest]) => rest);
    expect((await log.verify()).intact).toBe(false);
    await log.write(first as string, content);
    await log.edit(first as string, ([line, ...rest]) => [
      (line as string).replace('"version":1', '"version":2'),
      ...rest,
    ]);
    expect((await log.verify()).intact).toBe(false);
  });

  test('of processes that ended: closed ones, and those not heard of for a day; their heads go with the last', async () => {
    const log = createLog();
    const closed = await log.chain(1);
    await log.clock.run(10_000);
    const crashed = log.begin();
    crashed.write(entry(0));
    await crashed.flush();
    // No clock of its own any more.
    const running = log.begin({ maxFiles: 2, clock: log.clock });
    running.write(entry(0));
    await running.flush();
    expect(await filesOf(log)).toEqual([fileName(crashed.id, 0), fileName(running.id, 0)].toSorted());
    expect(await log.names()).not.toContain(headName(closed.id));
    expect(await log.verify()).toMatchObject(INTACT);
  });

  test('a process that lives keeps its files; one that has not sealed for a day does not', async () => {
    const log = createLog();
    const dead = new AuditChain({
      storage: log.storage,
      key: log.key,
      clock: { ...log.clock, after: () => ({ [Symbol.dispose]() {} }) },
    });
    dead.write(entry(0));
    await dead.flush();
    const alive = log.begin();
    alive.write(entry(0));
    await alive.flush();
    await log.clock.run(0);
    await log.clock.run(23 * 3_600_000);
    const other = log.begin({ maxFiles: 1 });
    other.write(entry(0));
    await other.flush();
    expect(await filesOf(log)).toHaveLength(3);
    await log.clock.run(2 * 3_600_000);
    const later = log.begin({ maxFiles: 1 });
    later.write(entry(0));
    await later.flush();
    expect(await filesOf(log)).toEqual([alive, other, later].map(({ id }) => fileName(id, 0)).toSorted());
    expect(await log.verify()).toMatchObject(INTACT);
    for (const chain of [alive, other, later]) await chain.close();
  });

  test('what was tampered with stays as evidence', async () => {
    const log = createLog({ maxFileBytes: 600 });
    const bad = await log.chain(7);
    const good = await log.chain(1);
    await log.edit(fileName(bad.id, 1), (lines) => lines.map((line) => line.replace('allowed', 'refused')));
    const chain = log.begin({ maxFiles: 1 });
    chain.write(entry(0));
    await chain.close();
    const names = await filesOf(log);
    expect(names).not.toContain(fileName(bad.id, 0));
    expect(names).toContain(fileName(bad.id, 1));
    expect(names).toContain(fileName(bad.id, 2));
    expect(names).not.toContain(fileName(good.id, 0));
    const report = await log.verify();
    expect(new Set(kinds(report))).toEqual(new Set(['line_changed']));
    expect(report.faults[0]).toMatchObject({ chain: bad.id, file: fileName(bad.id, 1) });
  });

  test('a crash at any step of removing is no fault, then or later, and what is left goes the next time', async () => {
    for (let step = 0; step < 6; step++) {
      const log = createLog({ maxFileBytes: 600 });
      await log.chain(5);
      const before = (await filesOf(log)).length;
      await log.clock.run(1000);
      let steps = 0;
      const [remove, replace] = [log.storage.remove.bind(log.storage), log.storage.replace.bind(log.storage)];
      const dies = (): void => {
        if (steps++ >= step) throw new Error('crash');
      };
      const spies = [
        vi.spyOn(log.storage, 'remove').mockImplementation(async (name) => (dies(), remove(name))),
        // Heads of others alone.
        vi.spyOn(log.storage, 'replace').mockImplementation(async (name, bytes) => {
          if (name !== headName(chain.id)) dies();
          return replace(name, bytes);
        }),
      ];
      const chain = log.begin({ maxFiles: 1 });
      chain.write(entry(0));
      await chain.flush().catch(() => undefined);
      expect(steps, `${before}`).toBe(Math.min(step + 1, before + 2));
      expect(await log.verify()).toMatchObject(INTACT);
      for (const spy of spies) spy.mockRestore();
      for (let generation = 0; generation < 3; generation++) {
        await log.clock.run(25 * 3_600_000);
        await log.chain(3, { maxFiles: 1 });
        expect(await log.verify()).toMatchObject(INTACT);
      }
      expect((await log.names()).length).toBeLessThanOrEqual(4);
    }
  });

  test('generations of processes that retire each other leave nothing to complain of', async () => {
    const log = createLog({ maxFileBytes: 600 });
    for (let generation = 0; generation < 12; generation++) {
      await log.clock.run(60_000);
      await log.chain(1 + (generation % 4), { maxFiles: 4 });
      expect((await filesOf(log)).length).toBeLessThanOrEqual(4);
      expect(await log.verify()).toMatchObject(INTACT);
    }
    expect((await log.names()).filter((name) => name.endsWith('.head')).length).toBeLessThanOrEqual(5);
  });
});

describe('the key', () => {
  test('is made once, kept wrapped, and opened again', async () => {
    const storage = new StoredAuditStorage(new MemoryStore());
    const keyring = createTestKeyring();
    const keys = await Promise.all([openAuditKey(storage, keyring), openAuditKey(storage, keyring)]);
    const hashes = await Promise.all([...keys, await openAuditKey(storage, keyring)].map((key) => key.hash(utf8('x'))));
    expect(hashes[1]).toEqual(hashes[0]);
    expect(hashes[2]).toEqual(hashes[0]);
    expect(await storage.list()).toEqual(['key']);
  });

  test('of another master key is refused by name; after rewrapping it is the same key', async () => {
    const storage = new StoredAuditStorage(new MemoryStore());
    const [old, next] = [createTestKeyring(), createTestKeyring()];
    await rewrapAuditKey(storage, old, next);
    expect(await storage.list()).toEqual([]);
    const before = await (await openAuditKey(storage, old)).hash(utf8('x'));
    await expect(openAuditKey(storage, next)).rejects.toMatchObject({
      code: 'KEY',
      reason: 'wrong',
      message: expect.stringMatching(
        new RegExp(`${old.id}, and given is ${next.id}\\..*EPOCHLY_PREVIOUS_ENCRYPTION_KEY.*another folder`),
      ),
    });
    await rewrapAuditKey(storage, old, next);
    await rewrapAuditKey(storage, old, next);
    expect(await (await openAuditKey(storage, next)).hash(utf8('x'))).toEqual(before);
    await expect(rewrapAuditKey(storage, createTestKeyring(), old)).rejects.toMatchObject({
      code: 'KEY',
      reason: 'wrong',
    });
  });

  test.each([
    ['is empty', () => new Uint8Array(0)],
    ['was cut off in its id', (key: Uint8Array) => key.slice(0, 9)],
    ['was cut off behind its id', (key: Uint8Array) => key.slice(0, 16)],
    ['was cut short', (key: Uint8Array) => key.slice(0, -1)],
    ['is zeros', (key: Uint8Array) => new Uint8Array(key.length)],
    ['has another bit', (key: Uint8Array) => key.map((byte, i) => (i === 30 ? byte ^ 1 : byte))],
  ])('that %s is damaged, and stays as it is', async (_, change) => {
    const storage = new StoredAuditStorage(new MemoryStore());
    const [keyring, next] = [createTestKeyring(), createTestKeyring()];
    await openAuditKey(storage, keyring);
    const kept = change((await storage.read('key')) as Uint8Array);
    await storage.replace('key', kept);
    const damaged = { code: 'KEY', reason: 'damaged', message: expect.stringContaining('audit log is damaged') };
    await expect(openAuditKey(storage, keyring)).rejects.toMatchObject(damaged);
    await expect(rewrapAuditKey(storage, keyring, next)).rejects.toMatchObject(damaged);
    expect(await storage.read('key')).toEqual(kept);
  });

  test('that a device does not open now is not damaged', async () => {
    const storage = new StoredAuditStorage(new MemoryStore());
    const keyring = createTestKeyring();
    await openAuditKey(storage, keyring);
    const away = { ...keyring, openKey: () => Promise.reject(new KeyError('The device is away.')) };
    await expect(openAuditKey(storage, away)).rejects.toMatchObject({ reason: 'unavailable' });
  });

  test('a log is verified with its own key alone', async () => {
    const log = createLog();
    await log.chain(2);
    const report = await verifyAuditLog(log.storage, createDataKey());
    expect(kinds(report)).toEqual(['head_changed', 'line_changed', 'line_changed', 'line_changed']);
  });
});
