import * as fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { callableAdapter } from '../../src/adapters/callable.ts';
import { InferenceConfig } from '../../src/config.ts';
import { Histogram } from '../../src/histogram.ts';
import { InferenceProfiler } from '../../src/metrics/profiler.ts';
import { InferenceOptimizer } from '../../src/optimizer.ts';

const adapter = callableAdapter();
const call = (callTimeMs: number, modelId = 1) => ({ modelId, adapter, model: {}, callTimeMs });

test('quantiles are within 1.1 % of the true ones', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, q) => {
        const histogram = new Histogram();
        for (const value of values) histogram.observe(value);
        const exact = values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(q * values.length)) - 1] as number;
        expect(Math.abs((histogram.quantile(q) as number) - exact)).toBeLessThanOrEqual(exact * 0.011);
      },
    ),
  );
});

test('an empty histogram has no quantiles; odd values are counted', () => {
  const histogram = new Histogram();
  expect([histogram.quantile(0.5), histogram.mean, histogram.min, histogram.max]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  for (const value of [-1, NaN, 0, 1e300]) histogram.observe(value);
  expect([histogram.count, histogram.min, histogram.max]).toEqual([4, 0, 1e300]);
});

test('the baseline is the warm-up without its first run, and sampling goes on at the rate', () => {
  const profiler = new InferenceProfiler({ warmupTarget: 3, sampleRate: 0.25 });
  const golden = vi.fn();
  profiler.setGoldenCallback(golden);
  for (const ms of [100, 2, 4]) profiler.recordCall(call(ms));
  expect(profiler.isWarmupComplete(1)).toBe(true);
  for (let i = 0; i < 8; i++) profiler.recordCall(call(10));
  expect(golden).toHaveBeenCalledTimes(3 + 2);
  expect(profiler.getSummary(1)).toMatchObject({
    calls: 11,
    sampled: 5,
    baselineMs: 3,
    maxMs: 100,
    minMs: 2,
    meanBatchSize: 1,
    gpuMeanMs: undefined,
  });
  expect(profiler.getSummary(2)).toBeUndefined();
  profiler.recordCall({ ...call(1, 2), gpuTimeMs: 0.5, batchSize: 4 });
  expect(profiler.getAllSummaries().get(2)).toMatchObject({
    gpuMeanMs: 0.5,
    meanBatchSize: 4,
    baselineMs: 1,
    warmupComplete: false,
  });
  profiler.forget(2);
  expect([...profiler.getAllSummaries().keys()]).toEqual([1]);
});

test('a golden callback that throws, or rejects, fails no run; another takes its place', async () => {
  const report = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const profiler = new InferenceProfiler();
  const error = new Error('full disk');
  profiler.setGoldenCallback(() => {
    throw error;
  });
  profiler.recordCall(call(1));
  expect(report).toHaveBeenCalledWith(expect.any(String), error);
  profiler.setGoldenCallback(() => Promise.reject(error));
  profiler.recordCall(call(1));
  await new Promise((resolve) => setImmediate(resolve));
  expect(report).toHaveBeenCalledTimes(2);
  profiler.setGoldenCallback(undefined);
  profiler.recordCall(call(1));
  expect(profiler.getSummary(1)).toMatchObject({ calls: 3, sampled: 3 });
  expect(report).toHaveBeenCalledTimes(2);
  report.mockRestore();
});

test('a warm-up or a rate that makes no sense is refused', () => {
  expect(() => new InferenceProfiler({ warmupTarget: 0 })).toThrow(RangeError);
  expect(() => new InferenceProfiler({ sampleRate: 1.1 })).toThrow(RangeError);
  expect(() => new InferenceProfiler({ sampleRate: NaN })).toThrow(RangeError);
});

test('the optimizer says what is on and why, and claims nothing that is not there', () => {
  const optimizer = new InferenceOptimizer();
  const seen = vi.fn();
  optimizer.onDecision(seen);
  const decide = (config: ConstructorParameters<typeof InferenceConfig>[0], framework = 'tfjs') =>
    optimizer.decide({ modelId: 1, framework, identity: undefined, config: new InferenceConfig(config) });
  expect(decide({ maxLevel: 4 })).toMatchObject({
    level: 2,
    steps: {
      cache: { on: true },
      batching: { on: true },
      compilation: { on: false, reason: 'only what load() opened can be opened another way' },
      lossy: { on: false, reason: 'only what load() opened can be opened another way' },
    },
  });
  expect(decide({ maxLevel: 4 }, 'hosted')).toMatchObject({
    level: 3,
    steps: { compilation: { on: true }, lossy: { on: false, reason: 'no variants of the model were given to load()' } },
  });
  const offered = { modelId: 1, framework: 'hosted', identity: undefined, hasVariants: true };
  expect(optimizer.decide({ ...offered, config: new InferenceConfig({ maxLevel: 4 }) })).toMatchObject({
    level: 4,
    steps: { lossy: { on: true } },
  });
  expect(optimizer.decide({ ...offered, config: new InferenceConfig({ maxLevel: 3 }) })).toMatchObject({
    level: 3,
    steps: { lossy: { on: false, reason: 'max_level is 3; this is level 4' } },
  });
  expect(decide({ maxLevel: 4, compilation: { enabled: false } }, 'hosted').steps.compilation.on).toBe(false);
  expect(decide({ maxLevel: 4, batching: { enabled: false } })).toMatchObject({
    level: 1,
    steps: { batching: { on: false, reason: 'batching.enabled is false' } },
  });
  expect(decide({ maxLevel: 0 }).steps.cache).toEqual({ on: false, reason: 'max_level is 0; this is level 1' });
  expect(decide({ frameworks: ['onnxruntime'] }).steps.cache.on).toBe(false);
  expect(decide({ frameworks: ['onnxruntime'] }, 'my own').steps.cache.on).toBe(true);
  expect(optimizer.explain(1)?.framework).toBe('my own');
  expect(seen).toHaveBeenCalledTimes(9);
  optimizer.forget(1);
  expect(optimizer.explain(1)).toBeUndefined();
});
