/** Answers that outlive an epochly: opened by its configuration, sealed, forgotten, written to the audit log. */

import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { callableAdapter, createEpochly, EpochlyError, InferenceConfig, KeyError, openKeyring, tensor } from 'epochly';
import { openRedisStore } from 'epochly/cache/redis';
import type { CallEvent, Epochly, EpochlyOptions, InferenceConfigInit } from 'epochly';
import { USE_LITE } from '../helpers/models.ts';
import { startRedis } from '../helpers/redis-server.ts';
import type { RedisServer } from '../helpers/redis-server.ts';
import { createProgram } from '../helpers/run-program.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const OTHER_KEY = Buffer.alloc(32, 8).toString('hex');
const VARIABLES = ['EPOCHLY_ENCRYPTION_KEY', 'EPOCHLY_PREVIOUS_ENCRYPTION_KEY', 'EPOCHLY_TENANT_ID', 'EPOCHLY_HSM_PIN'];
const adapter = callableAdapter({ deterministic: true });

let folder: string;
const opened: Epochly[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'epochly-persistence-'));
  process.env['EPOCHLY_ENCRYPTION_KEY'] = KEY;
});
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  for (const name of VARIABLES) delete process.env[name];
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

function configOf({ cache, privacy, ...rest }: InferenceConfigInit = {}): InferenceConfigInit {
  return {
    batching: { enabled: false },
    cache: { l2Path: join(folder, 'answers.sqlite'), ...cache },
    privacy: { mode: 'persisted_encrypted', auditLogPath: join(folder, 'audit'), ...privacy },
    ...rest,
  };
}

function open(config: InferenceConfigInit = configOf(), options: Omit<EpochlyOptions, 'config'> = {}): Epochly {
  const epochly = createEpochly({ config, ...options });
  opened.push(epochly);
  return epochly;
}

/** A model that counts its runs, and who answered each call. */
function count(epochly: Epochly, answer: (input: string) => unknown = (input) => `${input}!`, identity = 'shout v1') {
  let runs = 0;
  const sources: CallEvent['source'][] = [];
  const model = epochly.wrap(
    async (input: string) => {
      runs++;
      return answer(input);
    },
    { adapter, identity },
  );
  epochly.onCall(({ source, modelId }) => modelId === model.modelId && sources.push(source));
  return { model, sources, runs: () => runs };
}

async function restart(epochly: Epochly, config?: InferenceConfigInit): Promise<Epochly> {
  await epochly.close();
  return open(config);
}

test('a loaded model answers after a restart what it answered before it, bit by bit, without a run', async () => {
  const first = open();
  const inputs = {
    input_ids: tensor('int64', [5n, 40n], [1, 2]),
    attention_mask: tensor('int64', [1n, 1n], [1, 2]),
  };
  const before = await first.load(USE_LITE);
  const answer = await before.run(inputs);
  await before.close();

  const second = await restart(first);
  const after = await second.load(USE_LITE);
  const sources: CallEvent['source'][] = [];
  second.onCall(({ source }) => sources.push(source));
  expect(await after.run(inputs)).toEqual(answer);
  expect(await after.run(inputs)).toEqual(answer);
  expect(sources).toEqual(['l2', 'l1']);
  await after.close();
  expect(second.cache.getStats().l2).toMatchObject({ hits: 1, errors: 0 });
});

test('what is kept is kept for one model, one tenant and one question', async () => {
  const first = open();
  await count(first).model('a');
  const second = await restart(first);
  const { model, sources } = count(second);
  await model.with({ tenant: 'other' })('a');
  await model('b');
  await count(second, undefined, 'shout v2').model('a');
  await model('a');
  expect(sources).toEqual(['model', 'model', 'l2']);
});

test('a model without an identity, and one that stays in memory, leave nothing behind', async () => {
  const first = open();
  const anonymous = first.wrap(async (input: string) => `${input}!`, { adapter });
  const shy = first.wrap(async (input: string) => `${input}!`, {
    adapter,
    identity: 'shout v1',
    config: { privacy: { mode: 'ephemeral' } },
  });
  await anonymous('a');
  await shy('a');
  const second = await restart(first);
  const { model, sources } = count(second);
  await model('a');
  expect(sources).toEqual(['model']);
});

test('a model cannot ask for more than its epochly keeps', () => {
  const ephemeral = open({});
  const wrap = (config: InferenceConfigInit) => () => ephemeral.wrap(async () => 1, { adapter, config });
  expect(wrap({ privacy: { mode: 'persisted_encrypted' } })).toThrow('privacy mode persisted_encrypted');
  expect(wrap({ privacy: { redactPatterns: ['x'] } })).toThrow('createEpochly');
});

