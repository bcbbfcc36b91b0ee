import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openAuditFolder } from '../../platforms/node/audit/folder-audit-storage.ts';
import { AuditChain } from '../../src/privacy/audit-chain.ts';
import type { AuditChainOptions } from '../../src/privacy/audit-chain.ts';
import { openAuditKey } from '../../src/privacy/audit-key.ts';
import { fileName, headName } from '../../src/privacy/audit-lines.ts';
import { AuditLogger } from '../../src/privacy/audit-logger.ts';
import { verifyAuditLog } from '../../src/privacy/audit-verify.ts';
import type { AuditReport } from '../../src/privacy/audit-verify.ts';
import { createDataKey, createTestKeyring } from '../helpers/test-keyring.ts';

const INTACT = { intact: true, faults: [] };
const base = mkdtempSync(join(tmpdir(), 'epochly-audit-'));
const writer = join(base, 'writer.mjs');
const secret = randomBytes(32);
const key = createDataKey(secret);
let folder: string;
let folders = 0;

beforeAll(async () => {
  const entry = fileURLToPath(new URL('support/audit-writer.ts', import.meta.url));
  await build({
    entryPoints: [entry],
    outfile: writer,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
});
beforeEach(() => {
  folder = join(base, `log-${folders++}`);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

const verify = async (): Promise<AuditReport> => verifyAuditLog(await openAuditFolder(folder), key);
const path = (name: string): string => join(folder, name);
const filesOf = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted();
const linesOf = (name: string): string[] => readFileSync(path(name), 'utf8').split('\n').slice(0, -1);
const argumentsOf = (count: number, ending: string, options: object = {}): string[] => [
  writer,
  folder,
  secret.toString('hex'),
  String(count),
  ending,
  JSON.stringify(options),
];

/** Entries of this process, closed. */
async function writeChain(entries: number, options: Partial<AuditChainOptions> = {}): Promise<AuditChain> {
  const chain = new AuditChain({ storage: await openAuditFolder(folder), key, ...options });
  const logger = new AuditLogger({ sink: chain });
  for (let n = 0; n < entries; n++) {
    logger.logEvent({ operation: 'gate', modelId: n, result: 'allowed' });
    await logger.flush();
  }
  await logger.close();
  expect(logger.sinkErrors).toBe(0);
  return chain;
}

describe('a folder', () => {
  test('is made for its owner alone, and so are its files', async () => {
    folder = join(folder, 'deep', 'audit');
    const { id } = await writeChain(3);
    const mode = (name: string): string => (statSync(path(name)).mode & 0o777).toString(8);
    expect(readdirSync(folder).toSorted()).toEqual([fileName(id, 0), headName(id)]);
    expect([mode('.'), mode('..'), mode(fileName(id, 0)), mode(headName(id))]).toEqual(['700', '700', '600', '600']);
    expect(await verify()).toMatchObject({ ...INTACT, entries: 3 });
  });

  test('may be named from the home folder', async () => {
    const { HOME } = process.env;
    process.env['HOME'] = base;
    try {
      await (await openAuditFolder(`~/${folder.split('/').at(-1)}`)).close();
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      process.env['HOME'] = HOME;
    }
  });

  test('that cannot be is a clear error at the start', async () => {
    writeFileSync(folder, '');
    await expect(openAuditFolder(folder)).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining(folder),
    });
    await expect(openAuditFolder(join(folder, 'below'))).rejects.toMatchObject({ code: 'CONFIG' });
  });

  test('keeps one key for all who come first at once', async () => {
    const keyring = createTestKeyring();
    const storages = await Promise.all(Array.from({ length: 8 }, () => openAuditFolder(folder)));
    const keys = await Promise.all(storages.map((storage) => openAuditKey(storage, keyring)));
    const hashes = await Promise.all(
      keys.map(async (each) => Buffer.from(await each.hash(new Uint8Array())).toString('hex')),
    );
    expect(new Set(hashes).size).toBe(1);
    expect(readdirSync(folder)).toEqual(['key']);
    expect(statSync(path('key')).mode & 0o777).toBe(0o600);
    expect(statSync(path('key')).size).toBe(76);
  });
});

describe('processes', () => {
  test('that write at once have each a chain of its own, also with files that fill up', async () => {
    const runs = await Promise.all(
      [0, 1].map(() => promisify(execFile)(process.execPath, argumentsOf(600, 'close', { maxFileBytes: 30_000 }))),
    );
    for (const { stdout } of runs) expect(stdout).toContain('errors 0');
    const report = await verify();
    expect(report).toMatchObject({ ...INTACT, entries: 1200 });
    expect(report.chains).toHaveLength(2);
    for (const chain of report.chains) expect(chain).toMatchObject({ closed: true, unsealedLines: 0, torn: false });
    expect(filesOf().length).toBeGreaterThan(6);
  });

  test('that are killed leave all that was flushed, and no fault', async () => {
    let flushed = 0;
    for (let i = 0; i < 6; i++) {
      const child = spawn(process.execPath, argumentsOf(0, 'never', { maxFileBytes: 20_000 }), {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let last = 0;
      for await (const line of createInterface(child.stdout)) {
        if (!line.startsWith('flushed ')) continue;
        last = Number(line.slice('flushed '.length));
        // At any point of what comes next.
        if (last === 300 + 100 * i) setTimeout(() => child.kill('SIGKILL'), i);
      }
      flushed += last;
      const report = await verify();
      expect(report).toMatchObject(INTACT);
      expect(report.entries).toBeGreaterThanOrEqual(flushed);
      expect(report.chains.every(({ closed }) => !closed)).toBe(true);
    }
    expect((await verify()).chains).toHaveLength(6);
  });

  test('that leave the log open end by themselves, with everything written', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, argumentsOf(250, 'leave'));
    expect(stdout).toContain('errors 0');
    expect(await verify()).toMatchObject({ ...INTACT, entries: 250, chains: [{ closed: false }] });
  });

  test('whose disk takes no more say so, go on, and leave nothing that looks like tampering', async () => {
    // Files of at most 16 KiB: what goes beyond fails within a line, as on a full disk.
    const command = `ulimit -f 16; trap '' XFSZ; exec "$0" "$@"`;
    const { stdout } = await promisify(execFile)('bash', [
      '-c',
      command,
      process.execPath,
      ...argumentsOf(300, 'close'),
    ]);
    expect(stdout).toContain('failed EFBIG');
    const [flushed = ''] = stdout.split('\n').filter((line) => line.startsWith('errors '));
    expect(Number(flushed.slice('errors '.length))).toBeGreaterThan(0);
    const report = await verify();
    expect(report).toMatchObject(INTACT);
    expect(report.entries).toBeGreaterThan(20);
    expect(report.chains).toMatchObject([{ closed: false }]);
  });
});

describe('a disk that fails for a while', () => {
  test('costs nothing: what was half written is written over', async () => {
    const storage = await openAuditFolder(folder);
    const append = storage.append.bind(storage);
    let failures = 0;
    storage.append = async (name, offset, bytes) => {
      if (offset === 0 || failures++ % 2 === 1) return append(name, offset, bytes);
      await append(name, offset, bytes.subarray(0, bytes.length - 10));
      throw new Error('EIO');
    };
    const chain = new AuditChain({ storage, key });
    const logger = new AuditLogger({ sink: chain });
    for (let n = 0; n < 20; n++) {
      logger.logEvent({ operation: 'gate', modelId: n, result: 'allowed' });
      if (n % 3 === 0) await logger.flush();
    }
    // Every second attempt fails.
    await chain.flush().catch(() => chain.flush());
    await chain.close();
    expect(logger.sinkErrors).toBeGreaterThan(3);
    expect(await verify()).toMatchObject({ ...INTACT, entries: 20 });
  });
});

describe('what somebody did to the files is found', () => {
  let id: string;
  let name: string;

  beforeEach(async () => {
    ({ id } = await writeChain(9, { maxFileBytes: 900 }));
    name = fileName(id, 1);
    expect(filesOf().length).toBeGreaterThan(2);
    expect(await verify()).toMatchObject({ ...INTACT, entries: 9 });
  });

  const rewrite = (change: (lines: string[]) => readonly string[]): void =>
    writeFileSync(
      path(name),
      change(linesOf(name))
        .map((line) => `${line}\n`)
        .join(''),
    );
  const faults = async (): Promise<object[]> => [...(await verify()).faults];

  test('a file cut short, anywhere', async () => {
    const content = readFileSync(path(name));
    for (const length of [0, 1, content.indexOf('\n') + 1, content.length - 2]) {
      writeFileSync(path(name), content.subarray(0, length));
      expect(await faults(), String(length)).not.toEqual([]);
    }
  });

  test('a line deleted, two that changed places, one changed', async () => {
    const lines = linesOf(name);
    rewrite(([first, , ...rest]) => [first as string, ...rest]);
    expect(await faults()).toMatchObject([{ kind: 'lines_missing' }]);
    rewrite(() => [lines[1] as string, lines[0] as string, ...lines.slice(2)]);
    expect(await faults()).toMatchObject([
      { kind: 'lines_missing', line: 1 },
      { kind: 'line_moved', line: 2 },
    ]);
    rewrite(() => lines.with(1, (lines[1] as string).replace('allowed', 'refused')));
    expect(await faults()).toMatchObject([{ kind: 'line_changed', file: name, line: 2 }]);
  });

  test('files deleted or exchanged', async () => {
    const [first, second] = [fileName(id, 0), fileName(id, 1)];
    renameSync(path(first), path('x'));
    expect(await faults()).toMatchObject([{ kind: 'file_missing', file: first }]);
    renameSync(path(second), path(first));
    renameSync(path('x'), path(second));
    expect(await faults()).not.toEqual([]);
  });

  test('a head deleted, emptied, or put back to an older one while more than a thousand lines came', async () => {
    const head = readFileSync(path(headName(id)));
    rmSync(path(headName(id)));
    expect(await faults()).toMatchObject([{ kind: 'head_missing' }]);
    writeFileSync(path(headName(id)), '');
    expect(await faults()).toMatchObject([{ kind: 'head_changed', file: headName(id) }]);
    writeFileSync(path(headName(id)), head);

    const chain = new AuditChain({ storage: await openAuditFolder(folder), key });
    const logger = new AuditLogger({ sink: chain });
    logger.logEvent({ operation: 'gate', modelId: 0, result: 'allowed' });
    await logger.flush();
    const old = readFileSync(path(headName(chain.id)));
    for (let n = 0; n < 1200; n++) logger.logEvent({ operation: 'gate', modelId: n, result: 'allowed' });
    await logger.close();
    expect(await verify()).toMatchObject(INTACT);
    writeFileSync(path(headName(chain.id)), old);
    expect(await faults()).toMatchObject([{ kind: 'head_outdated', chain: chain.id }]);
  });

  test('a file removed while it is written to: the log goes on in another', async () => {
    const chain = new AuditChain({ storage: await openAuditFolder(folder), key });
    const logger = new AuditLogger({ sink: chain });
    const log = (n: number): void => logger.logEvent({ operation: 'gate', modelId: n, result: 'allowed' });
    log(0);
    await logger.flush();
    rmSync(path(fileName(chain.id, 0)));
    log(1);
    await logger.flush();
    expect(logger.sinkErrors).toBe(1);
    await logger.close();
    expect(await faults()).toMatchObject([{ kind: 'file_missing', file: fileName(chain.id, 0) }]);
    expect(linesOf(fileName(chain.id, 1)).at(-1)).toContain('"model_id":1');
  });

  test('what belongs to nobody is passed over', async () => {
    writeFileSync(path('notes.txt'), 'x');
    mkdirSync(path('backup'));
    writeFileSync(path(`${headName(id)}.tmp`), 'left by a crash');
    expect(await verify()).toMatchObject(INTACT);
  });
});
