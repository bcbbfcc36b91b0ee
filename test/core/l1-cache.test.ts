import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { L1Cache } from '../../src/cache/l1-cache.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const BIG = 1e9;

function cacheOf({ maxEntries = 100, maxBytes = BIG, ttlMs = BIG } = {}) {
  const clock = createFakeClock();
  return { clock, cache: new L1Cache({ maxEntries, maxBytes, ttlMs, clock }) };
}

test('the least recently used entry goes first, and reading counts as use', () => {
  const { cache } = cacheOf({ maxEntries: 2 });
  cache.set(1, 'a', 1);
  cache.set(1, 'b', 2);
  cache.get('a');
  cache.set(1, 'c', 3);
  expect([cache.get('a')?.value, cache.get('b'), cache.get('c')?.value]).toEqual([1, undefined, 3]);
  expect(cache.evictions).toBe(1);
});

test('bytes are bounded, and one value larger than all of them is refused', () => {
  const { cache } = cacheOf({ maxBytes: 3000 });
  expect(cache.set(1, 'huge', new Uint8Array(3000))).toBe(false);
  for (let i = 0; i < 10; i++) expect(cache.set(1, `k${i}`, new Uint8Array(700))).toBe(true);
  expect(cache.bytes).toBeLessThanOrEqual(3000);
  expect(cache.size).toBe(3);
});

test('an entry is served until its time is up, and not after', () => {
  const { cache, clock } = cacheOf({ ttlMs: 1000 });
  cache.set(1, 'a', 1);
  clock.advance(999);
  expect(cache.get('a')?.value).toBe(1);
  clock.advance(1);
  expect(cache.get('a')).toBeUndefined();
  expect([cache.size, cache.bytes, cache.expirations]).toEqual([0, 0, 1]);
});

test('a stored undefined is a hit', () => {
  const { cache } = cacheOf();
  cache.set(1, 'a', undefined);
  expect(cache.get('a')).toBeDefined();
});

test('it behaves like a list of pairs, whatever is done to it', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const operation = fc.oneof(
    fc.record({ type: fc.constant('set' as const), key, model: fc.integer({ min: 1, max: 2 }), size: fc.nat(400) }),
    fc.record({ type: fc.constant('get' as const), key }),
    fc.record({ type: fc.constant('forget' as const), model: fc.integer({ min: 1, max: 2 }) }),
    fc.record({ type: fc.constant('wait' as const), ms: fc.nat(60) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const { cache, clock } = cacheOf({ maxEntries: 3, maxBytes: 1500, ttlMs: 100 });
      const cost = (size: number): number => 192 + 2 + 16 + size;
      let model: { key: string; model: number; size: number; at: number }[] = [];
      for (const each of operations) {
        if (each.type === 'wait') clock.advance(each.ms);
        if (each.type === 'forget') {
          cache.deleteModel(each.model);
          model = model.filter((entry) => entry.model !== each.model);
        }
        if (each.type === 'set') {
          cache.set(each.model, each.key, new Uint8Array(each.size));
          model = model.filter((entry) => entry.key !== each.key);
          const bytes = (): number => model.reduce((sum, entry) => sum + cost(entry.size), 0);
          while (model.length >= 3 || bytes() + cost(each.size) > 1500) model.shift();
          model.push({ ...each, at: clock.now() });
        }
        if (each.type === 'get') {
          const found = model.find((entry) => entry.key === each.key);
          const fresh = found !== undefined && clock.now() < found.at + 100;
          expect((cache.get(each.key)?.value as Uint8Array | undefined)?.length).toBe(fresh ? found.size : undefined);
          model = model.filter((entry) => entry !== found);
          if (fresh) model.push(found);
        }
        expect(cache.size).toBe(model.length);
        expect(cache.bytes).toBe(model.reduce((sum, entry) => sum + cost(entry.size), 0));
      }
    }),
  );
});