describe('the master key', () => {
  const missing = async (): Promise<Epochly> => {
    delete process.env['EPOCHLY_ENCRYPTION_KEY'];
    return open();
  };
  test.each<[string, () => Promise<Epochly>, RegExp]>([
    ['missing', missing, /EPOCHLY_ENCRYPTION_KEY holds no key/],
    ['short', async () => ((process.env['EPOCHLY_ENCRYPTION_KEY'] = 'c2hvcnQ='), open()), /32/],
    [
      'in no file',
      async () => open(configOf({ privacy: { encryptionKeySource: 'file', encryptionKeyPath: join(folder, 'key') } })),
      /key/,
    ],
    ['a browser’s', async () => open(configOf({ privacy: { encryptionKeySource: 'browser' } })), /browsers/],
  ])('that is %s is an error wherever it is needed, and nothing is written', async (_, start, message) => {
    const epochly = await start();
    await expect(epochly.ready()).rejects.toThrow(message);
    await expect(epochly.load(USE_LITE)).rejects.toThrow(message);
    const { model, runs } = count(epochly);
    const error = await model('a').catch((thrown: unknown) => thrown);
    expect(EpochlyError.isInstance(error, 'KEY')).toBe(true);
    expect(runs()).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  test('that is missing is written to the console where nobody waits', async () => {
    const written = vi.spyOn(console, 'error').mockReturnValue(undefined);
    await missing();
    await vi.waitFor(() =>
      expect(written).toHaveBeenCalledWith(expect.any(String), expect.objectContaining({ code: 'KEY' })),
    );
  });

  test('that is another one than before is an error, and what was sealed stays', async () => {
    const first = open();
    await count(first).model('a');
    await first.close();
    process.env['EPOCHLY_ENCRYPTION_KEY'] = OTHER_KEY;
    const wrong = open(configOf({ privacy: { auditLogPath: '' } }));
    await expect(wrong.ready()).rejects.toMatchObject({ code: 'KEY', reason: 'wrong' });
    await expect(open().ready()).rejects.toThrow(/master key/);
    process.env['EPOCHLY_ENCRYPTION_KEY'] = KEY;
    const { model, sources } = count(open());
    await model('a');
    expect(sources).toEqual(['l2']);
  });

  test('in a file is made where that is asked for, for its owner alone', async () => {
    const path = join(folder, 'master.key');
    const config = configOf({
      privacy: { encryptionKeySource: 'file', encryptionKeyPath: path, createEncryptionKey: true },
    });
    delete process.env['EPOCHLY_ENCRYPTION_KEY'];
    const first = open(config);
    await count(first).model('a');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const { model, sources } = count(await restart(first, config));
    await model('a');
    expect(sources).toEqual(['l2']);
  });

  test('is changed while it is in use: afterwards the new one opens all, and the old one nothing', async () => {
    const first = open();
    const { model: before } = count(first);
    await before('a');
    process.env['EPOCHLY_NEXT'] = OTHER_KEY;
    const rotation = await first.rotateKey({ kind: 'env', variable: 'EPOCHLY_NEXT' });
    delete process.env['EPOCHLY_NEXT'];
    expect(rotation.rewrapped).toBeGreaterThan(0);
    expect(rotation.unreadable).toBe(0);
    await before('b');
    await first.close();
    await expect(open().ready()).rejects.toThrow(/master key/);
    process.env['EPOCHLY_ENCRYPTION_KEY'] = OTHER_KEY;
    const second = open();
    const { model, sources } = count(second);
    await model('a');
    await model('b');
    expect(sources).toEqual(['l2', 'l2']);
    expect(await (await second.auditLog())?.verify()).toMatchObject({ intact: true });
  });

  test('of before is given beside the new one at a restart, and is not needed at the next', async () => {
    const first = open();
    await count(first).model('a');
    await first.close();
    process.env['EPOCHLY_ENCRYPTION_KEY'] = OTHER_KEY;
    process.env['EPOCHLY_PREVIOUS_ENCRYPTION_KEY'] = KEY;
    const second = open();
    const during = count(second);
    await during.model('a');
    expect(during.sources).toEqual(['l2']);
    const log = await second.auditLog();
    await vi.waitFor(() => expect(log?.getEntries().map(({ operation }) => operation)).toContain('key_rotated'));
    delete process.env['EPOCHLY_PREVIOUS_ENCRYPTION_KEY'];
    const { model, sources } = count(await restart(second));
    await model('a');
    expect(sources).toEqual(['l2']);
  });

  test('that wrapped a key which does not open any more: the cache is begun anew', async () => {
    const warned = vi.spyOn(console, 'warn').mockReturnValue(undefined);
    const config = configOf({ privacy: { auditLogPath: '' } });
    const first = open(config);
    await count(first).model('a');
    await first.close();
    const keyring = await openKeyring({ kind: 'env' });
    let failures = 1;
    const second = open(config, {
      encryptionKey: {
        id: keyring.id,
        newKey: (context) => keyring.newKey(context),
        rewrap: (...wrapped) => keyring.rewrap(...wrapped),
        close: () => keyring.close(),
        openKey(wrapped, context) {
          if (failures-- > 0) throw new KeyError('A bit is another one.', { reason: 'damaged' as never });
          return keyring.openKey(wrapped, context);
        },
      },
    });
    const { model, sources } = count(second);
    await model('a');
    const log = await second.auditLog();
    expect(log?.getEntries().filter(({ operation }) => operation === 'tier_opened')).toMatchObject([
      { result: 'key_damaged' },
      { result: 'opened' },
    ]);
    expect(warned).toHaveBeenCalledWith(expect.stringContaining('begun anew'));
    const again = count(await restart(second, config));
    await again.model('a');
    expect([sources, again.sources]).toEqual([['model'], ['l2']]);
  });

  test('given as text is an error that does not show it', async () => {
    const epochly = open(configOf(), { encryptionKey: KEY as never });
    const error: unknown = await epochly.ready().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'KEY', reason: 'malformed' });
    expect(String(error)).not.toContain(KEY);
    for (const encryptionKey of [Buffer.alloc(32, 7), null, {}] as never[])
      await expect(open(configOf(), { encryptionKey }).ready()).rejects.toMatchObject({ reason: 'malformed' });
    await expect(open().rotateKey(OTHER_KEY as never)).rejects.toMatchObject({ code: 'KEY', reason: 'malformed' });
  });

  test('that could not be changed everywhere is told, and closing waits for that', async () => {
    vi.spyOn(console, 'warn').mockReturnValue(undefined);
    const written = vi.spyOn(console, 'error').mockReturnValue(undefined);
    await writeFile(join(folder, 'file'), '');
    process.env['EPOCHLY_PREVIOUS_ENCRYPTION_KEY'] = OTHER_KEY;
    const epochly = open(configOf({ cache: { l2Path: join(folder, 'file', 'answers.sqlite') } }));
    await epochly.ready();
    await epochly.close();
    expect(written).toHaveBeenCalledWith(expect.stringContaining('both are still needed'));
    const log = await epochly.auditLog();
    expect(log?.getEntries()).toContainEqual(expect.objectContaining({ operation: 'key_rotated', result: 'failed' }));
  });

  test('that is being changed when it is closed is changed before', async () => {
    const first = open();
    const { model: before } = count(first);
    for (const tenant of ['a', 'b', 'c']) await before.with({ tenant })('x');
    await first.cache.flush();
    process.env['EPOCHLY_NEXT'] = OTHER_KEY;
    const rotation = first.rotateKey({ kind: 'env', variable: 'EPOCHLY_NEXT' });
    await first.close();
    expect(await rotation).toMatchObject({ unreadable: 0 });
    delete process.env['EPOCHLY_NEXT'];
    process.env['EPOCHLY_ENCRYPTION_KEY'] = OTHER_KEY;
    const { model, sources } = count(open());
    for (const tenant of ['a', 'b', 'c']) await model.with({ tenant })('x');
    expect(sources).toEqual(['l2', 'l2', 'l2']);
  });

  test('there is none to rotate where nothing is kept', async () => {
    const epochly = open({});
    await expect(epochly.rotateKey({ kind: 'env' })).rejects.toThrow('no master key');
  });
});

