/** @module What every CacheTier must do, as tests. */

import { afterEach, describe, expect, test } from 'vitest';
import type { CacheTier } from '../../src/cache/cache-tier.ts';
import type { MaybePromise } from '../../src/platform.ts';

export interface CacheTierContractOptions {
  /** Opens an empty tier. */
  readonly open: () => MaybePromise<CacheTier>;
  /** Lets so much time pass for the tier. */
  readonly advance: (ms: number) => MaybePromise<void>;
}

const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);

/** Tests a tier. @example testCacheTier('mine', { open: () => new MyTier({ clock }), advance: (ms) => clock.advance(ms) }); */
export function testCacheTier(name: string, { open, advance }: CacheTierContractOptions): void {
  const opened: CacheTier[] = [];
  const openTier = async (): Promise<CacheTier> => {
    const tier = await open();
    opened.push(tier);
    return tier;
  };

  describe(`the ${name} tier keeps the contract`, () => {
    afterEach(async () => {
      for (const tier of opened.splice(0)) await tier.close();
    });

    test('gives back what was put, counts what it did, and shares no memory', async () => {
      const tier = await openTier();
      const given = bytes(1, 2);
      expect(await tier.get('a')).toBeUndefined();
      await tier.put('a', given);
      given[0] = 9;
      const taken = (await tier.get('a')) as Uint8Array;
      expect(taken).toEqual(bytes(1, 2));
      taken[0] = 9;
      expect(await tier.get('a')).toEqual(bytes(1, 2));
      await tier.put('a', bytes(3));
      expect(await tier.get('a')).toEqual(bytes(3));
      expect(tier.getStats()).toMatchObject({ hits: 3, misses: 1, puts: 2, errors: 0 });
    });

    test('forgets by key and by beginning, also where a wildcard would catch more', async () => {
      const tier = await openTier();
      for (const key of ['t1:a', 't1:b', 't10:a', 't*:a', 't%:a', 'T1:a']) await tier.put(key, bytes(1));
      await tier.delete('t1:a');
      expect(await tier.get('t1:a')).toBeUndefined();
      await tier.clearPrefix('t*:');
      await tier.clearPrefix('t%:');
      for (const key of ['t1:b', 't10:a', 'T1:a']) expect(await tier.get(key), key).toEqual(bytes(1));
      await tier.clearPrefix('t1:');
      expect(await tier.get('t1:b')).toBeUndefined();
      for (const key of ['t10:a', 'T1:a']) expect(await tier.get(key), key).toEqual(bytes(1));
    });

    test('serves an entry until its time is up, and not after', async () => {
      const tier = await openTier();
      await tier.put('a', bytes(1), { ttlSeconds: 2 });
      await advance(1900);
      expect(await tier.get('a')).toEqual(bytes(1));
      await advance(200);
      expect(await tier.get('a')).toBeUndefined();
      await tier.put('a', bytes(2), { ttlSeconds: 2 });
      expect(await tier.get('a')).toEqual(bytes(2));
    });

    test('keeps tenants and models apart, whatever their names and keys are', async () => {
      const tier = await openTier();
      const scopes = [
        {},
        { tenant: '' },
        { tenant: 'a' },
        { tenant: 'a', model: 'b' },
        { tenant: 'ab' },
        { tenant: 'a/b' },
        { tenant: 'a', model: '/b' },
        { model: 'a' },
        { tenant: '\ud800' },
        { tenant: '\udc00' },
      ];
      for (const [i, scope] of scopes.entries()) {
        expect(await tier.get('k', scope), JSON.stringify(scope)).toBeUndefined();
        await tier.put('k', bytes(i), scope);
      }
      for (const [i, scope] of scopes.entries()) expect(await tier.get('k', scope)).toEqual(bytes(i));
      expect(await tier.get('k', { tenant: 'default', model: '' })).toEqual(bytes(0));
      await tier.delete('k', { tenant: 'a' });
      expect(await tier.get('k', { tenant: 'a' })).toBeUndefined();
      expect(await tier.get('k', { tenant: 'a', model: 'b' })).toEqual(bytes(3));
    });

    test("clears a tenant's keys by their beginning, of one model or of all", async () => {
      const tier = await openTier();
      const fill = async (): Promise<void> => {
        for (const tenant of ['a', 'b'])
          for (const model of ['m', 'n'])
            for (const key of ['k1', 'l1']) await tier.put(key, bytes(1), { tenant, model });
      };
      const left = async (): Promise<readonly string[]> => {
        const found: string[] = [];
        for (const tenant of ['a', 'b'])
          for (const model of ['m', 'n'])
            for (const key of ['k1', 'l1'])
              if ((await tier.get(key, { tenant, model })) !== undefined) found.push(`${tenant}${model}${key}`);
        return found;
      };
      await fill();
      await tier.clearPrefix('k', { tenant: 'a', model: 'm' });
      expect(await left()).toEqual(['aml1', 'ank1', 'anl1', 'bmk1', 'bml1', 'bnk1', 'bnl1']);
      await tier.clearPrefix('k', { tenant: 'a' });
      expect(await left()).toEqual(['aml1', 'anl1', 'bmk1', 'bml1', 'bnk1', 'bnl1']);
      await tier.clearPrefix('', { tenant: 'b', model: 'n' });
      expect(await left()).toEqual(['aml1', 'anl1', 'bmk1', 'bml1']);
      await tier.clearPrefix('', { tenant: 'a' });
      expect(await left()).toEqual(['bmk1', 'bml1']);
      await tier.clearPrefix('');
      expect(await left()).toEqual(['bmk1', 'bml1']);
    });

    test('forgets a model, of all tenants, and answers for it anew', async () => {
      const tier = await openTier();
      for (const tenant of ['a', 'b']) for (const model of ['m', 'n']) await tier.put('k', bytes(1), { tenant, model });
      await tier.invalidateModel('m');
      await tier.invalidateModel('never seen');
      for (const tenant of ['a', 'b']) {
        expect(await tier.get('k', { tenant, model: 'm' })).toBeUndefined();
        expect(await tier.get('k', { tenant, model: 'n' })).toEqual(bytes(1));
      }
      await tier.put('k', bytes(2), { tenant: 'a', model: 'm' });
      expect(await tier.get('k', { tenant: 'a', model: 'm' })).toEqual(bytes(2));
      expect(await tier.get('k', { tenant: 'b', model: 'm' })).toBeUndefined();
    });

    test('forgets a tenant, of all models, and nobody else', async () => {
      const tier = await openTier();
      for (const tenant of ['a', 'b']) for (const model of ['m', 'n']) await tier.put('k', bytes(1), { tenant, model });
      await tier.forgetTenant('a');
      await tier.forgetTenant('never seen');
      for (const model of ['m', 'n']) {
        expect(await tier.get('k', { tenant: 'a', model })).toBeUndefined();
        expect(await tier.get('k', { tenant: 'b', model })).toEqual(bytes(1));
      }
      await tier.put('k', bytes(2), { tenant: 'a', model: 'm' });
      expect(await tier.get('k', { tenant: 'a', model: 'm' })).toEqual(bytes(2));
    });

    test('keeps nothing that was begun before a model or a tenant was forgotten, where it can tell', async () => {
      const tier = await openTier();
      const scope = { tenant: 'a', model: 'm' };
      if (tier.stampOf === undefined) return;
      for (const forget of [() => tier.invalidateModel('m'), () => tier.forgetTenant('a')]) {
        const stamp = await tier.stampOf(scope);
        await tier.put('k', bytes(1), { ...scope, stamp });
        expect(await tier.get('k', scope)).toEqual(bytes(1));
        expect(await tier.stampOf(scope)).toBe(stamp);
        await forget();
        await tier.put('k', bytes(2), { ...scope, stamp });
        expect(await tier.get('k', scope)).toBeUndefined();
        expect(await tier.stampOf(scope)).not.toBe(stamp);
      }
      const stamp = await tier.stampOf(scope);
      await tier.invalidateModel('n');
      await tier.forgetTenant('b');
      await tier.put('k', bytes(3), { ...scope, stamp });
      expect(await tier.get('k', scope)).toEqual(bytes(3));
    });

    test('once closed it misses, and fails nobody', async () => {
      const tier = await openTier();
      await tier.put('a', bytes(1));
      await tier.close();
      await tier.close();
      await tier.put('b', bytes(1));
      expect([await tier.get('a'), await tier.get('b')]).toEqual([undefined, undefined]);
      await tier.delete('a');
      await tier.clearPrefix('');
      await tier.invalidateModel('m');
      await tier.forgetTenant('default');
    });
  });
}
