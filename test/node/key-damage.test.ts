/** Wrapped keys in a store that are not as they were written. */

import { describe, expect, test } from 'vitest';
import type { ByteStore } from '../../src/cache/byte-store.ts';
import { SealedTier } from '../../src/cache/sealed/sealed-tier.ts';
import type { SealedTierOptions } from '../../src/cache/sealed/vault-tier.ts';
import { KeyError } from '../../src/key-error.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { bytesOf, newKeyring, slowKeyring, textOf } from '../helpers/sealing.ts';
import { SharedStore, slowStore } from '../helpers/shared-store.ts';

const keyring = newKeyring();
const clock = createFakeClock();
/** Of a record: behind its version and the keyring's id. */
const WRAPPED = 1 + 16;

/** Two tenants, of whom one has three keys. */
async function setUp(store: (shared: SharedStore) => ByteStore = (shared) => shared.connect()) {
  const shared = new SharedStore();
  const open = (options: Partial<SealedTierOptions> = {}): SealedTier =>
    new SealedTier({ store: store(shared), keyring, clock, sealLimit: 1, ...options });
  const tier = open();
  await tier.put('1', bytesOf('b1'), { tenant: 'b' });
  await tier.flush();
  const others = shared.memory.keys('k/');
  for (const key of ['1', '2', '3']) await tier.put(key, bytesOf(`a${key}`), { tenant: 'a' });
  await tier.close();
  const keys = shared.memory.keys('k/').filter((name) => !others.includes(name));
  expect([others.length, keys.length]).toEqual([1, 3]);
  return { shared, open, keys, others };
}
function spoil(shared: SharedStore, name: string | undefined, change: (record: Uint8Array) => Uint8Array): void {
  shared.memory.put(String(name), change((shared.memory.get(String(name)) as Uint8Array).slice()));
}
const flip =
  (at: number) =>
  (record: Uint8Array): Uint8Array =>
    record.map((byte, i) => (i === at ? byte ^ 1 : byte));
const get = async (tier: SealedTier, key: string, tenant = 'a'): Promise<string | undefined> =>
  textOf(await tier.get(key, { tenant }));
const refusalOf = async (tier: SealedTier): Promise<unknown> => {
  try {
    return await tier.open();
  } catch (error) {
    return error;
  }
};

describe('the root key', () => {
  test.each([
    ['a bit of what was wrapped changed', flip(WRAPPED + 13), 'damaged'],
    ['it was cut short', (record: Uint8Array) => record.slice(0, 40), 'damaged'],
    ['it was cut off in its id', (record: Uint8Array) => record.slice(0, 9), 'damaged'],
    ['it is empty', () => new Uint8Array(0), 'damaged'],
    ['it is of another version', (record: Uint8Array) => flip(0)(flip(WRAPPED + 13)(record)), 'wrong'],
    ['its id and what was wrapped changed', (record: Uint8Array) => flip(5)(flip(WRAPPED + 13)(record)), 'wrong'],
  ])('where %s, the error says which it is, and nothing is deleted', async (_, change, reason) => {
    const { shared, open } = await setUp();
    spoil(shared, 'r', change);
    const before = shared.contents();
    const tier = open();
    expect(await refusalOf(tier)).toMatchObject({ code: 'KEY', reason });
    expect(await get(tier, '1')).toBeUndefined();
    expect(tier.getStats().missReasons).toMatchObject(reason === 'damaged' ? { unauthentic: 1 } : { wrong_key: 1 });
    await tier.close();
    expect(shared.contents()).toEqual(before);
  });

  test.each([
    ['version', 0],
    ['id', 5],
  ])('is the same where only the %s that it names changed, and is mended when it is wrapped anew', async (_, at) => {
    const { shared, open, keys } = await setUp();
    for (const name of ['r', ...keys]) spoil(shared, name, flip(at));
    const tier = open();
    expect(await get(tier, '1')).toBe('a1');
    const next = newKeyring();
    await tier.rotateKey(next);
    for (const name of ['r', ...keys])
      expect(Buffer.from((shared.memory.get(name) as Uint8Array).subarray(0, WRAPPED)).toString('latin1')).toBe(
        `\u0001${next.id}`,
      );
  });
});