test('nothing that was asked, answered or named can be read in what is written', async () => {
  const epochly = open();
  const { model } = count(epochly, (input) => ({ text: `the answer to ${input}` }), 'identity-of-the-model');
  await model.with({ tenant: 'tenant-of-the-call' })('the question itself');
  await epochly.close();
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const store = files.filter((each) => each.isFile() && each.name.startsWith('answers'));
  expect(store.length).toBeGreaterThan(0);
  for (const { parentPath, name } of store) {
    const bytes = await readFile(join(parentPath, name));
    for (const secret of ['question itself', 'the answer', 'identity-of-the-model', 'tenant-of-the-call', KEY]) {
      expect(bytes.includes(secret), `${secret} in ${name}`).toBe(false);
      expect(bytes.includes(Buffer.from(secret, 'utf16le')), `${secret} in ${name}`).toBe(false);
    }
    expect(bytes.includes(Buffer.alloc(32, 7)), `the key in ${name}`).toBe(false);
  }
});

describe('without encryption', () => {
  test('nothing starts where that is said only once', async () => {
    await expect(open(configOf({ privacy: { encryptAtRest: false } })).ready()).rejects.toMatchObject({
      code: 'CONFIG',
      field: 'privacy.encrypt_at_rest',
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test('answers are kept where it is said twice, which the audit log says too', async () => {
    const warned = vi.spyOn(console, 'warn').mockReturnValue(undefined);
    delete process.env['EPOCHLY_ENCRYPTION_KEY'];
    const config = configOf({ privacy: { encryptAtRest: false, allowPlaintextAtRest: true } });
    const first = open(config);
    await count(first).model('a readable question');
    const second = await restart(first, config);
    const { model, sources } = count(second);
    await model('a readable question');
    expect(sources).toEqual(['l2']);
    const log = await second.auditLog();
    expect(log?.getEntries()).toContainEqual(
      expect.objectContaining({ operation: 'persistence_opened', result: 'plaintext' }),
    );
    const texts = warned.mock.calls.map(String).filter((text) => /encrypt|master key/i.test(text));
    expect(texts.slice(texts.length / 2)).toEqual([expect.stringContaining('encryptAtRest is off')]);
    expect(texts).toHaveLength(2);
  });
});

test('a tenant that is forgotten has nothing left, and the others have all', async () => {
  const first = open();
  const { model: before } = count(first);
  for (const tenant of ['a', 'b']) await before.with({ tenant })('x');
  await first.cache.flush();
  await first.cache.invalidateTenant('a');
  const second = await restart(first);
  const { model, sources } = count(second);
  for (const tenant of ['a', 'b']) await model.with({ tenant })('x');
  expect(sources).toEqual(['model', 'l2']);
});

describe('what could not be forgotten is told', () => {
  const failed = async (epochly: Epochly): Promise<unknown[]> => {
    const log = await epochly.auditLog();
    return (log?.getEntries() ?? []).filter(({ result }) => result === 'failed').map(({ operation }) => operation);
  };

  test('when it is closed', async () => {
    const epochly = open();
    const { model } = count(epochly);
    await model('a');
    await epochly.close();
    await expect(epochly.cache.invalidateTenant('a')).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(epochly.cache.invalidateModel(model.modelId)).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(epochly.rotateKey({ kind: 'env' })).rejects.toMatchObject({ code: 'CLOSED' });
    expect(await failed(epochly)).toEqual(['invalidate_tenant', 'invalidate_model']);
  });

  test('where a tier could not be opened', async () => {
    vi.spyOn(console, 'warn').mockReturnValue(undefined);
    await writeFile(join(folder, 'file'), '');
    const epochly = open(configOf({ cache: { l2Path: join(folder, 'file', 'answers.sqlite') } }));
    const { model } = count(epochly);
    await model('a');
    const error = {
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('l2 cache could not be opened') as string,
    };
    await expect(epochly.cache.invalidateTenant('a')).rejects.toMatchObject(error);
    await expect(epochly.cache.invalidateModel(model.modelId)).rejects.toMatchObject(error);
    await expect(epochly.rotateKey({ kind: 'env' })).rejects.toMatchObject(error);
    expect(await failed(epochly)).toEqual(['invalidate_tenant', 'invalidate_model', 'key_rotated']);
  });

  test('and what is in memory alone is forgotten all the same', async () => {
    const epochly = open();
    const anonymous = epochly.wrap(async (input: string) => input, { adapter });
    await anonymous('a');
    await epochly.close();
    await epochly.cache.invalidateModel(anonymous.modelId);
    expect(epochly.cache.getStats().entries).toBe(0);
  });
});

test('a model that is invalidated has nothing left', async () => {
  const first = open();
  const { model: before } = count(first);
  await before('x');
  await first.cache.invalidateModel(before.modelId);
  const { model, sources } = count(await restart(first));
  await model('x');
  expect(sources).toEqual(['model']);
});

test('two that are open at once answer from what the other keeps, and forget what it forgets', async () => {
  const [one, two] = [open(), open()];
  const [first, second] = [count(one), count(two)];
  await first.model('a');
  await one.cache.flush();
  await second.model('a');
  expect(second.sources).toEqual(['l2']);
  await one.cache.invalidateModel(first.model.modelId);
  await vi.waitFor(
    async () => {
      await second.model('a');
      expect(second.sources).toContain('model');
    },
    { timeout: 15_000 },
  );
}, 20_000);

test('what matches a pattern is answered, served from memory, and not kept', async () => {
  const config = configOf({ privacy: { redactPatterns: ['\\bEMP-\\d{6}\\b'], redactBuiltIns: ['email'] } });
  const first = open(config);
  const { model: before } = count(first);
  for (const input of ['EMP-123456', 'ann@example.com', 'nothing of it']) await before(input);
  expect(await before('EMP-123456')).toBe('EMP-123456!');
  expect(first.cache.getStats()).toMatchObject({ hits: 1, refused: { redacted: 2 } });
  const { model, sources } = count(await restart(first, config));
  for (const input of ['EMP-123456', 'ann@example.com', 'nothing of it']) await model(input);
  expect(sources).toEqual(['model', 'model', 'l2']);
});

test('what only the parts of a stream together say is found in it', async () => {
  const config = configOf({ privacy: { redactBuiltIns: ['email'] } });
  const parts: Record<string, readonly unknown[]> = {
    text: ['ask ann', '@', 'example', '.com'],
    bytes: ['ask ann@', 'example.com'].map((part) => new TextEncoder().encode(part)),
    harmless: ['ask', ' ', 'ann'],
  };
  const ask = async (epochly: Epochly): Promise<unknown[]> => {
    const { model, sources } = count(epochly, async function* (input) {
      yield* parts[input] as unknown[];
    });
    for (const input of Object.keys(parts)) for await (const _ of (await model(input)) as AsyncIterable<unknown>);
    return sources;
  };
  const first = open(config);
  await ask(first);
  expect(await ask(await restart(first, config))).toEqual(['model', 'model', 'l2']);
});

test('a pattern that is none, or could take forever, is an error at start, whatever the mode', async () => {
  for (const mode of ['persisted_encrypted', 'ephemeral'] as const) {
    for (const redactPatterns of [['('], ['(a+)+$']])
      await expect(open(configOf({ privacy: { mode, redactPatterns } })).ready()).rejects.toMatchObject({
        code: 'CONFIG',
      });
    await expect(open(configOf({ privacy: { mode, redactBuiltIns: ['mood'] } })).ready()).rejects.toThrow('mood');
  }
});

test('with hashes only nothing can be answered after a restart, and an answer that changed is told', async () => {
  vi.spyOn(console, 'warn').mockReturnValue(undefined);
  const config = configOf({ privacy: { mode: 'hashes_only' } });
  const first = open(config);
  const { model: before } = count(first);
  await before('a');
  await before('b');
  const second = await restart(first, config);
  const { model, sources } = count(second, (input) => (input === 'a' ? 'changed' : `${input}!`));
  await model('a');
  await model('b');
  expect(sources).toEqual(['model', 'model']);
  const changed = async (): Promise<number | undefined> => second.cache.getStats().l2?.answersChanged;
  expect(await changed()).toBe(1);
  const log = await second.auditLog();
  expect(log?.getEntries().filter(({ operation }) => operation === 'answer_compared')).toMatchObject([
    { result: 'changed', model_id: 'shout v1' },
  ]);
});

describe('the audit log', () => {
  test('says what was opened, checked, decided, served and forgotten, and that can be verified later', async () => {
    const first = open();
    const { model: before } = count(first);
    await before('a');
    await first.cache.flush();
    await first.cache.invalidateTenant('b');
    const second = await restart(first);
    await count(second).model('a');
    const log = await second.auditLog();
    const operations = log?.getEntries().map(({ operation, result }) => `${operation} ${result}`);
    expect(operations).toEqual(
      expect.arrayContaining([
        'persistence_opened sealed',
        'security_checks passed',
        'tier_opened opened',
        'optimization_decided level 1',
        'cache_access hit',
      ]),
    );
    expect(await log?.verify()).toMatchObject({ intact: true });
    const files = await readdir(join(folder, 'audit'));
    const lines = await Promise.all(files.map((name) => readFile(join(folder, 'audit', name), 'utf8')));
    const forgotten = lines
      .join('')
      .split('\n')
      .find((line) => line.includes('invalidate_tenant'));
    expect(forgotten).toContain('done');
  });

  test('writes no file in the mode ephemeral, and is there all the same', async () => {
    const epochly = open(configOf({ privacy: { mode: 'ephemeral' } }));
    const { model } = count(epochly);
    await model('a');
    await epochly.cache.invalidateModel(model.modelId);
    await epochly.ready();
    const log = await epochly.auditLog();
    expect(log?.getEntries().map(({ operation }) => operation)).toEqual(['optimization_decided', 'invalidate_model']);
    expect(await readdir(folder)).toEqual([]);
  });

  test('can be switched off', async () => {
    const epochly = open(configOf({ privacy: { auditLogEnabled: false } }));
    await count(epochly).model('a');
    expect(await epochly.auditLog()).toBeUndefined();
    expect(await readdir(folder)).not.toContain('audit');
  });

  test('that cannot be written is an error at start', async () => {
    await writeFile(join(folder, 'file'), '');
    const epochly = open(configOf({ privacy: { auditLogPath: join(folder, 'file') } }));
    await expect(epochly.ready()).rejects.toMatchObject({ field: 'privacy.audit_log_path' });
  });
});

describe('an audit log that cannot be written to its place', () => {
  const home = process.env['HOME'];
  afterEach(() => {
    process.env['HOME'] = home;
  });

  test('stays in memory where nobody named that place', async () => {
    const warned = vi.spyOn(console, 'warn').mockReturnValue(undefined);
    await writeFile(join(folder, 'home'), '');
    process.env['HOME'] = join(folder, 'home');
    const epochly = open({ ...configOf(), privacy: { mode: 'persisted_encrypted' } });
    const { model, sources } = count(epochly);
    await model('a');
    expect(sources).toEqual(['model']);
    expect(warned).toHaveBeenCalledWith(expect.stringContaining('audit log in memory only'));
    const log = await epochly.auditLog();
    expect(log?.getEntries().map(({ operation }) => operation)).toContain('tier_opened');
  });

  test('is an error that names the setting, whatever the file system says', async () => {
    await mkdir(join(folder, 'audit', 'key'), { recursive: true });
    await expect(open().ready()).rejects.toMatchObject({ code: 'CONFIG', field: 'privacy.audit_log_path' });
  });
});

describe('checks at start', () => {
  const loose = { cacheTenantIsolation: false } as const;
  test('that fail are written to the console', async () => {
    const warned = vi.spyOn(console, 'warn').mockReturnValue(undefined);
    await open(configOf({ privacy: loose })).ready();
    expect(warned).toHaveBeenCalledWith(expect.stringContaining('cacheTenantIsolation'));
  });
  test('that fail stop the start where they are strict', async () => {
    const epochly = open(configOf({ privacy: { ...loose, strictChecks: true } }));
    await expect(epochly.ready()).rejects.toMatchObject({ code: 'SECURITY' });
    await expect(count(epochly).model('a')).rejects.toMatchObject({ code: 'SECURITY' });
  });
});

test('tenants that are not kept apart share their answers', async () => {
  vi.spyOn(console, 'warn').mockReturnValue(undefined);
  const { model, sources } = count(open(configOf({ privacy: { cacheTenantIsolation: false } })));
  for (const tenant of ['a', 'b']) await model.with({ tenant })('x');
  expect(sources).toEqual(['model', 'l1']);
});

test('what tenants share is forgotten whichever of them is named', async () => {
  vi.spyOn(console, 'warn').mockReturnValue(undefined);
  const epochly = open(configOf({ privacy: { cacheTenantIsolation: false } }));
  const { model, sources } = count(epochly);
  await model.with({ tenant: 'a' })('x');
  await epochly.cache.flush();
  await epochly.cache.invalidateTenant('a');
  await model.with({ tenant: 'a' })('x');
  expect(sources).toEqual(['model', 'model']);
});

test('calls that name no tenant are those of the process’s', async () => {
  process.env['EPOCHLY_TENANT_ID'] = 'acme';
  const first = open();
  await count(first).model('a');
  const { model, sources } = count(await restart(first));
  await model.with({ tenant: 'default' })('a');
  await model.with({ tenant: 'acme' })('a');
  await model('a');
  expect(sources).toEqual(['model', 'l2', 'l1']);
  process.env['EPOCHLY_TENANT_ID'] = '';
  expect(() => open()).toThrow('EPOCHLY_TENANT_ID');
});

test('a store that cannot be had is no reason to fail', async () => {
  const warned = vi.spyOn(console, 'warn').mockReturnValue(undefined);
  await writeFile(join(folder, 'file'), '');
  const epochly = open(configOf({ cache: { l2Path: join(folder, 'file', 'answers.sqlite') } }));
  const { model, sources } = count(epochly);
  await model('a');
  await model('a');
  expect(sources).toEqual(['model', 'l1']);
  expect(warned).toHaveBeenCalledWith(expect.stringContaining('without its l2 cache'));
});

test('closed, it goes on in memory, and closing twice is fine', async () => {
  const epochly = open();
  const { model, sources } = count(epochly);
  await model('a');
  const closing = epochly.close();
  expect(epochly.close()).toBe(closing);
  await closing;
  await model('a');
  await model('b');
  expect(sources).toEqual(['model', 'l1', 'model']);
});

test('both spellings of the mode mean the same, and two that differ are an error', () => {
  expect(new InferenceConfig({ cache: { privacyMode: 'hashes_only' } }).privacy.mode).toBe('hashes_only');
  expect(new InferenceConfig({ privacy: { mode: 'hashes_only' } }).cache.privacyMode).toBe('hashes_only');
  const both = { cache: { privacyMode: 'hashes_only' }, privacy: { mode: 'persisted_encrypted' } } as const;
  expect(() => new InferenceConfig(both)).toThrow('cache.privacy_mode');
  // What code says of one counts for both, whatever the environment says of the other.
  const env = { EPOCHLY_INFERENCE_CACHE_PRIVACY_MODE: 'persisted_encrypted' };
  const config = InferenceConfig.resolve({ env, options: { privacy: { mode: 'ephemeral' } } });
  expect([config.privacy.mode, config.cache.privacyMode]).toEqual(['ephemeral', 'ephemeral']);
});

test('a process that just ends has written its answers', async () => {
  const program = await createProgram(`
    import { callableAdapter, createEpochly } from './platforms/node/index.ts';
    const { wrap, onCall } = createEpochly({ config: ${JSON.stringify(configOf())} });
    const model = wrap(async (input) => input + '!', { adapter: callableAdapter({ deterministic: true }), identity: 'x' });
    onCall(({ source }) => console.log(source));
    await model('a');
  `);
  expect(await program.run()).toBe('model');
  expect(await program.run()).toBe('l2');
});

describe('with Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  const withRedis = (cache: InferenceConfigInit['cache'] = {}): InferenceConfigInit =>
    configOf({ cache: { l2Path: '', redisUrl: server.url, ...cache } });

  test('nodes answer from what others keep, and forget at once what they forget', async () => {
    const [one, two] = [open(withRedis()), open(withRedis())];
    const [first, second] = [count(one), count(two)];
    await first.model('a');
    await one.cache.flush();
    await second.model('a');
    await second.model('a');
    expect(second.sources).toEqual(['l3', 'l1']);
    await one.cache.invalidateModel(first.model.modelId);
    await vi.waitFor(async () => {
      await second.model('a');
      expect(second.sources.at(-1)).toBe('model');
    });
  });

  test('L2 is filled from L3 where both are asked for', async () => {
    const both = withRedis({ l2Path: join(folder, 'near.sqlite') });
    const first = open(withRedis());
    await count(first, undefined, 'filled').model('a');
    await first.close();
    const second = open(both);
    const far = count(second, undefined, 'filled');
    await far.model('a');
    expect(far.sources).toEqual(['l3']);
    const near = count(await restart(second, both), undefined, 'filled');
    await near.model('a');
    expect(near.sources).toEqual(['l2']);
  });

  test('equal questions at once are answered by one run of all nodes, where that is asked for', async () => {
    const nodes = [open(withRedis({ crossNodeSingleFlight: true })), open(withRedis({ crossNodeSingleFlight: true }))];
    await Promise.all(nodes.map((each) => each.ready()));
    let runs = 0;
    let finish: (value: string) => void = () => undefined;
    const answer = new Promise<string>((resolve) => (finish = resolve));
    const models = nodes.map((each) => count(each, () => (runs++, answer), 'flight').model);
    const all = models.map((model) => model('a'));
    await vi.waitFor(() => expect(runs).toBe(1));
    finish('done');
    expect(await Promise.all(all)).toEqual(['done', 'done']);
    expect(runs).toBe(1);
  });

  test('that is not there, calls are answered without it, and with it once it is', async () => {
    vi.spyOn(console, 'warn').mockReturnValue(undefined);
    const own = await startRedis();
    await own.signal('SIGKILL');
    const config = configOf({ cache: { l2Path: '', redisUrl: own.url } });
    const epochly = open(config);
    const { model, sources } = count(epochly);
    await model('a');
    expect(sources).toEqual(['model']);
    await own.restart();
    const other = open(config);
    await vi.waitFor(
      async () => {
        const again = count(other);
        await model(`b${sources.length}`);
        await epochly.cache.flush();
        await again.model(`b${sources.length - 1}`);
        expect(again.sources).toEqual(['l3']);
      },
      { timeout: 20_000, interval: 200 },
    );
    const log = await epochly.auditLog();
    const told = (): unknown[] =>
      (log?.getEntries() ?? []).filter(({ operation }) => operation === 'tier_opened').map(({ result }) => result);
    await vi.waitFor(() => expect(told()).toEqual(['unreachable', 'opened']), { timeout: 10_000 });
    await own.stop();
  }, 30_000);

  test('what a machine invalidates is forgotten in the files of the others too', async () => {
    const near = (name: string): InferenceConfigInit => withRedis({ l2Path: join(folder, `${name}.sqlite`) });
    const [one, two] = [open(near('one')), open(near('two'))];
    const [first, second] = [count(one, undefined, 'far'), count(two, undefined, 'far')];
    for (const tenant of ['a', 'b']) {
      await first.model.with({ tenant })('x');
      await one.cache.flush();
      await second.model.with({ tenant })('x');
      await two.cache.flush();
    }
    expect(second.sources).toEqual(['l3', 'l3']);
    await one.cache.invalidateTenant('a');
    await vi.waitFor(async () => {
      await second.model.with({ tenant: 'a' })('x');
      expect(second.sources.at(-1)).toBe('model');
    });
    await one.cache.invalidateModel(first.model.modelId);
    await vi.waitFor(async () => {
      await second.model.with({ tenant: 'b' })('x');
      expect(second.sources.at(-1)).toBe('model');
    });
    // What came since then stays: nobody sends an invalidation back.
    await two.cache.flush();
    await first.model.with({ tenant: 'b' })('x');
    await first.model.with({ tenant: 'b' })('x');
    const again = count(await restart(two, near('two')), undefined, 'far');
    await again.model.with({ tenant: 'b' })('x');
    expect([first.sources.slice(-2), again.sources]).toEqual([['l3', 'l1'], ['l2']]);
  });

  test('what a file kept without a Redis is not believed beside one, which knows nothing of it', async () => {
    const file = { l2Path: join(folder, 'alone.sqlite') };
    const before = open(configOf({ cache: file }));
    await count(before).model('x');
    await before.close();
    const both = withRedis({ redisPrefix: 'beside:', ...file });
    const first = open(both);
    const during = count(first);
    await during.model('x');
    const after = count(await restart(first, both));
    await after.model('x');
    expect([during.sources, after.sources]).toEqual([['model'], ['l2']]);
  });

  test('that refuses is told with its reason, and without the password', async () => {
    const warned = vi.spyOn(console, 'warn').mockReturnValue(undefined);
    const closed = await startRedis({ args: ['--requirepass', 'sesame'], connect: { password: 'sesame' } });
    const url = closed.url.replace('//', '//:hunter2@');
    const epochly = open(configOf({ cache: { l2Path: '', redisUrl: url } }));
    const { model, sources } = count(epochly);
    await model('a');
    await model('b');
    expect(sources).toEqual(['model', 'model']);
    const texts = warned.mock.calls.map(String).filter((text) => text.includes('l3'));
    expect(texts).toEqual([expect.stringContaining('WRONGPASS')]);
    const log = await epochly.auditLog();
    expect(log?.getEntries().filter(({ operation }) => operation === 'tier_opened')).toMatchObject([
      { result: 'unreachable', details: { tier: 'l3', reason: expect.stringContaining('WRONGPASS') as string } },
    ]);
    expect(JSON.stringify([texts, log?.getEntries()])).not.toContain('hunter2');
    await closed.stop();
  });

  test('applications with keys of their own share a database by prefixes of their own', async () => {
    const prefixed = (redisPrefix: string): Epochly =>
      open(configOf({ cache: { l2Path: '', redisUrl: server.url, redisPrefix }, privacy: { auditLogPath: '' } }));
    await count(prefixed('one:')).model('a');
    process.env['EPOCHLY_ENCRYPTION_KEY'] = OTHER_KEY;
    await prefixed('two:').ready();
    await expect(prefixed('one:').ready()).rejects.toMatchObject({ reason: 'wrong' });
    await expect(prefixed('').ready()).rejects.toMatchObject({ field: 'cache.redis_prefix' });
  });

  test('a store that is given takes the place of the URL, and is closed with the epochly', async () => {
    const store = await openRedisStore({ url: server.url, prefix: 'given:' });
    const config = configOf({ cache: { l2Path: '' } });
    const first = open(config, { remoteStore: store });
    await count(first).model('a');
    await first.close();
    await expect(Promise.resolve().then(() => store.get('x'))).rejects.toMatchObject({ code: 'CLOSED' });
    const second = open(config, { remoteStore: await openRedisStore({ url: server.url, prefix: 'given:' }) });
    const { model, sources } = count(second);
    await model('a');
    expect(sources).toEqual(['l3']);
    const unused = await openRedisStore({ url: server.url });
    await open({}, { remoteStore: unused }).close();
    await expect(Promise.resolve().then(() => unused.get('x'))).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
