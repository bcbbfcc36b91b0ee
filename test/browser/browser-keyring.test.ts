/** The keyring of browsers: its contract, one key for all tabs, and that no script can read it. */

import { expect, onTestFinished, test, vi } from 'vitest';
import { importKeyring, openBrowserKeyring } from '../../platforms/browser/keyring/open-keyring.ts';
import { ClosedError, EpochlyError } from '../../src/errors.ts';
import type { Keyring } from '../../src/privacy/keyring.ts';
import { testKeyring } from '../contract/keyring-contract.ts';
import { fromHex, KEY_VECTORS, toHex } from '../contract/vectors/keys.ts';
import { databaseName, openRaw } from './support/stores.ts';

const context = new TextEncoder().encode('a context');

testKeyring('browser', { open: () => openBrowserKeyring({ database: databaseName() }) });

testKeyring('imported', {
  open: () => importKeyring(crypto.getRandomValues(new Uint8Array(32))),
  openWith: (master, random) =>
    importKeyring(master, {
      nonce: () => random(12),
      dataKey: () =>
        crypto.subtle.importKey('raw', random(32) as Uint8Array<ArrayBuffer>, 'AES-GCM', true, ['encrypt']),
    }),
});

/** Whether what one wraps, the other opens, as the same key. */
async function agree(a: Keyring, b: Keyring): Promise<boolean> {
  const wrapped = await a.newKey(context);
  const [ours, theirs] = [await a.openKey(wrapped, context), await b.openKey(wrapped, context)];
  return a.id === b.id && toHex(await ours.hash(context)) === toHex(await theirs.hash(context));
}

/** The keyring in a Web Worker: the hash that a wrapped key makes there, and a key wrapped there. */
function askElsewhere(database: string, wrapped: Uint8Array) {
  const worker = new Worker(new URL('./support/keyring.worker.ts', import.meta.url), {
    type: 'module',
    name: database,
  });
  onTestFinished(() => worker.terminate());
  worker.postMessage(wrapped, []);
  return new Promise<{ id: string; hash: Uint8Array; wrapped: Uint8Array }>((resolve, reject) => {
    worker.addEventListener('message', ({ data }) =>
      data.error === undefined ? resolve(data) : reject(new Error(data.error)),
    );
  });
}

test('the key outlasts who made it, and is another one in another database', async () => {
  const database = databaseName();
  const first = await openBrowserKeyring({ database });
  const wrapped = await first.newKey(context);
  const hash = await (await first.openKey(wrapped, context)).hash(context);
  await first.close();
  const again = await openBrowserKeyring({ database });
  expect(again.id).toBe(first.id);
  expect(await (await again.openKey(wrapped, context)).hash(context)).toEqual(hash);
  const other = await openBrowserKeyring({ database: databaseName() });
  expect(other.id).not.toBe(first.id);
  await expect(other.openKey(wrapped, context)).rejects.toMatchObject({ code: 'KEY', reason: 'wrong' });
});

test('all who open it at once, in this page and in workers, get the key of the first', async () => {
  const database = databaseName();
  const nothing = new Uint8Array(60);
  const elsewhere = [1, 2].map(() => askElsewhere(database, nothing).catch((error: Error) => error.message));
  const keyrings = await Promise.all(Array.from({ length: 6 }, () => openBrowserKeyring({ database })));
  const [first] = keyrings as [Keyring, ...Keyring[]];
  for (const each of keyrings) expect(await agree(first, each)).toBe(true);
  // Each of them names its key where it tells that it did not wrap this one.
  for (const refused of await Promise.all(elsewhere)) expect(refused).toContain(`The master key ${first.id} did not`);
  const wrapped = await first.newKey(context);
  const there = await askElsewhere(database, wrapped);
  expect(there.id).toBe(first.id);
  expect(there.hash).toEqual(await (await first.openKey(wrapped, context)).hash(context));
  await first.openKey(there.wrapped, context);
});

