/** Sealed answers: what comes out, what nobody can read, and what is refused. */

import { describe, expect, test } from 'vitest';
import { HEADER_BYTES } from '../../src/cache/sealed/envelope.ts';
import { L2Cache } from '../../src/cache/sealed/l2-cache.ts';
import { L3Cache } from '../../src/cache/sealed/l3-cache.ts';
import { SealedTier } from '../../src/cache/sealed/sealed-tier.ts';
import type { SealedTierOptions } from '../../src/cache/sealed/vault-tier.ts';
import { KeyError } from '../../src/key-error.ts';
import type { Keyring } from '../../src/privacy/keyring.ts';
import { plainKeyring } from '../../platforms/node/keyring/plain-keyring.ts';
import { testCacheTier } from '../contract/cache-tier-contract.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { bytesOf, newKeyring, slowKeyring, textOf } from '../helpers/sealing.ts';
import { SharedStore, slowStore } from '../helpers/shared-store.ts';

const clock = createFakeClock();
const advance = (ms: number): void => clock.advance(ms);

testCacheTier('sealed', {
  open: () => new SealedTier({ store: new SharedStore().connect(), keyring: newKeyring(), clock }),
  advance,
});
testCacheTier('sealed, over what takes its time,', {
  open: () =>
    new SealedTier({ store: slowStore(new SharedStore().connect()), keyring: slowKeyring(newKeyring()), clock }),
  advance,
});
testCacheTier('unencrypted', {
  open: () => new L2Cache({ store: new SharedStore().connect('nothing'), keyring: plainKeyring(), clock }),
  advance,
});
testCacheTier('L3', {
  open: () =>
    new L3Cache({
      store: slowStore(new SharedStore().connect('announcements')),
      keyring: newKeyring(),
      clock,
      prefix: 'p:',
    }),
  advance,
});

const open = (shared: SharedStore, options: Partial<SealedTierOptions> = {}): SealedTier =>
  new SealedTier({ store: shared.connect(), keyring, clock, ...options });
const keyring = newKeyring();
const scope = { tenant: 'tenant', model: 'model' };
/** The one entry that is kept. */
const entryOf = (shared: SharedStore): string => {
  const names = shared.memory.keys('e/');
  expect(names).toHaveLength(1);
  return names[0] as string;
};
/** A store with an entry. */
const filled = async (value = 'value'): Promise<SharedStore> => {
  const shared = new SharedStore();
  const tier = open(shared);
  await tier.put('key', bytesOf(value), scope);
  await tier.close();
  return shared;
};

