import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { valuesMatch } from '../../src/adapters/compare.ts';
import { DriftMonitor } from '../../src/safety/drift-monitor.ts';
import type { DriftMonitorOptions } from '../../src/safety/drift-monitor.ts';
import { createRandom } from '../helpers/cache-traces.ts';
import { DISTANCES, drawNormal } from '../helpers/distances.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const PERIOD_MS = 1000_000;

/** Compares numbers that are distances already, or several by name. */
function createMonitor(options: DriftMonitorOptions = {}, seed = 1) {
  const [clock, random] = [createFakeClock(), createRandom(seed)];
  const monitor = new DriftMonitor({ clock, random, ...options });
  const record = (distances: Readonly<Record<string, number>>, label?: string, name = 'webgpu'): string | undefined =>
    monitor.recordShadowComparison(name, 0, distances, (_, each) => each as typeof distances, 'encoder', label) as
      | string
      | undefined;
  return { clock, random, monitor, record };
}

/** Expects so many comparisons in a period. */
const expecting = (comparisons: number): DriftMonitorOptions => ({
  sampleRate: 1,
  periodMs: PERIOD_MS,
  callsPerSecond: comparisons / (PERIOD_MS / 1000),
});

describe('the sample', () => {
  test.each([0.01, 0.5, 1])('is a share of %d of the calls, at random', (sampleRate) => {
    const { monitor } = createMonitor({ sampleRate });
    const count = 200_000;
    const gaps: number[] = [];
    for (let i = 0, last = -1; i < count; i++) {
      if (!monitor.shouldSample()) continue;
      gaps.push(i - last);
      last = i;
    }
    const deviation = Math.sqrt(sampleRate * (1 - sampleRate) * count);
    expect(Math.abs(gaps.length - sampleRate * count)).toBeLessThanOrEqual(4 * deviation);
    // Whether the next call is taken does not depend on how long none was.
    const next = gaps.filter((gap) => gap === 1).length / gaps.length;
    expect(Math.abs(next - sampleRate)).toBeLessThanOrEqual(
      4 * Math.sqrt((sampleRate * (1 - sampleRate)) / gaps.length),
    );
  });

  test('may be none', () => {
    const { monitor } = createMonitor({ sampleRate: 0 });
    expect(Array.from({ length: 1000 }, () => monitor.shouldSample())).not.toContain(true);
  });
});

describe('false alarms', () => {
  const budget = 60;

  test.each(Object.entries(DISTANCES))('are fewer than the budget, of distances %s', (_, draw) => {
    const { random, record, monitor } = createMonitor({ ...expecting(20_000), falseAlarms: budget });
    for (let i = 0; i < 20_000; i++) {
      const one = draw(random);
      record({ max: one, rms: one * (1 + random()), other: draw(random) }, `[1, ${2 ** Math.floor(4 * random())}]`);
    }
    // By chance there could be more than the average, which is half the budget at most.
    expect(monitor.getDiagnostics().alarms).toBeLessThan(budget);
  });

  test('are fewer than the budget also where there are 16 times as many calls as expected', () => {
    const { random, record, monitor } = createMonitor({ ...expecting(2000), falseAlarms: budget });
    for (let i = 0; i < 32_000; i++) record({ max: random() });
    expect(monitor.getDiagnostics().alarms).toBeLessThan(budget);
    expect(monitor.getDiagnostics().alarms).toBeGreaterThan(0);
  });

  test('are as few where labels differ from each other, and come in turns', () => {
    const { random, record, monitor } = createMonitor({ ...expecting(20_000), falseAlarms: budget });
    for (let i = 0; i < 20_000; i++) {
      const size = 10 ** (Math.floor(i / 500) % 4);
      record({ max: size * random() }, `[1, ${size}]`);
    }
    expect(monitor.getDiagnostics().alarms).toBeLessThan(budget);
  });
});

/** After how many comparisons each of many monitors alarms, ascending. */
function delays(healthy: number, drift: (distance: number, random: () => number) => number, rounds = 100): number[] {
  const found = Array.from({ length: rounds }, (_, round) => {
    const { random, record } = createMonitor({}, 100 + round);
    const draw = (): number => Math.exp(drawNormal(random));
    for (let i = 0; i < healthy; i++) record({ max: draw() });
    for (let count = 1; count <= 500; count++) if (record({ max: drift(draw(), random) }) !== undefined) return count;
    return Infinity;
  });
  return found.toSorted((a, b) => a - b);
}

