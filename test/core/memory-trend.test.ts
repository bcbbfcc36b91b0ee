/** Leaks, and what looks like one, by simulation. */

import { describe, expect, test } from 'vitest';
import { LeakWatch } from '../../src/leak-watch.ts';
import { MemoryTrend } from '../../src/memory-trend.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import type { FakeClock } from '../helpers/fake-clock.ts';

const MB = 1 << 20;

/** xorshift32 (G. Marsaglia, 2003), from 0 to below 1. */
function randomFrom(seed: number): () => number {
  let x = seed | 0 || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** Box and Muller's. */
const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** The reading, from 0, at which it was told, and what was told. */
function firstAlarm(
  readings: number,
  at: (i: number) => number,
): { readonly at: number; readonly grown: number } | undefined {
  const trend = new MemoryTrend();
  for (let i = 0; i < readings; i++) {
    const grown = trend.add(at(i));
    if (grown !== undefined) return { at: i, grown };
  }
  return undefined;
}

describe('healthy, over 100,000 readings, is memory that', () => {
  const random = randomFrom(7);
  let walk = 0;
  let largest = 0;
  test.each<[string, (i: number) => number]>([
    ['stays', () => 500 * MB],
    ['is noisy', () => (500 + 200 * normal(random)) * MB],
    ['has a long tail', () => (300 + 100 * Math.exp(2 * normal(random))) * MB],
    ['fills once, in steps', (i) => (300 + Math.min(200, Math.floor(i / 40) * 10)) * MB],
    ['fills once, less and less', (i) => (300 + 900 * (1 - Math.exp(-i / 4))) * MB],
    ['is filled from the start by far more', (i) => (i < 4 ? 100 : 3000) * MB],
    ['is collected often', (i) => (300 + (i % 7) * 60) * MB],
    ['is collected rarely', (i) => (300 + ((i % 997) / 997) * 240) * MB],
    ['is collected rarely, at other times each time', (i) => (300 + ((i * (1 + Math.sin(i / 5000))) % 1500) / 8) * MB],
    ['rises and falls with the day', (i) => (600 + 110 * Math.sin(i / 3000)) * MB],
    [
      'wanders between bounds',
      () => (walk = Math.min(200 * MB, Math.max(0, walk + 4 * MB * normal(random)))) + 300 * MB,
    ],
    [
      'is as much as the largest input needed so far',
      () => (largest = Math.max(largest, 300 * MB * random())) + 200 * MB,
    ],
    ['grows by less than is worth a new host', (i) => (400 + Math.min(240, i / 400)) * MB],
    ['grows by less than a quarter', (i) => (8000 + Math.min(1900, i / 10)) * MB],
  ])('%s', (_name, at) => {
    expect(firstAlarm(100_000, at)).toBeUndefined();
  });
});

test('of ten million healthy readings, a million in each of ten hosts, none is an alarm: the budget is one in a million', () => {
  for (let host = 0; host < 10; host++) {
    const random = randomFrom(1000 + host);
    // A heap that is collected once it holds so much, with noise that could carry it over the bound by itself.
    let heap = 0;
    let limit = 100;
    const at = (): number => {
      heap += 8 * random();
      if (heap > limit) [heap, limit] = [20 * random(), 60 + 140 * random()];
      return (400 + heap + 150 * Math.abs(normal(random))) * MB;
    };
    expect(firstAlarm(1_000_000, at)).toBeUndefined();
  }
}, 120_000);

test('of 16 blocks in any order a trend is seen once in a million times, at most', () => {
  // Numbers of inversions of a random order, by their generating function: product of (1 + x + … + x^k) / (k + 1).
  let chances = [1];
  for (let k = 1; k < 16; k++) {
    const next = Array.from({ length: chances.length + k }, () => 0);
    chances.forEach((chance, i) => {
      for (let j = 0; j <= k; j++) next[i + j] = (next[i + j] as number) + chance / (k + 1);
    });
    chances = next;
  }
  const pairs = (16 * 15) / 2;
  const most = Math.floor((pairs * (1 - 0.8)) / 2);
  expect(chances.slice(0, most + 1).reduce((sum, each) => sum + each, 0)).toBeLessThan(1e-6);
});

describe('a leak is found', () => {
  const random = randomFrom(99);
  test.each<[string, (i: number) => number, number]>([
    ['of 8 MB a reading, as soon as there is anything to see', (i) => (300 + 8 * i) * MB, 80],
    ['of 1 MB a reading', (i) => (300 + i) * MB, 400],
    ['of a hundredth of that', (i) => (300 + i / 100) * MB, 40_000],
    ['below a heap that is collected', (i) => (300 + i / 10 + (i % 13) * 20) * MB, 4000],
    ['below noise', (i) => (300 + i / 10 + 60 * normal(random)) * MB, 4000],
    ['in steps of 80 MB, as WebAssembly grows', (i) => (300 + 80 * Math.floor(i / 100)) * MB, 1200],
    ['that begins after a long time', (i) => (300 + Math.max(0, i - 2000)) * MB, 12_000],
    ['in a host that has 4 GB', (i) => (4000 + 4 * i) * MB, 400],
  ])('%s', (_name, at, within) => {
    const alarm = firstAlarm(1_000_000, at);
    expect(alarm?.at).toBeLessThan(within);
    expect(alarm?.grown).toBeGreaterThanOrEqual(256 * MB);
  });
});

describe('a host that replaced another', () => {
  /** A reading each ten seconds of a host that leaks 50 MB in each. How many there were when it was told. */
  function readingsUntilTold(watch: LeakWatch, clock: FakeClock, perReading = 50): number {
    for (let i = 1; i < 10_000; i++) {
      clock.advance(10_000);
      if (watch.add((300 + perReading * i) * MB) !== undefined) return i;
    }
    return Infinity;
  }

  test('may grow twice as far, and four times at most', () => {
    const clock = createFakeClock();
    const watch = new LeakWatch(clock);
    const found = Array.from({ length: 5 }, () => {
      watch.begin();
      return readingsUntilTold(watch, clock, 1);
    });
    const [first, second, third] = found as [number, number, number];
    expect(second / first).toBeGreaterThan(1.5);
    expect(third / second).toBeGreaterThan(1.5);
    expect(found.slice(3)).toEqual([third, third]);
  });

  test('is let be for a minute, then for two, up to an hour; after a day it begins anew', () => {
    const clock = createFakeClock();
    const watch = new LeakWatch(clock);
    const minutes = (): number => {
      watch.begin();
      // All of it at once: what it waits for is the time.
      for (let i = 0; i < 200; i++) if (watch.add((300 + 50 * i) * MB) !== undefined) return 0;
      return readingsFrom(200);
    };
    const readingsFrom = (from: number): number => {
      for (let i = 1; i < 100_000; i++) {
        clock.advance(1000);
        if (watch.add((300 + 50 * (from + i)) * MB) !== undefined) return i / 60;
      }
      return Infinity;
    };
    const waits = Array.from({ length: 9 }, minutes);
    expect(waits[0]).toBe(0);
    for (const [i, least] of [1, 2, 4, 8, 16, 32, 60, 60].entries()) {
      expect(waits[i + 1]).toBeGreaterThanOrEqual(least);
      // A block of readings that is under way is waited for.
      expect(waits[i + 1]).toBeLessThan(least * 1.2 + 0.5);
    }
    clock.advance(2 * 86_400_000);
    expect(minutes()).toBe(0);
    expect(minutes()).toBeLessThan(2);
  });

  test('that could not be replaced is told of again, after the wait', () => {
    const clock = createFakeClock();
    const watch = new LeakWatch(clock);
    watch.begin();
    expect(readingsUntilTold(watch, clock)).toBeLessThan(Infinity);
    let i = 10_000;
    const next = (): number | undefined => watch.add((300 + 50 * i++) * MB);
    clock.advance(120_000);
    for (let k = 0; k < 1000; k++) expect(next()).toBeUndefined();
    watch.failed();
    let told: number | undefined;
    for (let k = 0; k < 10_000 && told === undefined; k++) told = next();
    expect(told).toBeGreaterThan(256 * MB);
  });
});