describe('an answer', () => {
  test('comes at once where the store and the keyring answer at once, and so does a miss', async () => {
    const tier = open(await filled());
    expect(textOf(tier.get('key', scope) as Uint8Array)).toBe('value');
    expect(tier.get('another', scope)).toBeUndefined();
    expect(tier.put('key', bytesOf('other'), scope)).toBeUndefined();
    expect(textOf(tier.get('key', scope) as Uint8Array)).toBe('other');
  });

  test('survives a restart, is seen by others who have the key, and belongs to whoever asked', async () => {
    const shared = await filled();
    const [a, b] = [open(shared), open(shared)];
    const first = (await a.get('key', scope)) as Uint8Array;
    expect(textOf(first)).toBe('value');
    first.fill(0);
    expect(textOf(await a.get('key', scope))).toBe('value');
    expect(textOf(await b.get('key', scope))).toBe('value');
  });

  test('is seen before it is written, and written a little later or when the tier is closed', async () => {
    const shared = new SharedStore();
    const tier = open(shared);
    const value = bytesOf('value');
    await tier.put('key', value, scope);
    value.fill(0);
    expect(shared.memory.keys('e/')).toEqual([]);
    expect(tier.getStats().pending?.entries).toBe(1);
    expect(textOf(await tier.get('key', scope))).toBe('value');
    await clock.run(20);
    entryOf(shared);
    expect(tier.getStats().pending).toEqual({ entries: 0, bytes: 0 });
    await tier.put('other', bytesOf('value'), scope);
    await tier.close();
    expect(shared.memory.keys('e/')).toHaveLength(2);
  });

  test('is found by others once it is flushed, over what answers at once and what takes its time', async () => {
    for (const isSlow of [false, true]) {
      const shared = new SharedStore();
      const store = isSlow ? slowStore(shared.connect()) : shared.connect();
      const tier = new SealedTier({ store, keyring, clock });
      await tier.put('key', bytesOf('value'), scope);
      await tier.flush();
      expect(textOf(await open(shared).get('key', scope))).toBe('value');
      expect(tier.getStats().pending).toEqual({ entries: 0, bytes: 0 });
    }
  });

  test('is what it was when it was put, also where it is sealed later', async () => {
    for (const [slowS, slowK] of [
      [true, false],
      [false, true],
      [true, true],
    ]) {
      const shared = new SharedStore();
      const store = slowS === true ? slowStore(shared.connect()) : shared.connect();
      const tier = new SealedTier({ store, keyring: slowK === true ? slowKeyring(keyring) : keyring, clock });
      const values = Array.from({ length: 20 }, (_, i) => bytesOf(`value ${i}`));
      const puts = values.map((value, i) => tier.put(`key ${i}`, value, scope));
      for (const value of values) value.fill(0);
      await Promise.all(puts);
      const found = await Promise.all(values.map((_, i) => tier.get(`key ${i}`, scope)));
      expect(found.map(textOf)).toEqual(values.map((_, i) => `value ${i}`));
      await tier.close();
      // One after another, by what answers at once.
      const again = open(shared);
      for (const [i] of values.entries()) expect(textOf(await again.get(`key ${i}`, scope))).toBe(`value ${i}`);
    }
  });

  test('may be empty, or large, and its key any string', async () => {
    const shared = new SharedStore();
    const tier = open(shared);
    const keys = ['', '\0', 'ä', '\ud800', '\udc00', '\ufffd', '💥', 'x'.repeat(100_000), '\u0100'.repeat(20_000)];
    for (const [i, key] of keys.entries()) await tier.put(key, new Uint8Array(i * 50_000).fill(i), scope);
    await tier.close();
    const again = open(shared);
    for (const [i, key] of keys.entries()) {
      const found = await again.get(key, scope);
      expect([found?.length, found?.every((byte) => byte === i)]).toEqual([i * 50_000, true]);
    }
  });

  test('expires by the clock of whoever reads it, at the time that was sealed with it', async () => {
    const shared = new SharedStore();
    const tier = open(shared, { ttlSeconds: 10 });
    await tier.put('short', bytesOf('a'), { ...scope, ttlSeconds: 1 });
    await tier.put('default', bytesOf('b'), scope);
    await tier.put('for ever', bytesOf('c'), { ...scope, ttlSeconds: Infinity });
    await tier.close();
    const again = open(shared);
    const found = async (): Promise<readonly (string | undefined)[]> =>
      (await Promise.all(['short', 'default', 'for ever'].map((key) => again.get(key, scope)))).map(textOf);
    expect(await found()).toEqual(['a', 'b', 'c']);
    advance(1000);
    expect(await found()).toEqual([undefined, 'b', 'c']);
    advance(9000);
    expect(await found()).toEqual([undefined, undefined, 'c']);
    expect(again.getStats().missReasons).toMatchObject({ expired: 2, absent: 1 });
    await again.close();
    expect(shared.memory.keys('e/')).toHaveLength(1);
  });

  test.each([0, -1, NaN])('of a time to live of %d is not kept, and fails nobody', async (ttlSeconds) => {
    const tier = open(new SharedStore());
    await tier.put('key', bytesOf('a'), { ttlSeconds });
    expect(await tier.get('key')).toBeUndefined();
    expect(tier.getStats()).toMatchObject({ puts: 1, dropped: 1, errors: 1 });
  });

  test('is found below the prefix of its tier alone', async () => {
    const shared = new SharedStore();
    const [a, b] = [open(shared, { prefix: 'a:' }), open(shared, { prefix: 'b:' })];
    await a.put('key', bytesOf('a'), scope);
    await a.close();
    expect(await b.get('key', scope)).toBeUndefined();
    expect(shared.memory.keys('').every((name) => name.startsWith('a:'))).toBe(true);
  });
});

