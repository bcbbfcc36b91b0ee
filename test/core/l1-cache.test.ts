import * as fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { L1Cache } from '../../src/cache/l1-cache.ts';
import { createRandom, createTraces, createZipf, PlainLru, sizeOf } from '../helpers/cache-traces.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const BIG = 1e9;
/** What a Uint8Array of `size` elements costs, by a key of one character. */
const cost = (size: number): number => 240 + 2 + 16 + size;

function cacheOf({ maxEntries = 100, maxBytes = BIG, ttlMs = BIG } = {}) {
  const clock = createFakeClock();
  const cache = new L1Cache({ maxEntries, maxBytes, ttlMs, clock });
  const set = (key: string, value: Parameters<L1Cache['set']>[3], scope = 'm', tenant = 't') =>
    cache.set(scope, tenant, key, value);
  /** Asks for a key, and sets it where it is missing. Whether it was there. */
  const ask = (key: number | string, bytes = 0): boolean => {
    if (cache.get(`${key}`) !== undefined) return true;
    set(`${key}`, new Uint8Array(bytes));
    return false;
  };
  return { clock, cache, set, ask };
}

test('what was not asked for goes first, then what came first', () => {
  const { cache, set } = cacheOf({ maxEntries: 3 });
  for (const key of ['a', 'b', 'c']) set(key, key);
  cache.get('a');
  set('d', 'd');
  set('e', 'e');
  expect(['a', 'b', 'c', 'd', 'e'].map((key) => cache.get(key)?.value)).toEqual(['a', undefined, undefined, 'd', 'e']);
  expect(cache.evictions).toBe(2);
});

test('bytes are bounded, and one value larger than all of them is refused', () => {
  const { cache, set } = cacheOf({ maxBytes: 3000 });
  expect(set('huge', new Uint8Array(3000))).toBe('too_large');
  for (let i = 0; i < 10; i++) expect(set(`${i}`, new Uint8Array(700))).toBeUndefined();
  expect(cache.size).toBe(3);
  expect(cache.bytes).toBe(3 * cost(700));
  expect(set('x', new Uint8Array(3000 - cost(0)))).toBe('not_admitted');
  expect(set('y', new Uint8Array(3001 - cost(0)))).toBe('too_large');
});

test('one entry may be all there is', () => {
  const { cache, set, ask } = cacheOf({ maxEntries: 1 });
  for (let i = 0; i < 5; i++) set('a', i);
  expect(cache.get('a')?.value).toBe(4);
  for (const key of ['b', 'b', 'b', 'c', 'c', 'c']) ask(key);
  expect([cache.size, ask('c')]).toEqual([1, true]);
});

test('an entry is served until its time is up, and not after', () => {
  const { cache, clock, set } = cacheOf({ ttlMs: 1000 });
  set('a', 1);
  clock.advance(999);
  expect(cache.get('a')?.value).toBe(1);
  clock.advance(1);
  expect(cache.get('a')).toBeUndefined();
  expect([cache.size, cache.bytes, cache.expirations]).toEqual([0, 0, 1]);
});

test('a stored undefined is a hit', () => {
  const { cache, set } = cacheOf();
  set('a', undefined);
  expect(cache.get('a')).toBeDefined();
});

