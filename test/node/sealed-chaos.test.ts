/** Never a wrong answer, never a failed call: whoever asks, whatever is asked, and whatever the store does. */

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { SealedTier } from '../../src/cache/sealed/sealed-tier.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import { ChaosStore } from '../helpers/chaos-store.ts';
import type { Fault } from '../helpers/chaos-store.ts';
import { bytesOf, newKeyring, slowKeyring, textOf } from '../helpers/sealing.ts';
import { SharedStore, slowStore } from '../helpers/shared-store.ts';

const keyring = newKeyring();
const TTL_MS = 10_000;

/** Names that imitate each other, each other's beginnings, and the store's own. */
const name = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('', 'a', 'b', 'a/b', 'a\0b', 'default', 'e/', 'k/a', '\ud800', '\ufffd', 'ab'),
  },
  fc.string({ maxLength: 3, unit: 'binary' }),
);
const place = fc.record({ tenant: name, model: name, key: name });
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), place }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('get' as const), place }) },
  fc.record({ kind: fc.constant('delete' as const), place }),
  fc.record({ kind: fc.constant('clear' as const), place, ofModel: fc.boolean() }),
  fc.record({ kind: fc.constant('invalidate' as const), place }),
  fc.record({ kind: fc.constant('forget' as const), place }),
  fc.record({ kind: fc.constant('reopen' as const), place }),
  fc.record({ kind: fc.constant('wait' as const), place, ms: fc.integer({ min: 0, max: TTL_MS / 2 }) }),
);

interface Kept {
  readonly tenant: string;
  readonly model: string;
  readonly key: string;
  readonly value: string;
  readonly expiresAt: number;
}

test(
  'two connections answer what a plain map would: nobody reads what is of another tenant, model or key',
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(operation, fc.nat(1)), { maxLength: 40 }),
        fc.boolean(),
        async (operations, slow) => {
          const clock = createFakeClock();
          const shared = new SharedStore();
          const open = (): SealedTier => {
            const connection = shared.connect();
            return new SealedTier({
              store: slow ? slowStore(connection) : connection,
              keyring: slow ? slowKeyring(keyring) : keyring,
              clock,
              ttlSeconds: TTL_MS / 1000,
              sealLimit: 5,
            });
          };
          const tiers = [open(), open()];
          let kept: Kept[] = [];
          let values = 0;
          for (const [{ kind, place: at, ...rest }, which] of operations) {
            const tier = tiers[which] as SealedTier;
            const { tenant, model, key } = at;
            const isSame = (each: Kept): boolean => each.tenant === tenant && each.model === model && each.key === key;
            if (kind === 'put') {
              const value = `value ${values++}`;
              await tier.put(key, bytesOf(value), { tenant, model });
              kept = [
                ...kept.filter((each) => !isSame(each)),
                { tenant, model, key, value, expiresAt: clock.now() + TTL_MS },
              ];
            } else if (kind === 'delete') {
              await tier.delete(key, { tenant, model });
              kept = kept.filter((each) => !isSame(each));
            } else if (kind === 'clear') {
              const ofModel = 'ofModel' in rest && rest.ofModel;
              await tier.clearPrefix(key, ofModel ? { tenant, model } : { tenant });
              kept = kept.filter(
                (each) => each.tenant !== tenant || (ofModel && each.model !== model) || !each.key.startsWith(key),
              );
            } else if (kind === 'invalidate') {
              await tier.invalidateModel(model);
              kept = kept.filter((each) => each.model !== model);
            } else if (kind === 'forget') {
              await tier.forgetTenant(tenant);
              kept = kept.filter((each) => each.tenant !== tenant);
            } else if (kind === 'reopen') {
              await tier.close();
              tiers[which] = open();
            } else if (kind === 'wait' && 'ms' in rest) await clock.run(rest.ms);
            // What is written behind is what others see.
            await clock.run(20);
            for (const each of tiers) {
              const found = textOf(await each.get(key, { tenant, model }));
              expect(found).toBe(kept.find((one) => isSame(one) && one.expiresAt > clock.now())?.value);
            }
          }
          for (const each of kept)
            for (const tier of tiers)
              expect(textOf(await tier.get(each.key, each))).toBe(
                each.expiresAt > clock.now() ? each.value : undefined,
              );
          for (const tier of tiers) expect(tier.getStats()).toMatchObject({ errors: 0, dropped: 0 });
        },
      ),
      { numRuns: 150 },
    );
  },
);

