/** What browsers, users and other tabs do to databases, and what becomes of a store then. */

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { cdp } from 'vitest/browser';
import { openIndexedDbStore } from '../../platforms/browser/store/indexed-db-store.ts';
import { openDatabase } from '../../platforms/browser/store/open-database.ts';
import { StoreFullError, StoreUnavailableError } from '../../src/cache/store-errors.ts';
import { EpochlyError } from '../../src/errors.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { databaseName, deleteDatabase, openElsewhere, openRaw, openStore } from './support/stores.ts';

/** Chromium's storage buckets (https://wicg.github.io/storage-buckets/), each with a quota of its own. */
declare global {
  interface Navigator {
    readonly storageBuckets: {
      open(name: string, options: { readonly quota: number }): Promise<{ readonly indexedDB: IDBFactory }>;
      delete(name: string): Promise<void>;
    };
  }
}

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

/** Makes `open()` of databases fail with these, one after the other, and then no more. */
function failToOpen(...errors: readonly DOMException[]): { readonly opened: string[] } {
  const { open } = IDBFactory.prototype;
  const opened: string[] = [];
  vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(function (this: IDBFactory, name, version) {
    const error = errors[opened.push(name) - 1];
    if (error === undefined) return open.call(this, name, version);
    if (error.name === 'SecurityError') throw error;
    const request = new EventTarget() as IDBOpenDBRequest;
    Object.setPrototypeOf(request, IDBOpenDBRequest.prototype);
    Object.defineProperty(request, 'error', { value: error });
    queueMicrotask(() => EventTarget.prototype.dispatchEvent.call(request, new Event('error')));
    return request;
  });
  onTestFinished(() => void vi.restoreAllMocks());
  return { opened };
}

const unknown = new DOMException('Internal error opening backing store for indexedDB.open.', 'UnknownError');

describe('where no database opens, it says why', () => {
  test('there is no IndexedDB', async () => {
    vi.stubGlobal('indexedDB', undefined);
    onTestFinished(() => void vi.unstubAllGlobals());
    const error = await openStore('none').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(EpochlyError.isInstance(error, 'STORE_UNAVAILABLE')).toBe(true);
    expect((error as Error).message).toContain('there is no IndexedDB');
  });

  test('it is not allowed here', async () => {
    failToOpen(new DOMException('access to the Indexed Database API is denied in this context.', 'SecurityError'));
    await expect(openStore()).rejects.toThrow(/is denied in this context.*Private windows/);
  });

  test('the database was written by a newer version', async () => {
    const name = databaseName();
    (await openRaw(name, 2)).close();
    const opening = openStore(name);
    await expect(opening).rejects.toThrow(StoreUnavailableError);
    await expect(opening).rejects.toThrow('a newer version of epochly wrote it');
    (await openRaw(name)).close();
  });

  test('the browser does not answer: what opens too late is closed again', async () => {
    const [name, clock] = [databaseName(), createFakeClock()];
    const inTheWay = await openRaw(name, 1);
    const deletion = deleteDatabase(name);
    const opening = openStore(name, { clock });
    await deletion;
    clock.advance(9_999);
    await Promise.resolve();
    clock.advance(1);
    await expect(opening).rejects.toThrow('the browser did not answer within 10 s');
    expect(clock.pending).toBe(0);
    inTheWay.close();
    const close = vi.spyOn(IDBDatabase.prototype, 'close');
    onTestFinished(() => void vi.restoreAllMocks());
    // Opens after the one that was too late.
    const next = await openRaw(name);
    expect(close.mock.contexts.length).toBe(1);
    next.close();
  });

  test('another tab holds an older version open', async () => {
    const [name, clock] = [databaseName(), createFakeClock()];
    const inTheWay = await openRaw(name, 1);
    const { open } = IDBFactory.prototype;
    const isBlocked = new Promise((resolve) => {
      vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(function (this: IDBFactory, ...args) {
        const request = open.apply(this, args);
        // After the one who opens was told.
        queueMicrotask(() => request.addEventListener('blocked', resolve));
        return request;
      });
    });
    onTestFinished(() => void vi.restoreAllMocks());
    const database = { name, version: 2, create: () => undefined };
    const opening = openDatabase(database, { clock, onWarning: () => undefined, onLost: () => undefined });
    await isBlocked;
    clock.advance(10_000);
    await expect(opening).rejects.toThrow('another tab holds an older version of it open within 10 s');
    inTheWay.close();
  });
});

describe('a damaged database', () => {
  test('is deleted and begun anew, with a warning', async () => {
    const name = databaseName();
    await (await openStore(name)).put('a', bytes(1));
    const warnings: string[] = [];
    const { opened } = failToOpen(unknown, unknown);
    const store = await openStore(name, { onWarning: (warning) => warnings.push(warning) });
    expect(opened.length).toBe(3);
    expect(warnings).toEqual([`The database ${name} was damaged: it was deleted and begun anew.`]);
    expect(await store.get('a')).toBeUndefined();
    await store.put('a', bytes(2));
    expect(await store.get('a')).toEqual(bytes(2));
  });

  test('that opens at the second attempt was none', async () => {
    const name = databaseName();
    await (await openStore(name)).put('a', bytes(1));
    failToOpen(unknown);
    const store = await openStore(name, { onWarning: () => expect.unreachable() });
    expect(await store.get('a')).toEqual(bytes(1));
  });

  test('that does not open anew either is given up', async () => {
    const { opened } = failToOpen(unknown, unknown, unknown);
    await expect(openStore()).rejects.toThrow('Internal error opening backing store');
    expect(opened.length).toBe(3);
  });
});

