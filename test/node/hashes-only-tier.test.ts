/** Hashes alone: nothing comes out, and what changed is told. */

import { expect, test } from 'vitest';
import { HashesOnlyTier } from '../../src/cache/sealed/hashes-only-tier.ts';
import type { AnswerChange } from '../../src/cache/sealed/hashes-only-tier.ts';
import type { SealedTierOptions } from '../../src/cache/sealed/vault-tier.ts';
import type { Keyring } from '../../src/privacy/keyring.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { bytesOf, newKeyring, slowKeyring } from '../helpers/sealing.ts';
import { SharedStore, slowStore } from '../helpers/shared-store.ts';

const clock = createFakeClock();
const keyring = newKeyring();
const scope = { tenant: 'tenant', model: 'model' };
const setUp = (options: Partial<SealedTierOptions> = {}) => {
  const shared = new SharedStore();
  const told: AnswerChange[] = [];
  const open = (of: Keyring = keyring): HashesOnlyTier => {
    const tier = new HashesOnlyTier({ store: shared.connect(), keyring: of, clock, ...options });
    tier.onAnswerChanged((change) => told.push(change));
    return tier;
  };
  return { shared, told, open };
};

test.each([false, true])(
  'tells of an answer that is another one than before, once, and of no other (slow: %s)',
  async (slow) => {
    const shared = new SharedStore();
    const told: AnswerChange[] = [];
    const connection = shared.connect();
    const tier = new HashesOnlyTier({
      store: slow ? slowStore(connection) : connection,
      keyring: slow ? slowKeyring(keyring) : keyring,
      clock,
    });
    tier.onAnswerChanged((change) => told.push(change));
    await tier.put('key', bytesOf('one'), scope);
    await tier.put('key', bytesOf('one'), scope);
    await clock.run(20);
    await tier.put('key', bytesOf('one'), scope);
    await tier.put('other key', bytesOf('two'), scope);
    await tier.put('key', bytesOf('two'), { ...scope, tenant: 'other' });
    await tier.put('key', bytesOf('two'), { ...scope, model: 'other' });
    expect(told).toEqual([]);
    await tier.put('key', bytesOf('two'), scope);
    expect(told).toEqual([scope]);
    await tier.put('key', bytesOf('two'), scope);
    await clock.run(20);
    await tier.put('key', bytesOf('one'), scope);
    expect(told).toEqual([scope, scope]);
    expect(tier.getStats()).toMatchObject({ puts: 9, answersChanged: 2, dropped: 0, errors: 0 });
  },
);

test('answers nothing', async () => {
  const { open } = setUp();
  const tier = open();
  await tier.put('key', bytesOf('one'), scope);
  expect(tier.get('key', scope)).toBeUndefined();
  expect(tier.getStats()).toMatchObject({ hits: 0, misses: 1 });
});

test('remembers over restarts and for other processes, until the time is up', async () => {
  const { told, open } = setUp({ ttlSeconds: 10 });
  const first = open();
  await first.put('key', bytesOf('one'), scope);
  await first.close();
  const second = open();
  await second.put('key', bytesOf('two'), scope);
  await second.close();
  expect(told).toHaveLength(1);
  clock.advance(10_000);
  await open().put('key', bytesOf('three'), scope);
  expect(told).toHaveLength(1);
});

test('keeps hashes and nothing else: not the answer, nor that two are the same', async () => {
  const { shared, open } = setUp();
  const tier = open();
  const large = bytesOf('the answer of the model, many times over. '.repeat(100));
  for (const key of ['the question', 'another']) await tier.put(key, large, scope);
  await tier.close();
  const records = shared.memory.keys('h/').map((name) => Buffer.from(shared.memory.get(name) as Uint8Array));
  expect(records.map((record) => record.length)).toEqual([13 + 32 + 32, 13 + 32 + 32]);
  expect(records[0]?.subarray(13, 45).equals(records[1]?.subarray(13, 45) as Buffer)).toBe(false);
  expect(shared.memory.keys('e/')).toEqual([]);
  const text = Buffer.concat(Object.entries(shared.contents()).flatMap(([name, bytes]) => [Buffer.from(name), bytes]));
  for (const secret of ['the answer', 'the question', 'another', 'tenant', 'model'])
    expect(text.includes(secret)).toBe(false);
});

test('believes no record that was changed, cut or moved', async () => {
  const { shared, told, open } = setUp();
  const tier = open();
  await tier.put('key', bytesOf('one'), scope);
  await tier.put('moved', bytesOf('other'), scope);
  await tier.close();
  const [a, b] = shared.memory.keys('h/') as [string, string];
  const [first, second] = [shared.memory.get(a) as Uint8Array, shared.memory.get(b) as Uint8Array];
  const spoiled: Uint8Array[] = [second, first.slice(1), first.slice(0, -1), new Uint8Array(77), new Uint8Array(0)];
  for (let i = 0; i < first.length; i++) {
    const changed = first.slice();
    changed[i] = (changed[i] as number) ^ 0x80;
    spoiled.push(changed);
  }
  for (const bytes of spoiled) {
    shared.memory.put(a, bytes);
    const again = open();
    for (const key of ['key', 'moved']) await again.put(key, bytesOf(key === 'key' ? 'one' : 'other'), scope);
    await again.close();
    expect(told).toEqual([]);
    expect(shared.memory.get(a)).not.toEqual(bytes);
  }
});

test('forgets what it is told to', async () => {
  const { told, open } = setUp();
  const tier = open();
  const forget: readonly (() => unknown)[] = [
    () => tier.delete('key', scope),
    () => tier.clearPrefix('k', scope),
    () => tier.clearPrefix('', { tenant: 'tenant' }),
    () => tier.invalidateModel('model'),
    () => tier.forgetTenant('tenant'),
    () => tier.clearAll(),
  ];
  for (const [i, call] of forget.entries()) {
    await tier.put('key', bytesOf(`answer ${i}`), scope);
    await call();
  }
  await tier.put('key', bytesOf('last'), scope);
  expect(told).toEqual([]);
  await tier.put('key', bytesOf('changed'), scope);
  expect(told).toEqual([scope]);
});

test('fails nobody where the store or the key is wrong, or where it is closed', async () => {
  const { shared, told, open } = setUp();
  const tier = open();
  await tier.put('key', bytesOf('one'), scope);
  await tier.close();
  const stranger = open(newKeyring());
  await stranger.put('key', bytesOf('two'), scope);
  await stranger.delete('key', scope);
  await stranger.clearPrefix('', scope);
  expect(stranger.getStats()).toMatchObject({ dropped: 1, errors: 3 });
  shared.memory.close();
  await open().put('key', bytesOf('two'), scope);
  await tier.put('key', bytesOf('two'), scope);
  expect(told).toEqual([]);
});