test('it answers what was set last or nothing, within its budgets, and forgets exactly what it is told to', () => {
  const key = fc.constantFrom(...'abcdefgh');
  const name = fc.constantFrom('x', 'y', 'z');
  const operation = fc.oneof(
    fc.record({ type: fc.constant('set' as const), key, scope: name, tenant: name, size: fc.nat(1300) }),
    fc.record({ type: fc.constant('get' as const), key }),
    fc.record({ type: fc.constantFrom('scope' as const, 'tenant' as const), name }),
    fc.record({ type: fc.constant('wait' as const), ms: fc.nat(60) }),
  );
  const limits = fc.record({ maxEntries: fc.integer({ min: 1, max: 8 }), maxBytes: fc.integer({ min: 1, max: 3000 }) });
  fc.assert(
    fc.property(limits, fc.array(operation, { maxLength: 80 }), ({ maxEntries, maxBytes }, operations) => {
      const { cache, clock } = cacheOf({ maxEntries, maxBytes, ttlMs: 100 });
      const last = new Map<string, { scope: string; tenant: string; size: number; at: number }>();
      const present = (): string[] => [...'abcdefgh'].filter((each) => cache.get(each) !== undefined);
      for (const each of operations) {
        if (each.type === 'wait') clock.advance(each.ms);
        if (each.type === 'scope' || each.type === 'tenant') {
          const before = present();
          if (each.type === 'scope') cache.deleteScope(each.name);
          else cache.deleteTenant(each.name);
          expect(present()).toEqual(before.filter((kept) => last.get(kept)?.[each.type] !== each.name));
        }
        if (each.type === 'set') {
          const refusal = cache.set(each.scope, each.tenant, each.key, new Uint8Array(each.size));
          expect(refusal === 'too_large').toBe(cost(each.size) > maxBytes);
          if (refusal === undefined) last.set(each.key, { ...each, at: clock.now() });
          else last.delete(each.key);
          // What was let in is there.
          expect(cache.get(each.key) !== undefined).toBe(refusal === undefined);
        }
        if (each.type === 'get') {
          const value = cache.get(each.key)?.value as Uint8Array | undefined;
          const set = last.get(each.key);
          if (value !== undefined) expect(value.length).toBe(set?.size);
          if (value !== undefined) expect(clock.now()).toBeLessThan((set?.at ?? 0) + 100);
        }
        expect(cache.size).toBeLessThanOrEqual(maxEntries);
        expect(cache.bytes).toBeLessThanOrEqual(maxBytes);
      }
      const kept = present();
      expect(cache.size).toBe(kept.length);
      expect(cache.bytes).toBe(kept.reduce((sum, each) => sum + cost(last.get(each)?.size ?? NaN), 0));
    }),
    { numRuns: 300 },
  );
});

test('to forget a scope or a tenant that has no entries looks at none', () => {
  const { cache, set } = cacheOf();
  set('a', 1, 'm1', 't1');
  set('b', 2, 'm2', 't2');
  cache.deleteScope('m2');
  const values = vi.spyOn(Map.prototype, 'values');
  cache.deleteScope('m2');
  cache.deleteTenant('t2');
  cache.deleteTenant('t3');
  expect(values).not.toHaveBeenCalled();
  cache.deleteTenant('t1');
  expect(values).toHaveBeenCalledOnce();
  values.mockRestore();
  expect(cache.size).toBe(0);
});

/** Hits of a cache of 300 entries that is set where it misses, and of an LRU. */
function hitsOf(
  trace: readonly number[],
  { maxEntries = 300, maxBytes = BIG, bytesOf = (_key: number): number => 0 } = {},
) {
  const { ask } = cacheOf({ maxEntries, maxBytes });
  const lru = new PlainLru(maxEntries, maxBytes);
  const hits = { l1: 0, lru: 0 };
  for (const key of trace) {
    if (ask(key, bytesOf(key))) hits.l1++;
    if (lru.get(`${key}`)) hits.lru++;
    else lru.set(`${key}`, 256 + `${key}`.length * 2 + bytesOf(key));
  }
  return { l1: hits.l1 / trace.length, lru: hits.lru / trace.length };
}

const traces = createTraces(300, 18_000);

test.each([
  ['Zipf 0.8', 0.08],
  ['Zipf 1.0', 0.05],
  ['Zipf 1.2', 0.02],
  ['Zipf 1.0 and scans of twice the cache', 0.05],
  ['Zipf 1.0, every other key comes once', 0.06],
  ['a loop, 1.1 times the cache', 0.8],
  ['a loop, 1.5 times the cache', 0.6],
])('it keeps more of what will be asked for than LRU: %s', (name, margin) => {
  const { l1, lru } = hitsOf(traces[name]?.() ?? []);
  expect(l1 - lru).toBeGreaterThan(margin);
});