describe('nobody reads', () => {
  test('any input, output, tenant, model or key in what is kept', async () => {
    const shared = new SharedStore();
    const tier = open(shared, { sealLimit: 2 });
    const secrets = ['input-of-the-call', 'output-of-the-model', 'tenant-with-a-name', 'model-with-a-name'] as const;
    const [input, output, tenant, model] = secrets;
    for (const suffix of ['1', '2', '3']) await tier.put(input + suffix, bytesOf(output + suffix), { tenant, model });
    await tier.invalidateModel(model);
    await tier.put(input, bytesOf(output), { tenant, model });
    await tier.close();
    const contents = shared.contents();
    expect(Object.keys(contents).length).toBeGreaterThan(8);
    const all = Object.entries(contents).flatMap(([name, bytes]) => [Buffer.from(name), Buffer.from(bytes)]);
    const text = Buffer.concat(all).toString('latin1');
    for (const secret of secrets)
      for (const encoding of ['latin1', 'utf16le', 'hex', 'base64'] as const) {
        const form = Buffer.from(secret, encoding === 'utf16le' ? encoding : 'latin1');
        const needle =
          encoding === 'hex' || encoding === 'base64' ? form.toString(encoding).slice(0, -4) : form.toString('latin1');
        expect(text.includes(needle), `${secret} as ${encoding}`).toBe(false);
      }
    // What is not sealed is found, so that the search can find something.
    const plain = new SharedStore();
    const openly = open(plain, { keyring: plainKeyring() });
    await openly.put(input, bytesOf(output), { tenant, model });
    await openly.close();
    const found = Buffer.concat(Object.values(plain.contents())).toString('latin1');
    expect([found.includes(input), found.includes(output), found.includes(tenant)]).toEqual([true, true, false]);
  });

  test('that two tenants, models or stores asked the same, or that an answer was put twice', async () => {
    const shared = new SharedStore();
    const tier = open(shared);
    for (const tenant of ['a', 'b'])
      for (const model of ['m', 'n']) await tier.put('key', bytesOf('v'), { tenant, model });
    await tier.close();
    const names = shared.memory.keys('e/');
    expect(new Set(names.map((name) => name.slice(-43))).size).toBe(4);
    const before = shared.contents();
    const again = open(shared);
    await again.put('key', bytesOf('v'), { tenant: 'a', model: 'm' });
    await again.close();
    const after = shared.contents();
    expect(Object.keys(after)).toHaveLength(Object.keys(before).length + 1);
    const changed = names.filter((name) => Buffer.compare(before[name] as Uint8Array, after[name] as Uint8Array) !== 0);
    expect(changed).toHaveLength(1);
    expect((after[changed[0] as string] as Uint8Array).slice(HEADER_BYTES)).not.toEqual(
      (before[changed[0] as string] as Uint8Array).slice(HEADER_BYTES),
    );
  });
});

