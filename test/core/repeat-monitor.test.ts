import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fingerprintOf, RepeatMonitor } from '../../src/cache/repeat-monitor.ts';
import { copyPortable } from '../../src/portable.ts';
import { tensor } from '../../src/tensor.ts';
import { portable } from '../helpers/arbitraries.ts';
import { createRandom, createZipf } from '../helpers/cache-traces.ts';

const SEED = 7;

/** A model behind a cache that forgets nothing, and a monitor. */
function createModel() {
  const monitor = new RepeatMonitor();
  const kept = new Set<number>();
  const counts = { asked: 0, looked: 0, hits: 0 };
  return {
    monitor,
    counts,
    ask(question: number): void {
      counts.asked++;
      if (!monitor.shouldLook(fingerprintOf([question], SEED))) return;
      counts.looked++;
      const isHit = kept.has(question);
      monitor.record(isHit);
      if (isHit) counts.hits++;
      else kept.add(question);
    },
  };
}

/** Asks new questions until they go past the cache. */
function createBypassing() {
  const model = createModel();
  for (let i = 0; i < 1024; i++) model.ask(1e9 + i);
  expect(model.monitor.isBypassing).toBe(true);
  return model;
}

/** How many questions are asked until all are looked for again; `question` gives the n-th. */
function noticedAfter(question: (n: number) => number, limit = 20_000): number {
  const { monitor, ask } = createBypassing();
  for (let n = 0; n < limit; n++) {
    ask(question(n));
    if (!monitor.isBypassing) return n + 1;
  }
  return Infinity;
}

test('every question is looked for until 1024 lookups in a row missed', () => {
  const monitor = new RepeatMonitor();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 1023; i++) monitor.record(false);
    expect([monitor.isBypassing, monitor.shouldLook(1)]).toEqual([false, true]);
    monitor.record(true);
  }
  for (let i = 0; i < 1024; i++) monitor.record(false);
  expect(monitor.isBypassing).toBe(true);
  monitor.record(true);
  expect([monitor.isBypassing, monitor.shouldLook(1)]).toEqual([false, true]);
});

test('of questions that never repeat, one in 32 is looked for', () => {
  const { counts, ask } = createBypassing();
  for (let i = 0; i < 100_000; i++) ask(i);
  expect((counts.looked - 1024) / 100_000).toBeGreaterThan(0.9 / 32);
  expect((counts.looked - 1024) / 100_000).toBeLessThan(1.1 / 32);
});

test('a question is looked for as often as it is asked or not at all, for 256 questions; and has its turn within 8192', () => {
  const turns = (fingerprint: number): boolean[] => {
    const monitor = new RepeatMonitor();
    for (let i = 0; i < 1024; i++) monitor.record(false);
    return Array.from({ length: 8192 }, () => monitor.shouldLook(fingerprint));
  };
  for (const fingerprint of [0, 5, 31, 32, 2 ** 32 - 1]) {
    const looked = turns(fingerprint);
    const first = looked.indexOf(true);
    expect(first % 256).toBe(0);
    expect(looked.map((is, i) => is === (i >= first && i < first + 256))).not.toContain(false);
  }
});

test('a pool of questions that are asked over and over is noticed', () => {
  const random = createRandom(1);
  expect(noticedAfter(() => Math.floor(random() * 100))).toBeLessThan(200);
  expect(noticedAfter(() => Math.floor(random() * 1000))).toBeLessThan(1000);
  expect(noticedAfter(() => Math.floor(random() * 10_000))).toBeLessThan(8192);
  expect(noticedAfter(createZipf(100_000, 1, random))).toBeLessThan(1000);
  expect(noticedAfter((n) => n % 200)).toBeLessThan(1000);
});

test('a single question that repeats is noticed, whichever it is, among others that never do', () => {
  for (let popular = -1; popular > -40; popular--) {
    expect(noticedAfter((n) => (n % 100 === 0 ? popular : n))).toBeLessThanOrEqual(8192);
  }
});

test('with one fingerprint for all, it still notices within 8192', () => {
  const { monitor } = createBypassing();
  const random = createRandom(2);
  const kept = new Set<number>();
  let asked = 0;
  for (; monitor.isBypassing; asked++) {
    const question = Math.floor(random() * 1000);
    if (!monitor.shouldLook(3)) continue;
    monitor.record(kept.has(question));
    kept.add(question);
  }
  expect(asked).toBeLessThanOrEqual(8192);
});

test('where 1 % of the lookups hit, less than 0.1 % of the hits are lost; of rarer ones, at most 0.2 % of the questions', () => {
  const lost = (rate: number, asked = 1_000_000): number => {
    const monitor = new RepeatMonitor();
    const random = createRandom(3);
    let hits = 0;
    for (let i = 0; i < asked; i++) {
      const isHit = random() < rate;
      if (monitor.shouldLook(Math.floor(random() * 2 ** 32))) monitor.record(isHit);
      else if (isHit) hits++;
    }
    return hits / asked;
  };
  for (const rate of [0.01, 0.02, 0.1]) expect(lost(rate) / rate).toBeLessThan(0.001);
  for (const rate of [0.0001, 0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.003, 0.004, 0.005]) {
    expect(lost(rate)).toBeLessThan(0.002);
  }
  // And most of the rare ones are, or nothing was saved.
  expect(lost(0.0005) / 0.0005).toBeGreaterThan(0.8);
});

test('where questions repeat as people’s do, none goes past the cache', () => {
  for (const exponent of [0.8, 1]) {
    const { monitor, counts, ask } = createModel();
    const next = createZipf(100_000, exponent, createRandom(4));
    for (let i = 0; i < 50_000; i++) ask(next());
    expect([counts.looked, monitor.isBypassing]).toEqual([50_000, false]);
  }
});

test('equal inputs have equal fingerprints, by the seed', () => {
  fc.assert(
    fc.property(fc.array(portable), fc.nat(), (args, seed) => {
      const fingerprint = fingerprintOf(args, seed);
      expect(fingerprintOf(copyPortable(args), seed)).toBe(fingerprint);
      expect(Number.isInteger(fingerprint) && fingerprint >= 0 && fingerprint < 2 ** 32).toBe(true);
    }),
  );
  expect(fingerprintOf(['a'], 1)).not.toBe(fingerprintOf(['a'], 2));
});

test.each([
  ['numbers', (i: number) => [i]],
  ['fractions', (i: number) => [i / 1e6]],
  ['texts', (i: number) => [`question ${i}`]],
  ['tokens', (i: number) => [{ input_ids: tensor('int64', [101, 2000 + i, 7, 102, 0, 0, 0, 0], [1, 8]) }]],
  ['pictures', (i: number) => [new Float32Array(30_000).fill(i / 8000)]],
  ['lengths', (i: number) => [new Uint8Array(i)]],
])('inputs of one kind are spread over all classes: %s', (_, args) => {
  const counts = Array.from({ length: 32 }, () => 0);
  for (let i = 0; i < 3200; i++) {
    const each = fingerprintOf(args(i), SEED) % 32;
    counts[each] = (counts[each] as number) + 1;
  }
  expect(Math.min(...counts)).toBeGreaterThan(30);
  expect(Math.max(...counts)).toBeLessThan(200);
});

test('of a large tensor few elements are read', () => {
  let reads = 0;
  const data = new Proxy(
    Array.from({ length: 1_000_000 }, () => 0),
    {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
        return Reflect.get(target, key) as unknown;
      },
    },
  );
  fingerprintOf([data], SEED);
  expect(reads).toBeGreaterThan(5);
  expect(reads).toBeLessThan(12);
});