test.each([
  ['Zipf 1.0 of other keys from time to time', 0.005],
  ['a working set of 0.5 that moves fast', 0.005],
  ['a working set of 0.8 that moves fast', 0.005],
  ['a working set of 0.8 that moves', 0.025],
  ['the latest most', 0.005],
  ['each twice, 0.45 of the cache apart', 0.005],
  ['each twice at once', 0.005],
])('it keeps no less than LRU of what was asked for of late: %s', (name, margin) => {
  const { l1, lru } = hitsOf(traces[name]?.() ?? []);
  expect(lru).toBeGreaterThan(0.4);
  expect(l1 - lru).toBeGreaterThan(-margin);
});

test.each([0.8, 1, 1.2])('it keeps more than LRU of values whose sizes differ by 100,000: Zipf %s', (exponent) => {
  const next = createZipf(10_000, exponent, createRandom(4));
  const trace = Array.from({ length: 20_000 }, next);
  const { l1, lru } = hitsOf(trace, { maxEntries: BIG, maxBytes: 1e6, bytesOf: (key) => sizeOf(key, 1e5) });
  expect(l1 - lru).toBeGreaterThan(0.04);
});

test('a flood of new keys, each once or each twice, does not push out what is asked for often', () => {
  for (const times of [1, 2]) {
    const { ask } = cacheOf();
    let [misses, next] = [0, 0];
    for (let round = 0; round < 300; round++) {
      for (let key = 0; key < 40; key++) if (!ask(`popular ${key}`) && round > 5) misses++;
      for (let i = 0; i < 50; i++, next++) for (let time = 0; time < times; time++) ask(next);
    }
    expect(misses).toBe(0);
  }
});

test('keys that come back when they are forgotten by LRU push out little of what is asked for often', () => {
  const { ask } = cacheOf();
  const lru = new PlainLru(100, BIG);
  const misses = { l1: 0, lru: 0 };
  for (let round = 0; round < 300; round++) {
    const keys = Array.from({ length: 60 }, (_, i) => `popular ${i}`);
    for (let i = 0; i < 50; i++) keys.push(`${(round * 50 + i) % 150}`);
    for (const key of keys) {
      if (!ask(key) && key.startsWith('p')) misses.l1++;
      if (lru.get(key)) continue;
      lru.set(key, 0);
      if (key.startsWith('p')) misses.lru++;
    }
  }
  expect(misses.lru).toBe(60 * 300);
  expect(misses.l1).toBeLessThan(0.3 * misses.lru);
});

test('large values, new or asked for again and again, do not take the place of many small ones that are in use', () => {
  const { cache, ask } = cacheOf({ maxBytes: 1e6 });
  let misses = 0;
  for (let round = 0; round < 300; round++) {
    for (let key = 0; key < 90; key++) if (!ask(`popular ${key}`, 10_000) && round >= 20) misses++;
    ask(`new ${round}`, 500_000);
    ask('again', 500_000);
  }
  expect(misses).toBe(0);
  // It is let in as soon as they are out of use.
  let asks = 0;
  while (asks < 100 && !ask('again', 500_000)) asks++;
  expect(asks).toBeLessThan(100);
  expect(cache.bytes).toBeLessThanOrEqual(1e6);
});

test('to forget a tenant forgets which keys were pushed out', () => {
  const outlives = (forget: boolean): boolean => {
    const { cache, ask, set } = cacheOf({ maxEntries: 10 });
    for (let i = 0; i < 10; i++) ask(i);
    set('question', 1);
    for (let i = 10; i < 20; i++) ask(i);
    expect(cache.get('question')).toBeUndefined();
    if (forget) cache.deleteTenant('another');
    // Remembered, it goes past the window, through which new keys come and go.
    set('question', 1);
    for (let i = 20; i < 30; i++) ask(i);
    return cache.get('question') !== undefined;
  };
  expect([outlives(false), outlives(true)]).toEqual([true, false]);
});