describe('drift is found, at the default budget of one false alarm a month at 100 calls a second', () => {
  test.each<readonly [string, number, Parameters<typeof delays>[1], number]>([
    ['answers beyond all before', 1000, (distance) => distance * 1e6, 6],
    ['half of the answers beyond all before', 1000, (distance, random) => distance * (random() < 0.5 ? 1e6 : 1), 25],
    ['two standard deviations', 1000, (distance) => distance * Math.exp(2), 20],
    ['one standard deviation', 1000, (distance) => distance * Math.E, 75],
    ['answers beyond all before, early on', 100, (distance) => distance * 1e6, 16],
  ])('%s, after %i', (_, healthy, drift, within) => {
    expect(delays(healthy, drift)[94]).toBeLessThanOrEqual(within);
  });

  test('which optimisation, which distance, and which inputs are named', () => {
    const { random, record, monitor } = createMonitor();
    const shapes = ['[1, 16]', '[1, 128]', '[8, 128]'];
    const run = (drifted: number): string[] => {
      const reasons: string[] = [];
      for (let i = 0; i < 3000; i++) {
        const label = shapes[i % 3] as string;
        const rms = random();
        const max = 1 + random();
        const reason = record({ max: label === '[8, 128]' ? max * drifted : max, rms }, label);
        record({ max, rms }, label, 'fp16');
        if (reason !== undefined) reasons.push(reason);
      }
      return reasons;
    };
    expect(run(1)).toEqual([]);
    const [first] = run(1000);
    expect(first).toMatch(
      /^The answers of webgpu to \[8, 128\] have drifted from the reference's: max was 1\.5 as a rule and is [\d.e+]+ of late\.$/,
    );
    const scores = monitor.getDiagnostics().scores.filter((each) => each.metric === 'max');
    const drifted = scores.filter(({ recent }) => recent > 100);
    expect(drifted.map(({ optimizationName, label }) => `${optimizationName} ${label}`).toSorted()).toEqual([
      'webgpu [8, 128]',
      'webgpu undefined',
    ]);
  });

  test('where it is in all kinds of inputs, each of them rare, all together show it', () => {
    const { random, record } = createMonitor();
    const label = (): string => `[1, ${Math.floor(30 * random())}]`;
    for (let i = 0; i < 3000; i++) expect(record({ max: random() }, label())).toBeUndefined();
    let [reason, count]: [string | undefined, number] = [undefined, 0];
    for (; reason === undefined && count < 30; count++) reason = record({ max: 10 + random() }, label());
    expect(count).toBeLessThan(15);
    expect(reason).toContain('of webgpu to inputs of several kinds have drifted');
  });

  test('a distance without an end is one at once', () => {
    const { record, monitor } = createMonitor();
    expect(record({ max: 1, cosine: NaN }, '[1, 16]')).toBe(
      "An answer of webgpu to [1, 16] is nowhere near the reference's: cosine is not finite.",
    );
    expect(record({ max: Infinity })).toContain('An answer of webgpu is nowhere near');
    expect(monitor.getDiagnostics()).toMatchObject({ comparisons: 2, alarms: 2, scores: [] });
  });
});

test('scores are as usual while all is well, high where it is not, and forgotten where the reference is new', () => {
  const { random, record, monitor } = createMonitor();
  expect(monitor.getEwmaScores('webgpu')).toBeUndefined();
  for (let i = 0; i < 500; i++) record({ max: random(), rms: random() });
  for (let i = 0; i < 50; i++) record({ max: 5 + random(), rms: random() });
  const { max, rms } = monitor.getEwmaScores('webgpu') as { max: number; rms: number };
  expect(max).toBeGreaterThan(0.9);
  expect(rms).toBeLessThan(0.85);
  monitor.refreshReference('fp16');
  expect(monitor.getEwmaScores('webgpu')).toEqual({ max, rms });
  monitor.refreshReference('webgpu');
  expect(monitor.getEwmaScores('webgpu')).toBeUndefined();
  // What was drift is what is usual now.
  for (let i = 0; i < 500; i++) expect(record({ max: 5 + random() })).toBeUndefined();
});

test('labels beyond 32 are counted together, so that callers cannot use up the memory', () => {
  const { random, record, monitor } = createMonitor();
  for (let i = 0; i < 500; i++) record({ max: random() }, `[1, ${i}]`);
  const { scores } = monitor.getDiagnostics();
  expect(scores).toHaveLength(1 + 32 + 1);
  expect(scores.find(({ label }) => label === 'others')?.comparisons).toBe(500 - 32);
});