describe('an entry is a miss, and is deleted,', () => {
  /** What a fresh tier makes of bytes under the entry's name. */
  const tell = async (shared: SharedStore, bytes: Uint8Array, name = entryOf(shared)): Promise<string> => {
    shared.memory.put(name, bytes);
    const tier = open(shared);
    const found = await tier.get('key', scope);
    const { missReasons, hits } = tier.getStats();
    await tier.close();
    const [reason] = Object.entries(missReasons ?? {}).find(([, count]) => count > 0) ?? ['none'];
    if (found !== undefined) return `served: ${textOf(found)} ${hits}`;
    return `${reason}, ${shared.memory.get(name) === undefined ? 'deleted' : 'kept'}`;
  };

  test('where any bit of it changed; but for the version, which another may read', async () => {
    const shared = await filled();
    const whole = shared.memory.get(entryOf(shared)) as Uint8Array;
    const name = entryOf(shared);
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const changed = whole.slice();
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      const told = await tell(shared, changed, name);
      if (bit < 8) expect(told, `bit ${bit}`).toBe('other_version, kept');
      // An earlier time is looked at before the rest is.
      else expect(['unauthentic, deleted', 'expired, deleted'], `bit ${bit}`).toContain(told);
    }
    expect(await tell(shared, whole, name)).toMatch(/^served: value/);
  });

  test('where it was cut short or made longer', async () => {
    const shared = await filled();
    const name = entryOf(shared);
    const whole = shared.memory.get(name) as Uint8Array;
    for (let length = 0; length < whole.length; length++)
      expect(await tell(shared, whole.slice(0, length), name), `${length} bytes`).toBe('unauthentic, deleted');
    for (const more of [1, 16, 1000])
      expect(await tell(shared, Uint8Array.from([...whole, ...new Uint8Array(more)]), name)).toBe(
        'unauthentic, deleted',
      );
  });

  test.each([
    ['of another slot', { ...scope, key: 'other' }],
    ['of another tenant', { ...scope, tenant: 'other', key: 'key' }],
    ['of another model', { ...scope, model: 'other', key: 'key' }],
  ])('where it holds the bytes %s', async (_, { key, ...other }) => {
    const shared = await filled();
    const mine = entryOf(shared);
    const tier = open(shared);
    await tier.put(key, bytesOf('their value'), other);
    await tier.close();
    const theirs = shared.memory.keys('e/').find((name) => name !== mine) as string;
    expect(await tell(shared, shared.memory.get(theirs) as Uint8Array, mine)).toBe('unauthentic, deleted');
  });

  test('where its time was put off', async () => {
    const shared = await filled();
    const name = entryOf(shared);
    const bytes = shared.memory.get(name) as Uint8Array;
    new DataView(bytes.buffer).setBigUint64(5, BigInt(clock.epochNow()) + 1_000_000_000n, true);
    expect(await tell(shared, bytes, name)).toBe('unauthentic, deleted');
  });

  test('where it was put back after an invalidation, also under the new name', async () => {
    const shared = await filled();
    const old = entryOf(shared);
    const bytes = shared.memory.get(old) as Uint8Array;
    const tier = open(shared);
    await tier.invalidateModel(scope.model);
    await tier.put('key', bytesOf('new value'), scope);
    await tier.close();
    const name = shared.memory.keys('e/').find((each) => each !== old) as string;
    expect(await tell(shared, bytes, name)).toBe('unauthentic, deleted');
    shared.memory.put(old, bytes);
    expect(await open(shared).get('key', scope)).toBeUndefined();
  });

  test('where it was made under another root, after all was wiped', async () => {
    const shared = await filled();
    const before = shared.contents();
    shared.memory.deletePrefix('');
    const tier = open(shared);
    await tier.put('key', bytesOf('new'), scope);
    await tier.close();
    const name = entryOf(shared);
    expect(
      await tell(shared, Object.entries(before).find(([each]) => each.startsWith('e/'))?.[1] as Uint8Array, name),
    ).toBe('unauthentic, deleted');
  });
});