test('no script can read the key, also one that looks where it is kept', async () => {
  const database = databaseName();
  await openBrowserKeyring({ database });
  const raw = await openRaw(database);
  onTestFinished(() => raw.close());
  const kept = await new Promise<{ id: string; key: CryptoKey }>((resolve) => {
    const request = raw.transaction('keys').objectStore('keys').get('master');
    request.addEventListener('success', () => resolve(request.result));
  });
  expect(Object.keys(kept).toSorted()).toEqual(['id', 'key']);
  expect(kept.key).toBeInstanceOf(CryptoKey);
  expect([kept.key.type, kept.key.extractable]).toEqual(['secret', false]);
  expect(kept.key.algorithm).toEqual({ name: 'AES-GCM', length: 256 });
  expect(kept.key.usages.toSorted()).toEqual(['unwrapKey', 'wrapKey']);
  const { subtle } = crypto;
  const other = await subtle.generateKey({ name: 'AES-GCM', length: 256 }, true, ['wrapKey']);
  const wrapping = { name: 'AES-GCM', iv: new Uint8Array(12) };
  for (const format of ['raw', 'jwk'] as const) {
    await expect(subtle.exportKey(format, kept.key)).rejects.toThrow(DOMException);
    await expect(subtle.wrapKey(format, kept.key, other, wrapping)).rejects.toThrow(DOMException);
  }
  await expect(subtle.encrypt(wrapping, kept.key, context)).rejects.toThrow(DOMException);
});

test('a key of an older master key is wrapped anew by the next', async () => {
  const [old, next] = [
    await openBrowserKeyring({ database: databaseName() }),
    await importKeyring(fromHex(KEY_VECTORS.master)),
  ];
  const wrapped = await old.newKey(context);
  const again = await next.rewrap(wrapped, context, old);
  expect(again).toHaveLength(60);
  const [before, after] = [await old.openKey(wrapped, context), await next.openKey(again, context)];
  expect(await after.hash(context)).toEqual(await before.hash(context));
  await expect(next.rewrap(again, context, old)).rejects.toMatchObject({ code: 'KEY', reason: 'wrong' });
  const stranger: Keyring = { ...old, id: old.id } as Keyring;
  await expect(next.rewrap(wrapped, context, stranger)).rejects.toMatchObject({ code: 'KEY' });
});

test('what it was given is taken as it was when it was called', async () => {
  const keyring = await importKeyring(fromHex(KEY_VECTORS.master));
  const next = await importKeyring(new Uint8Array(32));
  const given = context.slice();
  const wrapping = keyring.newKey(given);
  given.fill(0);
  const wrapped = await wrapping;
  const [key, of] = [wrapped.slice(), context.slice()];
  const work = [keyring.openKey(key, of), next.rewrap(key, of, keyring)] as const;
  key.fill(0);
  of.fill(0);
  await work[0];
  await next.openKey(await work[1], context);
  const master = fromHex(KEY_VECTORS.master);
  const importing = importKeyring(master);
  master.fill(0);
  expect((await importing).id).toBe(KEY_VECTORS.keyId);
});

test('a closed one says so', async () => {
  const keyring = await importKeyring(fromHex(KEY_VECTORS.master));
  const wrapped = await keyring.newKey(context);
  const key = await keyring.openKey(wrapped, context);
  await keyring.close();
  await keyring.close();
  await expect(keyring.newKey(context)).rejects.toThrow(ClosedError);
  await expect(keyring.openKey(wrapped, context)).rejects.toThrow(ClosedError);
  const sealed = await key.seal(context, context);
  expect(await key.open(sealed, context)).toEqual(context);
});

test('a master key that is no 32 bytes is refused', async () => {
  for (const length of [0, 16, 31, 33])
    await expect(importKeyring(new Uint8Array(length))).rejects.toMatchObject({ code: 'KEY', reason: 'malformed' });
});

test('on an insecure origin it says why there is none', async () => {
  vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
  onTestFinished(() => void vi.unstubAllGlobals());
  for (const opening of [openBrowserKeyring({ database: databaseName() }), importKeyring(new Uint8Array(32))]) {
    const error = await opening.catch((reason: unknown) => reason);
    expect(EpochlyError.isInstance(error, 'KEY')).toBe(true);
    expect((error as Error).message).toMatch(/stays in memory: browsers have WebCrypto only on secure origins/);
  }
});

test('where nothing can be kept it says why', async () => {
  vi.stubGlobal('indexedDB', undefined);
  onTestFinished(() => void vi.unstubAllGlobals());
  await expect(openBrowserKeyring({ database: 'none' })).rejects.toMatchObject({
    code: 'KEY',
    reason: 'unavailable',
    message: expect.stringMatching(/cannot be kept in the database none.*there is no IndexedDB/),
    cause: { code: 'STORE_UNAVAILABLE' },
  });
});
