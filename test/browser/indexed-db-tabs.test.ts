/** One store of several tabs: here, of a page and a Web Worker. */

import { expect, test } from 'vitest';
import { ClosedError } from '../../src/errors.ts';
import { databaseName, openElsewhere, openStore } from './support/stores.ts';

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

test('agree on who was first', async () => {
  const name = databaseName();
  const [here, there] = [await openStore(name), openElsewhere(name)];
  const keys = Array.from({ length: 100 }, (_, i) => `k/${i}`);
  const racing = keys.map((key) =>
    Promise.all([there.call('putIfAbsent', key, bytes(2)), here.putIfAbsent(key, bytes(1))]),
  );
  for (const [theirs, ours] of await Promise.all(racing)) expect(theirs).toEqual(ours);
  const again = await Promise.all(keys.map(async (key) => here.putIfAbsent(key, bytes(3))));
  expect(again).toEqual(await Promise.all(keys.map((key) => there.call('get', key))));
  expect(await here.usage('')).toEqual(await there.call('usage', ''));
  expect((await here.usage('k/')).entries).toBe(100);
});

test('count together what each writes and trims', async () => {
  const name = databaseName();
  const [here, there] = [await openStore(name), openElsewhere(name)];
  const work: unknown[] = [];
  for (let i = 0; i < 40; i++) {
    work.push(there.call('put', `k/${i % 25}`, new Uint8Array(i)), here.put(`k/${i % 30}`, new Uint8Array(i * 2)));
    if (i % 10 === 0)
      work.push(there.call('trim', { prefix: 'k/', nowMs: 0, maxBytes: 300 }), here.deletePrefix('k/1'));
    await Promise.resolve();
  }
  await Promise.all(work);
  const values = await Promise.all((await here.keys('')).map(async (key) => [key, await here.get(key)] as const));
  const sizes = values.map(([key, value]) => key.length + (value as Uint8Array).length);
  expect(await here.usage('k/')).toEqual({ entries: sizes.length, bytes: sizes.reduce((sum, each) => sum + each, 0) });
});

test('hear what the other announces, and not themselves', async () => {
  const name = databaseName();
  const [here, there, other] = [await openStore(name), openElsewhere(name), await openStore()];
  const heard: string[] = [];
  const first = new Promise<void>((resolve) => {
    here.onAnnounced?.((message) => {
      heard.push(message);
      resolve();
    });
  });
  other.onAnnounced?.((message) => heard.push(`in another store: ${message}`));
  here.announce?.('mine');
  await there.call('announce', 'theirs');
  await first;
  // A second connection in this page is another one.
  const second = await openStore(name);
  const echoed = new Promise<string>((resolve) => second.onAnnounced?.(resolve));
  here.announce?.('to the second');
  expect(await echoed).toBe('to the second');
  expect(heard).toEqual(['theirs']);
});

test('hold a lock one after the other', async () => {
  const name = databaseName();
  const [here, there] = [await openStore(name), openElsewhere(name)];
  const held = await here.lock?.('x');
  const order: string[] = [];
  const theirs = there.call('lock', 'x').then(() => order.push('theirs'));
  await there.call('lock', 'y');
  await there.call('get', 'a');
  order.push('released');
  held?.[Symbol.dispose]();
  held?.[Symbol.dispose]();
  await theirs;
  expect(order).toEqual(['released', 'theirs']);
  // Its holder is gone with the worker.
  const again = here.lock?.('x');
  there.terminate();
  (await again)?.[Symbol.dispose]();
  (await here.lock?.('y'))?.[Symbol.dispose]();
});

test('give up waiting for a lock when told to, and let go of theirs when they close', async () => {
  const name = databaseName();
  const [here, other] = [await openStore(name), await openStore(name)];
  await here.lock?.('x');
  const abort = new AbortController();
  const waiting = other.lock?.('x', abort.signal);
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(other.lock?.('x', abort.signal)).rejects.toThrow('enough');
  const still = other.lock?.('x');
  const never = here.lock?.('x');
  await here.close();
  await expect(never).rejects.toThrow(ClosedError);
  (await still)?.[Symbol.dispose]();
});