const FAULTS: readonly Fault[] = [
  'throw',
  'late',
  'half',
  'delay',
  'corrupt',
  'truncate',
  'extend',
  'swap',
  'rollback',
  'lose',
];

/** Faults, seeds and what is asked. */
const chaos = async (faults: readonly Fault[], rate: number, seed: number): Promise<{ hits: number; made: number }> => {
  const clock = createFakeClock();
  const memory = new MemoryStore();
  let state = seed;
  const random = (): number => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const store = new ChaosStore(memory, { random, faults, rate });
  const tier = new SealedTier({
    store,
    keyring: seed % 2 === 0 ? keyring : slowKeyring(keyring),
    clock,
    ttlSeconds: TTL_MS / 1000,
    sealLimit: 20,
    revalidateMs: 100,
    maxBytes: 20_000,
  });
  tier.onInvalidated(() => undefined);
  const [tenants, models, keys] = [
    ['a', 'b', 'c'],
    ['m', 'n'],
    ['1', '2', '3', '4'],
  ];
  /** How often each was forgotten: answers name what they were put for, and when. */
  const forgotten = new Map<string, number>();
  const answer = (tenant: string, model: string, key: string): string =>
    [tenant, forgotten.get(tenant) ?? 0, model, forgotten.get(model) ?? 0, key].join();
  const forget = async (what: string, call: () => unknown): Promise<void> => {
    const forgetting = (async () => call())();
    forgotten.set(what, (forgotten.get(what) ?? 0) + 1);
    let isDone = false;
    // It may fail, and holds all the same; or wait for a lock that could not be given back.
    const done = forgetting.catch(() => undefined).then(() => (isDone = true));
    await new Promise((resolve) => setImmediate(resolve));
    if (!isDone) await clock.run(40_000);
    await done;
  };
  let hits = 0;
  for (let i = 0; i < 600; i++) {
    const [tenant, model, key, dice] = [pick(tenants), pick(models), pick(keys), random()];
    if (dice < 0.4) await tier.put(key, bytesOf(answer(tenant, model, key)), { tenant, model });
    else if (dice < 0.85) {
      const found = textOf(await tier.get(key, { tenant, model }));
      if (found === undefined) continue;
      expect(found, `seed ${seed}, call ${i}`).toBe(answer(tenant, model, key));
      hits++;
    } else if (dice < 0.88) await tier.delete(key, { tenant, model });
    else if (dice < 0.9) await tier.clearPrefix(key, { tenant });
    else if (dice < 0.92) await forget(model, () => tier.invalidateModel(model));
    else if (dice < 0.93) {
      await forget(tenant, () => tier.forgetTenant(tenant));
      // What failed is done again, or the tenant would have no answers for the rest of the time.
      for (
        let again = 0;
        again < 20 && (await tier.put('x', bytesOf('x'), { tenant }), (await tier.get('x', { tenant })) === undefined);
        again++
      )
        await forget(tenant, () => tier.forgetTenant(tenant));
    } else if (dice < 0.96) store.tamper('e/');
    else await clock.run(random() * 2000);
  }
  // The store is sound again, and so is all else.
  store.rate = 0;
  await clock.run(120_000);
  for (const tenant of tenants) await forget(tenant, () => tier.forgetTenant(tenant));
  for (const model of models) await tier.invalidateModel(model);
  for (const tenant of tenants)
    for (const model of models) {
      await tier.put('end', bytesOf(`${tenant}${model}`), { tenant, model });
      expect(textOf(await tier.get('end', { tenant, model })), `seed ${seed}`).toBe(`${tenant}${model}`);
    }
  await tier.close();
  return { hits, made: [...store.made.values()].reduce((a, b) => a + b, 0) };
};

test.each(FAULTS)('a store that has the fault %s gives no wrong answer and fails no call', async (fault) => {
  let [hits, made] = [0, 0];
  for (let seed = 1; seed <= 8; seed++) {
    const done = await chaos([fault], 0.15, seed * 7919);
    hits += done.hits;
    made += done.made;
  }
  expect(made).toBeGreaterThan(100);
  expect(hits).toBeGreaterThan(50);
});

test('nor does one that has them all', { timeout: 120_000 }, async () => {
  let hits = 0;
  for (let seed = 1; seed <= 30; seed++) hits += (await chaos(FAULTS, 0.02 * (1 + (seed % 10)), seed * 104_729)).hits;
  expect(hits).toBeGreaterThan(300);
});