describe('while a store is open', () => {
  test('another tab deletes its database: it begins anew', async () => {
    const name = databaseName();
    const [store, other] = [await openStore(name), openElsewhere(databaseName())];
    const heard: string[] = [];
    store.onAnnounced?.((message) => heard.push(message));
    await store.put('a', bytes(1));
    await other.call('deleteDatabase', name);
    expect(await store.get('a')).toBeUndefined();
    expect(heard).toEqual(['']);
    await store.put('a', bytes(2));
    expect(await store.usage('')).toEqual({ entries: 1, bytes: 2 });
  });

  test('and while it works: nothing fails', async () => {
    const name = databaseName();
    const [store, other] = [await openStore(name), openElsewhere(databaseName())];
    const work: unknown[] = [];
    for (let i = 0; i < 60; i++) {
      work.push(store.put(`k/${i}`, bytes(i)), store.get('k/1'));
      if (i % 20 === 10) work.push(other.call('deleteDatabase', name));
      if (i % 5 === 0) await store.get('k/1');
      else await Promise.resolve();
    }
    await Promise.all(work);
    expect((await store.usage('')).entries).toBe((await store.keys('')).length);
  });

  test('another tab upgrades its database: it stands in nobody’s way, and says so', async () => {
    const name = databaseName();
    const store = await openStore(name);
    await store.put('a', bytes(1));
    const newer = await openRaw(name, 2);
    await expect(store.get('a')).rejects.toThrow('a newer version of epochly wrote it');
    await expect(store.put('a', bytes(1))).rejects.toThrow(StoreUnavailableError);
    newer.close();
  });

  test('the user clears the storage: it begins anew, and nothing fails', async () => {
    const store = await openStore();
    const heard: string[] = [];
    store.onAnnounced?.((message) => heard.push(message));
    const clear = (): Promise<unknown> =>
      cdp().send('Storage.clearDataForOrigin', { origin: location.origin, storageTypes: 'indexeddb' });
    await store.put('a', bytes(1));
    await clear();
    expect(await store.get('a')).toBeUndefined();
    expect(heard).toEqual(['']);
    await store.put('a', bytes(2));
    for (let round = 0; round < 12; round++) {
      const work: unknown[] = [clear()];
      for (let i = 0; i < 40; i++) work.push(store.put(`k/${i}`, new Uint8Array(1 << 12)), await store.get('k/1'));
      await Promise.all(work);
    }
    expect((await store.usage('')).entries).toBe((await store.keys('')).length);
  });

  test('Safari loses its database process: it connects again, once', async () => {
    const store = await openStore();
    await store.put('a', bytes(1));
    const lost = new DOMException(
      'Connection to Indexed Database server lost. Refresh the page to try again',
      'UnknownError',
    );
    const { transaction } = IDBDatabase.prototype;
    let failures = 1;
    vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (this: IDBDatabase, ...args) {
      if (failures-- > 0) throw lost;
      return transaction.apply(this, args);
    });
    onTestFinished(() => void vi.restoreAllMocks());
    const { opened } = failToOpen();
    expect(await Promise.all([store.get('a'), store.get('b')])).toEqual([bytes(1), undefined]);
    expect(opened.length).toBe(1);
    failures = 2;
    await expect(store.get('a')).rejects.toBe(lost);
    expect(await store.get('a')).toEqual(bytes(1));
  });

  test('the origin’s storage is full: what does not fit is refused whole, and what is there stays', async () => {
    const bucket = await navigator.storageBuckets.open('small', { quota: 300_000 });
    vi.stubGlobal('indexedDB', bucket.indexedDB);
    onTestFinished(async () => {
      vi.unstubAllGlobals();
      await navigator.storageBuckets.delete('small');
    });
    const store = await openIndexedDbStore('full');
    onTestFinished(() => store.close());
    await store.put('k/old', bytes(1));
    const large = new Uint8Array(1 << 20);
    const error = await Promise.resolve(store.put('k/large', large)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreFullError);
    expect(error).toMatchObject({ code: 'STORE_FULL', cause: { name: 'QuotaExceededError' } });
    const batch = { deletes: ['k/old'], puts: [{ key: 'k/large', bytes: large }], used: ['k/old'] };
    const outcomes = await Promise.allSettled([store.write(batch), store.get('k/old')]);
    expect(outcomes).toEqual([
      { status: 'rejected', reason: expect.any(StoreFullError) },
      { status: 'fulfilled', value: bytes(1) },
    ]);
    expect(await store.keys('')).toEqual(['k/old']);
    expect(await store.usage('')).toEqual({ entries: 1, bytes: 6 });
  });
});

test('on an insecure origin there are no locks', async () => {
  vi.stubGlobal('navigator', {});
  onTestFinished(() => void vi.unstubAllGlobals());
  const store = await openStore();
  expect('lock' in store).toBe(false);
  await store.put('a', bytes(1));
});