describe('another master key', () => {
  test('is an error at the start that names both, and later a miss that spoils nothing', async () => {
    const shared = await filled();
    const before = shared.contents();
    const other = newKeyring();
    const tier = open(shared, { keyring: other });
    const error = await (async () => tier.open())().catch((each: unknown) => each);
    expect(error).toBeInstanceOf(KeyError);
    expect(error).toMatchObject({ code: 'KEY', reason: 'wrong' });
    expect((error as KeyError).message).toMatch(new RegExp(`${keyring.id}.*${other.id}`));
    expect(await tier.get('key', scope)).toBeUndefined();
    await tier.put('key', bytesOf('other'), scope);
    await tier.delete('key', scope);
    await tier.clearPrefix('', scope);
    expect(tier.getStats()).toMatchObject({ misses: 1, dropped: 1, missReasons: { wrong_key: 1 } });
    await expect((async () => tier.invalidateModel('model'))()).rejects.toThrow(KeyError);
    await expect((async () => tier.forgetTenant('tenant'))()).rejects.toThrow(KeyError);
    await tier.close();
    expect(shared.contents()).toEqual(before);
    expect(textOf(await open(shared).get('key', scope))).toBe('value');
  });

  test('is no way to plaintext, in either direction', async () => {
    const sealed = await filled();
    await expect((async () => open(sealed, { keyring: plainKeyring() }).open())()).rejects.toThrow(KeyError);
    const plain = new SharedStore();
    const tier = open(plain, { keyring: plainKeyring() });
    await tier.put('key', bytesOf('value'), scope);
    await tier.close();
    const after = open(plain);
    await expect((async () => after.open())()).rejects.toThrow(/plaintext/);
    expect(await after.get('key', scope)).toBeUndefined();
  });

  test('of a store that holds nothing yet is as good as any', async () => {
    await open(new SharedStore(), { keyring: newKeyring() }).open();
  });
});

test('a keyring that fails is no wrong key: it is said what failed, and asked again', async () => {
  const shared = await filled();
  let isAway = true;
  const token: Keyring = {
    ...slowKeyring(keyring),
    openKey(wrapped, context) {
      if (isAway) throw new Error('the token is away');
      return keyring.openKey(wrapped, context);
    },
  };
  const tier = open(shared, { keyring: token });
  const told: unknown[] = [];
  tier.onError((error) => told.push(error));
  await expect((async () => tier.open())()).rejects.toThrow('the token is away');
  expect(await tier.get('key', scope)).toBeUndefined();
  expect(tier.getStats().missReasons).toMatchObject({ error: 1, wrong_key: 0 });
  expect(told).toEqual([new Error('the token is away')]);
  isAway = false;
  expect(textOf(await tier.get('key', scope))).toBe('value');
});

test('what cannot be read is cleared as well, for it might begin so', async () => {
  const shared = new SharedStore();
  const tier = open(shared);
  for (const key of ['a1', 'a2', 'b1']) await tier.put(key, bytesOf('value'), scope);
  await tier.close();
  const [name] = shared.memory.keys('e/') as [string];
  const bytes = shared.memory.get(name) as Uint8Array;
  shared.memory.put(name, bytes.slice(1));
  shared.memory.put(`${name.slice(0, -43)}${'A'.repeat(43)}`, Uint8Array.from([...bytes, 0]));
  const again = open(shared);
  await again.clearPrefix('c', { tenant: scope.tenant });
  expect(shared.memory.keys('e/')).toHaveLength(2);
  shared.memory.deletePrefix('g/');
  await open(shared).clearPrefix('c', { tenant: scope.tenant });
  expect(shared.memory.keys('e/')).toEqual([]);
});

test('options out of range are refused when a tier is made', () => {
  const shared = new SharedStore();
  for (const options of [{ ttlSeconds: 0 }, { maxBytes: NaN }, { sealLimit: 0 }, { sealLimit: 2 ** 31 + 1 }])
    expect(() => open(shared, options)).toThrow(RangeError);
});

test('L3 takes the seconds as a number', async () => {
  const tier = new L3Cache({ store: new SharedStore().connect(), keyring, clock });
  await tier.put('key', bytesOf('value'), 2);
  expect(textOf(await tier.get('key'))).toBe('value');
  advance(2000);
  expect(await tier.get('key')).toBeUndefined();
  await tier.put('key', bytesOf('value'), 2);
  await tier.clearAll();
  expect(await tier.get('key')).toBeUndefined();
});
