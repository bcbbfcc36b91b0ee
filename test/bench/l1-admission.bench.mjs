/** What L1 keeps against what an LRU of the same budgets keeps: hits on traces of keys, and what a lookup costs. */

import { readFileSync } from 'node:fs';
import { transform } from 'esbuild';
import { LRUCache } from 'lru-cache';
import { L1Cache } from '../../dist/src/cache/l1-cache.js';
import { report } from './lib/report.mjs';
import { median } from './lib/side-by-side.mjs';

const source = readFileSync(new URL('../helpers/cache-traces.ts', import.meta.url), 'utf8');
const { code } = await transform(source, { loader: 'ts', format: 'esm' });
const { createRandom, createTraces, createZipf, sizeOf } = await import(
  `data:text/javascript,${encodeURIComponent(code)}`
);

/** What L1 reckons for an entry beside its value: 240, two for each character of the key, and 16 for the array. */
const overhead = (key) => 256 + key.length * 2;

function createL1(maxEntries, maxBytes) {
  const l1 = new L1Cache({ maxEntries, maxBytes, ttlMs: 1e9, clock: performance });
  return {
    get: (key) => l1.get(key) !== undefined,
    set: (key, value) => l1.set('1', 'default', key, value),
  };
}

function createLru(maxEntries, maxBytes) {
  const lru = new LRUCache({ max: maxEntries, maxSize: maxBytes, ttl: 1e9 });
  return {
    get: (key) => lru.get(key) !== undefined,
    set: (key, value) => lru.set(key, value, { size: overhead(key) + value.byteLength }),
  };
}

/** @returns hits over asks, of a cache that is set where it misses */
function hitRate(cache, trace, valueOf) {
  let hits = 0;
  for (const each of trace) {
    const key = String(each);
    if (cache.get(key)) hits++;
    else cache.set(key, valueOf(each));
  }
  return hits / trace.length;
}

const percent = (value) => `${(value * 100).toFixed(1)} %`;

function compare(what, trace, valueOf, maxEntries, maxBytes, atLeast) {
  const lru = hitRate(createLru(maxEntries, maxBytes), trace, valueOf);
  const l1 = hitRate(createL1(maxEntries, maxBytes), trace, valueOf);
  return {
    what,
    measured: `${percent(l1)} (lru-cache ${percent(lru)})`,
    target: `≥ LRU ${atLeast < 0 ? '−' : '+'} ${Math.abs(atLeast) * 100} %`,
    met: l1 >= lru + atLeast,
  };
}

/** Traces that LRU is best on. */
const RECENT = /^(a working set|the latest|each twice|Zipf 1.0 of other)/;
const CAPACITY = 1000;
const small = new Uint8Array(1);
report(
  `Hits of L1 by what is asked for (${CAPACITY} entries, ${CAPACITY * 80} asks, all of one size)`,
  Object.entries(createTraces(CAPACITY, CAPACITY * 80)).map(([what, trace]) =>
    compare(what, trace(), () => small, CAPACITY, 1e12, RECENT.test(what) ? -0.02 : 0.02),
  ),
);

const buffer = new ArrayBuffer(4e6);

/** Keys by Zipf's law; `once` of the asks are for keys that come once, whose values have `onceBytes`. */
function sized(what, exponent, bytesOf, once = 0, onceBytes = 0) {
  const random = createRandom(4);
  const popular = createZipf(20_000, exponent, random);
  const trace = Array.from({ length: 80_000 }, (_, i) => (random() < once ? 1e9 + i : popular()));
  // Parts of one buffer: only their length counts.
  const valueOf = (key) => new Uint8Array(buffer, 0, key < 1e9 ? bytesOf(key) : onceBytes);
  return compare(what, trace, valueOf, 1e5, 4e6, 0.02);
}

report('Hits of L1 by size (4 MB)', [
  sized('Zipf 0.8, from 1 byte to 100 kB', 0.8, (key) => sizeOf(key, 1e5)),
  sized('Zipf 1.0, from 1 byte to 100 kB', 1, (key) => sizeOf(key, 1e5)),
  sized('Zipf 1.2, from 1 byte to 100 kB', 1.2, (key) => sizeOf(key, 1e5)),
  sized('Zipf 1.0 of 2 kB, one in a hundred of half the budget', 1, (key) => (key % 100 === 50 ? 2e6 : 2000)),
  sized('Zipf 1.0 of 2 kB, and one in 20 that comes once, of 1.2 MB', 1, () => 2000, 0.05, 1.2e6),
]);

const FULL = 10_000;
const value = new Float32Array(512);
const keysOf = (prefix, count) => Array.from({ length: count }, (_, i) => `${i}`.padStart(64, prefix));
const [kept, missing, added] = [keysOf('k', FULL), keysOf('m', FULL), keysOf('a', 10 * FULL)];
const took = {};
for (let round = 0; round < 21; round++) {
  for (const [name, create] of Object.entries({ L1: createL1, lru: createLru })) {
    const cache = create(FULL, 1e12);
    for (const key of kept) cache.set(key, value);
    const time = (what, keys, task) => {
      const started = performance.now();
      for (let i = 0; i < keys.length; i++) task(keys[(i * 7) % keys.length]);
      (took[`${name} ${what}`] ??= []).push(((performance.now() - started) / keys.length) * 1e6);
    };
    time('hit', kept, (key) => cache.get(key));
    time('miss', missing, (key) => cache.get(key));
    time('set', added, (key) => cache.set(key, value));
  }
}
const ns = (what) => `${median(took[what]).toFixed(0)} ns`;
report(
  'What L1 costs (10,000 entries, keys of 64 characters, each asked for in turn)',
  Object.entries({ hit: 'a hit', miss: 'a miss', set: 'a new key in a full cache' }).map(([name, what]) => ({
    what,
    measured: `${ns(`L1 ${name}`)} (lru-cache ${ns(`lru ${name}`)})`,
  })),
);
