/** In a page: answers in IndexedDB, sealed by L2, in the store alone, and by idb-keyval. */

import { createStore, get, set, setMany } from 'idb-keyval';
import { L2Cache } from '../../../dist/src/cache/sealed/l2-cache.js';
import { openBrowserKeyring } from '../../../dist/platforms/browser/keyring/open-keyring.js';
import { openIndexedDbStore } from '../../../dist/platforms/browser/store/indexed-db-store.js';

const AT_ONCE = 64;
const ROUNDS = 7;
const MIN_MS = 100;
const PUTS = 512;

async function openWays() {
  const cache = new L2Cache({ store: await openIndexedDbStore('bench-sealed'), keyring: await openBrowserKeyring() });
  const scope = { tenant: 'tenant', model: 'model' };
  const store = await openIndexedDbStore('bench-store');
  const keyval = createStore('bench-keyval', 'kept');
  return {
    'epochly, sealed': {
      get: (key) => cache.get(key, scope),
      put: (key, bytes) => cache.put(key, bytes, scope),
      async putAll(entries) {
        await Promise.all(entries.map(([key, bytes]) => cache.put(key, bytes, scope)));
        await cache.flush();
      },
      kept: () => cache.flush(),
    },
    'the store alone, not sealed': {
      get: (key) => store.get(key),
      put: (key, bytes) => store.put(key, bytes),
      putAll: (entries) => Promise.all(entries.map(([key, bytes]) => store.put(key, bytes))),
      kept: () => undefined,
    },
    'idb-keyval': {
      get: (key) => get(key, keyval),
      put: (key, bytes) => set(key, bytes, keyval),
      putAll: (entries) => Promise.all(entries.map(([key, bytes]) => set(key, bytes, keyval))),
      kept: () => undefined,
    },
    // One caller with many entries, where the others are many callers.
    'idb-keyval, setMany': { putAll: (entries) => setMany(entries, keyval) },
  };
}

let made = 0;
/** As long as the caches' own. */
const newKey = () => (made++).toString(16).padStart(64, '0');

const LOADS = {
  'get, one by one': ({ get: read }, keys) =>
    async function () {
      for (const key of keys) await read(key);
      return keys.length;
    },
  'get, 64 in flight': ({ get: read }, keys) =>
    async function () {
      for (let from = 0; from < keys.length; from += AT_ONCE)
        await Promise.all(keys.slice(from, from + AT_ONCE).map((key) => read(key)));
      return keys.length;
    },
  'put, one by one': ({ put, kept }, _, value) =>
    async function () {
      for (let i = 0; i < AT_ONCE; i++) {
        await put(newKey(), value);
        await kept();
      }
      return AT_ONCE;
    },
  'put, 64 in flight': ({ putAll }, _, value) =>
    async function () {
      for (let put = 0; put < PUTS; put += AT_ONCE)
        await putAll(Array.from({ length: AT_ONCE }, () => [newKey(), value]));
      return PUTS;
    },
};

async function timeRound(way) {
  let calls = 0;
  const started = performance.now();
  do calls += await way();
  while (performance.now() - started < MIN_MS);
  return ((performance.now() - started) * 1000) / calls;
}

/** Microseconds a call, for each load and way, of each round. Ways take turns. */
globalThis.measureTiers = async (bytes, keptCount) => {
  const value = crypto.getRandomValues(new Uint8Array(bytes));
  const keys = Array.from({ length: keptCount }, newKey);
  const ways = await openWays();
  for (const [name, way] of Object.entries(ways)) {
    await way.putAll(keys.map((key) => [key, value]));
    if (way.get === undefined) continue;
    const found = await way.get(keys[0]);
    if (found?.length !== bytes || found.some((byte, i) => byte !== value[i]))
      throw new Error(`${name} gave other bytes.`);
  }
  const took = {};
  for (const [load, make] of Object.entries(LOADS)) {
    const calls = Object.entries(ways)
      .filter(([, way]) => way.get !== undefined || load === 'put, 64 in flight')
      .map(([name, way]) => [name, make(way, keys, value), []]);
    for (const [, call] of calls) await call();
    for (let round = 0; round < ROUNDS; round++) for (const [, call, times] of calls) times.push(await timeRound(call));
    took[load] = Object.fromEntries(calls.map(([name, , times]) => [name, times]));
  }
  return took;
};