const places: readonly (readonly [string, (shared: SharedStore) => ByteStore])[] = [
  ['that answers at once', (shared) => shared.connect()],
  ['that takes its time', (shared) => slowStore(shared.connect('nothing'))],
];
describe.each(places)("a tenant's key in a store %s", (_, store) => {
  test.each([0, 1, 2])(
    'is a miss once, and the tenant begins anew, where it is the one of number %i',
    async (number) => {
      const { shared, open, keys, others } = await setUp(store);
      spoil(shared, keys[number], flip(WRAPPED + 13));
      const tier = open();
      const told: unknown[] = [];
      tier.onError((error) => told.push(error));
      // Each was sealed with a key of its own.
      expect(await get(tier, String(number + 1))).toBeUndefined();
      expect(tier.getStats().missReasons).toMatchObject({ unauthentic: 1, wrong_key: 0, error: 0 });
      expect(told).toEqual([expect.objectContaining({ code: 'KEY', reason: 'damaged' })]);
      expect(shared.memory.keys('k/')).toEqual(others);
      await tier.put('new', bytesOf('new'), { tenant: 'a' });
      await tier.flush();
      for (const each of [tier, open()]) {
        expect(await get(each, 'new')).toBe('new');
        expect(await get(each, '1', 'b')).toBe('b1');
      }
      expect(tier.getStats()).toMatchObject({ dropped: 0 });
    },
  );

  test('is made anew by the first put', async () => {
    const { shared, open, keys } = await setUp(store);
    spoil(shared, keys[0], flip(WRAPPED + 13));
    const tier = open();
    await tier.put('new', bytesOf('new'), { tenant: 'a' });
    await tier.flush();
    expect(await get(open(), 'new')).toBe('new');
  });

  test('of a newer number costs the first put, and no other', async () => {
    const { shared, open, keys } = await setUp(store);
    spoil(shared, keys[2], flip(WRAPPED + 13));
    const tier = open();
    for (const key of ['x', 'y']) await tier.put(key, bytesOf(key), { tenant: 'a' });
    await tier.flush();
    expect(tier.getStats()).toMatchObject({ dropped: 1 });
    expect(await get(open(), 'y')).toBe('y');
  });

  test('of another master key, and one that a device does not open now, is left as it is', async () => {
    const { shared, open, keys } = await setUp(store);
    spoil(shared, keys[0], (record) => flip(5)(flip(WRAPPED + 13)(record)));
    const before = shared.contents();
    const wrong = open();
    expect(await get(wrong, '1')).toBeUndefined();
    await wrong.put('new', bytesOf('new'), { tenant: 'a' });
    expect(wrong.getStats().missReasons).toMatchObject({ wrong_key: 1 });
    const device = {
      ...slowKeyring(keyring),
      openKey: () => Promise.reject(new KeyError('The device is away.')),
    };
    const away = open({ keyring: device });
    expect(await get(away, '1')).toBeUndefined();
    expect(away.getStats().missReasons).toMatchObject({ error: 1 });
    for (const each of [wrong, away]) await each.close();
    expect(shared.contents()).toEqual(before);
  });
});

test('of several that find a key damaged at once, all go on with the same one', async () => {
  const { shared, open, keys } = await setUp((each) => slowStore(each.connect()));
  spoil(shared, keys[0], flip(WRAPPED + 13));
  const tiers = [open(), open(), open()];
  await Promise.all(tiers.map((tier, i) => tier.put(`${i}`, bytesOf(`${i}`), { tenant: 'a' })));
  await Promise.all(tiers.map((tier) => tier.flush()));
  const reader = open();
  const found = await Promise.all(tiers.map((_, i) => get(reader, `${i}`)));
  // What was sealed in that moment may be lost; what comes after is not.
  expect(found.every((each, i) => each === undefined || each === `${i}`)).toBe(true);
  for (const [i, tier] of tiers.entries()) await tier.put(`later ${i}`, bytesOf('later'), { tenant: 'a' });
  await Promise.all(tiers.map((tier) => tier.flush()));
  for (const i of tiers.keys()) expect(await get(reader, `later ${i}`)).toBe('later');
});
