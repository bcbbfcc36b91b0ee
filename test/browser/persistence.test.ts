/** Answers that outlive a page: opened by the configuration, shared by tabs, sealed by a key of the browser's. */

import { afterEach, expect, test, vi } from 'vitest';
import { callableAdapter, createEpochly } from '../../platforms/browser/index.ts';
import type { CallEvent, Epochly, InferenceConfigInit } from '../../platforms/browser/index.ts';

const opened: Epochly[] = [];
let names = 0;
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  vi.restoreAllMocks();
});

/** A configuration with databases of its own. */
function configOf(privacy: InferenceConfigInit['privacy'] = {}): InferenceConfigInit {
  const name = `persistence ${crypto.randomUUID()} ${names++}`;
  return {
    batching: { enabled: false },
    cache: { l2Path: name },
    privacy: {
      mode: 'persisted_encrypted',
      encryptionKeySource: 'browser',
      encryptionKeyPath: `${name} keyring`,
      auditLogPath: `${name} audit`,
      ...privacy,
    },
  };
}

function open(config: InferenceConfigInit): Epochly {
  const epochly = createEpochly({ config });
  opened.push(epochly);
  return epochly;
}

function count(epochly: Epochly, answer: (input: string) => unknown = (input) => `${input}!`) {
  let runs = 0;
  const sources: CallEvent['source'][] = [];
  const model = epochly.wrap(
    async (input: string) => {
      runs++;
      return answer(input);
    },
    { adapter: callableAdapter({ deterministic: true }), identity: 'shout v1' },
  );
  epochly.onCall(({ source }) => sources.push(source));
  return { model, sources, runs: () => runs };
}

/** All that a database holds, keys and values, as text of one character a byte. */
async function contentOf(name: string): Promise<string> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name);
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error as Error));
  });
  let text = '';
  for (const storeName of database.objectStoreNames) {
    const store = database.transaction(storeName).objectStore(storeName);
    for (const request of [store.getAllKeys(), store.getAll()]) {
      await new Promise((resolve) => request.addEventListener('success', resolve));
      text += JSON.stringify(request.result, (_key, value: unknown) =>
        value instanceof Uint8Array || value instanceof ArrayBuffer
          ? String.fromCharCode(...new Uint8Array(value as ArrayBuffer))
          : value,
      );
    }
  }
  database.close();
  return text;
}

function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.addEventListener('success', () => resolve());
    request.addEventListener('error', () => reject(request.error as Error));
  });
}

test('answers survive what they were computed by, and nothing of them can be read', async () => {
  const config = configOf();
  const first = open(config);
  await count(first).model.with({ tenant: 'the tenant' })('the question');
  await first.close();
  const second = open(config);
  const { model, sources } = count(second);
  expect(await model.with({ tenant: 'the tenant' })('the question')).toBe('the question!');
  await model('the question');
  expect(sources).toEqual(['l2', 'model']);
  await second.cache.flush();
  const content = await contentOf(config.cache?.l2Path as string);
  expect(content.length).toBeGreaterThan(500);
  for (const secret of ['question', 'tenant', 'shout']) expect(content).not.toContain(secret);
});

test('a tenant that is forgotten has nothing left', async () => {
  const config = configOf();
  const first = open(config);
  const { model: before } = count(first);
  for (const tenant of ['a', 'b']) await before.with({ tenant })('x');
  await first.cache.flush();
  await first.cache.invalidateTenant('a');
  await first.close();
  const { model, sources } = count(open(config));
  for (const tenant of ['a', 'b']) await model.with({ tenant })('x');
  expect(sources).toEqual(['model', 'l2']);
});

test('tabs answer from what others keep, ask once what is asked in several, and forget what others forget', async () => {
  const config = configOf();
  // Connections of their own to the databases, as tabs have.
  const [one, two] = [open(config), open(config)];
  await Promise.all([one.ready(), two.ready()]);
  let runs = 0;
  let finish: (value: string) => void = () => undefined;
  const slow = new Promise<string>((resolve) => (finish = resolve));
  const answer = (input: string): unknown => {
    runs++;
    return input === 'slow' ? slow : `${input}!`;
  };
  const [first, second] = [count(one, answer), count(two, answer)];
  const both = Promise.all([first.model('slow'), second.model('slow')]);
  await vi.waitFor(() => expect(runs).toBe(1));
  finish('done');
  expect(await both).toEqual(['done', 'done']);
  expect(runs).toBe(1);
  await one.cache.invalidateModel(first.model.modelId);
  await vi.waitFor(async () => {
    await second.model('slow');
    expect(second.sources.at(-1)).toBe('model');
  });
});

test('the audit log is kept in a database of its own, and can be verified by the next page', async () => {
  const config = configOf();
  const first = open(config);
  await count(first).model('x');
  await first.close();
  const second = open(config);
  await count(second).model('x');
  const log = await second.auditLog();
  const report = await log?.verify();
  expect(report).toMatchObject({ intact: true });
  expect(report?.chains).toHaveLength(2);
  expect(log?.getEntries().map(({ operation }) => operation)).toContain('cache_access');
});

test('where the browser lost the key, all is begun anew', async () => {
  const warned = vi.spyOn(console, 'warn').mockReturnValue(undefined);
  const config = configOf();
  const first = open(config);
  await count(first).model('x');
  await first.close();
  await deleteDatabase(config.privacy?.encryptionKeyPath as string);
  const second = open(config);
  const { model, sources } = count(second);
  await model('x');
  await second.close();
  const third = count(open(config));
  await third.model('x');
  expect([sources, third.sources]).toEqual([['model'], ['l2']]);
  expect(warned).toHaveBeenCalledWith(expect.stringContaining('lost the master key'));
});

test.each<[string, () => void]>([
  [
    'without WebCrypto, as on an insecure origin',
    () => vi.spyOn(crypto, 'subtle', 'get').mockReturnValue(undefined as never),
  ],
  [
    'without IndexedDB, as in some private windows',
    () =>
      vi.spyOn(indexedDB, 'open').mockImplementation(() => {
        throw new DOMException('denied', 'SecurityError');
      }),
  ],
])('%s it works in memory, and says so', async (_name, take) => {
  const warned = vi.spyOn(console, 'warn').mockReturnValue(undefined);
  take();
  const epochly = open(configOf());
  await epochly.ready();
  const { model, sources } = count(epochly);
  await model('x');
  await model('x');
  expect(sources).toEqual(['model', 'l1']);
  expect(warned).toHaveBeenCalledWith(expect.stringContaining('in memory only'));
});

test('readable answers are kept where that is said twice', async () => {
  vi.spyOn(console, 'warn').mockReturnValue(undefined);
  const config = configOf({ encryptAtRest: false, allowPlaintextAtRest: true });
  const first = open(config);
  await count(first).model('x');
  await first.close();
  const { model, sources } = count(open(config));
  await model('x');
  expect(sources).toEqual(['l2']);
});

test('a place that browsers do not have is an error', async () => {
  const epochly = open(configOf({ encryptionKeySource: 'file' }));
  await expect(epochly.ready()).rejects.toThrow("there are 'browser'");
  const warned = vi.spyOn(console, 'warn').mockReturnValue(undefined);
  const config = configOf();
  const remote = open({ ...config, cache: { redisUrl: 'redis://localhost' } });
  await remote.ready();
  expect(warned).toHaveBeenCalledWith(expect.stringContaining('cannot reach Redis'));
});