describe('answers are compared', () => {
  const compare = (
    comparer: Parameters<DriftMonitor['recordShadowComparison']>[3],
    original: unknown,
    optimized: unknown,
  ) => {
    const { monitor } = createMonitor();
    const reason = monitor.recordShadowComparison('webgpu', original, optimized, comparer, 'encoder');
    return {
      reason,
      recent: () => Object.fromEntries(monitor.getDiagnostics().scores.map((each) => [each.metric, each.recent])),
    };
  };
  const adapter = { outputsMatch: valuesMatch };

  test('by an adapter: the distance is the smallest tolerance within which they match', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-8, max: 10, noNaN: true }), (error) => {
        const { recent } = compare(adapter, Float64Array.of(1, -4), Float64Array.of(1, -4 + 4 * error));
        const { tolerance } = recent() as { tolerance: number };
        expect(tolerance / error).toBeGreaterThan(0.999_999);
        expect(tolerance / error).toBeLessThan(Math.SQRT2 * 1.000_001);
      }),
    );
    expect(compare(adapter, Float64Array.of(1), Float64Array.of(1)).recent()).toEqual({ tolerance: 0 });
    expect(compare(adapter, Float64Array.of(1), Float64Array.of(NaN)).reason).toContain('tolerance is not finite');
    expect(compare(adapter, { a: 1 }, { b: 1 }).reason).toContain('tolerance is not finite');
  });

  test('by an adapter that has to wait for its device', async () => {
    const later = { outputsMatch: async (...args: Parameters<typeof valuesMatch>) => valuesMatch(...args) };
    const { reason, recent } = compare(later, Float64Array.of(1), Float64Array.of(1.1));
    expect(reason).toBeInstanceOf(Promise);
    expect(await reason).toBeUndefined();
    expect(recent()['tolerance']).toBeCloseTo(0.125);
  });

  test('by a validator: what it measured, the more the further apart', () => {
    const metrics = [
      { name: 'cosine', value: 0.75, direction: 'at_least' as const, samples: 1 },
      { name: 'max', value: 0.01, direction: 'at_most' as const, samples: 1 },
      { name: 'top_k', value: NaN, direction: 'at_least' as const, samples: 0 },
    ];
    const { recent } = compare({ validate: () => ({ metrics }) }, 'a', 'b');
    expect(recent()).toEqual({ '1 - cosine': 0.25, max: 0.01 });
  });

  test('but not where the reference was refreshed meanwhile', async () => {
    const { monitor } = createMonitor();
    const reasons = [0, 1].map(() =>
      monitor.recordShadowComparison('webgpu', 0, 0, async () => ({ max: Infinity }), 'encoder'),
    );
    expect(await reasons[0]).toContain('not finite');
    const late = monitor.recordShadowComparison('webgpu', 0, 0, async () => ({ max: Infinity }), 'encoder');
    monitor.refreshReference('webgpu');
    expect([await reasons[1], await late].map((each) => each === undefined)).toEqual([false, true]);
    expect(monitor.getEwmaScores('webgpu')).toBeUndefined();
  });

  test('and where the comparer fails, so does the comparison', async () => {
    const failing = async (): Promise<never> => {
      throw new Error('lost device');
    };
    await expect(compare(failing, 1, 2).reason).rejects.toThrow('lost device');
  });

  test('with nothing to measure nothing is found', () => {
    expect(compare(() => ({}), 1, 2).reason).toBeUndefined();
  });
});

test.each<DriftMonitorOptions>([
  { sampleRate: -0.1 },
  { sampleRate: 1.1 },
  { sampleRate: NaN },
  { falseAlarms: 0 },
  { periodMs: Infinity },
  { callsPerSecond: -1 },
])('refuses %j', (options) => {
  expect(() => new DriftMonitor(options)).toThrow(RangeError);
});

test('scores are those of a plain reckoning, whatever is compared in any order', () => {
  const call = fc.record({
    name: fc.constantFrom('webgpu', 'fp16'),
    label: fc.constantFrom('', 'a', 'b'),
    distance: fc.constantFrom(0, 1e-7, 0.5, 1, 3),
    isRefreshed: fc.nat(30).map((each) => each === 0),
  });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 150, size: 'max' }), (calls) => {
      // Ties are never broken upwards, so that ranks are plain.
      const monitor = new DriftMonitor({ clock: createFakeClock(), random: () => 0 });
      let past: typeof calls = [];
      const scores = new Map<string, number>();
      for (const each of calls) {
        const { name, label, distance } = each;
        if (each.isRefreshed) {
          monitor.refreshReference(name);
          past = past.filter((other) => other.name !== name);
          for (const key of scores.keys()) if (key.startsWith(name)) scores.delete(key);
        }
        monitor.recordShadowComparison(name, 0, 0, () => ({ max: distance }), 'encoder', label);
        const others = past.filter((other) => other.name === name && other.label === label);
        const rank = others.filter((other) => other.distance < distance).length / (others.length + 1);
        for (const key of [`${name} undefined`, `${name} ${label}`]) {
          const score = scores.get(key) ?? 0.5;
          scores.set(key, score + 0.1 * (rank - score));
        }
        past.push(each);
      }
      const real = monitor
        .getDiagnostics()
        .scores.map((each) => [`${each.optimizationName} ${each.label}`, each.score]);
      expect(Object.fromEntries(real as [string, number][])).toEqual(Object.fromEntries(scores));
    }),
  );
});
