import { expect, test } from 'vitest';
import { RepeatMonitor } from '../../src/cache/repeat-monitor.ts';
import { createRandom, createZipf } from '../helpers/cache-traces.ts';

/** A model behind a cache that forgets nothing, and a monitor. */
function createModel(random = createRandom(7)) {
  const monitor = new RepeatMonitor(random);
  const kept = new Set<number>();
  const counts = { asked: 0, looked: 0, hits: 0 };
  return {
    monitor,
    counts,
    /** Whether it was looked for. */
    ask(question: number): boolean {
      counts.asked++;
      if (monitor.isBypassing) {
        monitor.passed();
        return false;
      }
      counts.looked++;
      const isHit = kept.has(question);
      monitor.record(isHit);
      if (isHit) counts.hits++;
      else kept.add(question);
      return true;
    },
  };
}

/** Asks new questions until they go past the cache. */
function createBypassing(random?: () => number) {
  const model = createModel(random);
  for (let i = 0; i < 1024; i++) model.ask(1e9 + i);
  expect(model.monitor.isBypassing).toBe(true);
  return model;
}

/** How many questions are asked until one of them is found; `question` gives the n-th. */
function noticedAfter(question: (n: number) => number, random?: () => number): number {
  const { counts, ask } = createBypassing(random);
  for (let n = 0; n < 100_000; n++) {
    ask(question(n));
    if (counts.hits > 0) return n + 1;
  }
  return Infinity;
}

/** The same at the best, the middle and the worst of 200 starts of samples. */
function noticed(question: (n: number) => number): { readonly middle: number; readonly worst: number } {
  const all = Array.from({ length: 200 }, (_, i) => noticedAfter(question, createRandom(i + 1))).toSorted(
    (a, b) => a - b,
  );
  return { middle: all[100] as number, worst: all.at(-1) as number };
}

test('every question is looked for until 1024 lookups in a row missed', () => {
  const monitor = new RepeatMonitor();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 1023; i++) monitor.record(false);
    expect(monitor.isBypassing).toBe(false);
    monitor.record(true);
  }
  for (let i = 0; i < 1024; i++) monitor.record(false);
  expect(monitor.isBypassing).toBe(true);
  monitor.record(true);
  expect(monitor.isBypassing).toBe(false);
});

test('of questions that never repeat, one in 32 is looked for', () => {
  const { counts, ask } = createBypassing();
  for (let i = 0; i < 1_000_000; i++) ask(i);
  expect((counts.looked - 1024) / 1_000_000).toBeGreaterThan(0.9 / 32);
  expect((counts.looked - 1024) / 1_000_000).toBeLessThan(1.1 / 32);
});

test('16 in a row are looked for, with never more than 992 between them, nor always as many', () => {
  const { ask } = createBypassing();
  const runs: { readonly is: boolean; length: number }[] = [];
  for (let i = 0; i < 200_000; i++) {
    const is = ask(i);
    const last = runs.at(-1);
    if (last?.is === is) last.length++;
    else runs.push({ is, length: 1 });
  }
  const whole = runs.slice(0, -1);
  expect(new Set(whole.filter(({ is }) => is).map(({ length }) => length))).toEqual(new Set([16]));
  const gaps = whole.filter(({ is }) => !is).map(({ length }) => length);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(992);
  expect(new Set(gaps).size).toBeGreaterThan(gaps.length / 4);
});

test.each([
  [100, 1000, 3000],
  [1000, 2000, 6000],
  [10_000, 5000, 15_000],
])('a pool of %d questions that are asked over and over is noticed', (size, middle, worst) => {
  const random = createRandom(1);
  const found = noticed(() => Math.floor(random() * size));
  expect(found.middle).toBeLessThan(middle);
  expect(found.worst).toBeLessThan(worst);
});

test('questions that repeat as people’s do are noticed', () => {
  expect(noticed(createZipf(100_000, 1, createRandom(1))).worst).toBeLessThan(5000);
});

test('a single question that repeats is noticed, among others that never do', () => {
  const regular = noticed((n) => (n % 100 === 0 ? -1 : n));
  const random = createRandom(2);
  const byChance = noticed((n) => (random() < 0.01 ? -1 : n));
  for (const { middle, worst } of [regular, byChance]) {
    expect(middle).toBeLessThan(10_000);
    expect(worst).toBeLessThan(40_000);
  }
});

test.each([100, 512, 1000, 4096, 8192, 10_000])('%d questions in a loop are noticed', (length) => {
  const { middle, worst } = noticed((n) => n % length);
  const usual = 32 * Math.sqrt(16 * length);
  expect(middle).toBeLessThan(1.5 * usual);
  expect(worst).toBeLessThan(5 * usual + 1000);
});

test('where 1 % of the lookups hit, less than 0.1 % of the hits are lost; of rarer ones, at most 0.2 % of the questions', () => {
  const lost = (rate: number, asked = 1_000_000): number => {
    const random = createRandom(3);
    const monitor = new RepeatMonitor(random);
    let hits = 0;
    for (let i = 0; i < asked; i++) {
      const isHit = random() < rate;
      if (!monitor.isBypassing) {
        monitor.record(isHit);
      } else {
        monitor.passed();
        if (isHit) hits++;
      }
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
