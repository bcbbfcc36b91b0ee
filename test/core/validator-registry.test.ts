import { describe, expect, test, vi } from 'vitest';
import { judge } from '../../src/safety/judge.ts';
import type { OutputPair, OutputValidator } from '../../src/safety/output-validator.ts';
import { createValidator } from '../../src/safety/output-validator.ts';
import type { ValidationReport } from '../../src/safety/validation-report.ts';
import { ValidatorRegistry } from '../../src/safety/validator-registry.ts';
import { workloadOf } from '../../src/safety/workload.ts';
import { createRandom } from '../helpers/cache-traces.ts';
import { healthyPairs } from '../helpers/healthy-outputs.ts';

const PAIR: OutputPair = { expected: [1, 2], actual: [1, 2] };
const PASSED: ValidationReport = {
  workloadType: 'custom',
  verdict: 'passed',
  samples: 1,
  metrics: [],
  worst: undefined,
  message: '',
};
const WRONG: readonly OutputPair[] = [{ expected: [1, 2], actual: [1, 3] }];

test('the built-in validators are there from the start', () => {
  const registry = new ValidatorRegistry();
  expect(registry.listRegistered()).toEqual(['classifier', 'embedding', 'encoder', 'generation', 'llm', 'reranker']);
  for (const workloadType of registry.listRegistered()) {
    expect(registry.isAsync(workloadType)).toBe(false);
    const pairs = healthyPairs(workloadType as 'llm', 64, createRandom(2));
    expect(registry.validate(workloadType, pairs)).toMatchObject({ workloadType, verdict: 'passed' });
  }
});

test('a validator takes the place of another, and is removed once', () => {
  const registry = new ValidatorRegistry();
  const validator: OutputValidator = { validate: () => PASSED };
  registry.register('encoder', validator);
  registry.register('custom', validator);
  expect([registry.get('encoder'), registry.get('custom')]).toEqual([validator, validator]);
  expect(registry.listRegistered()).toContain('custom');
  expect([registry.unregister('custom'), registry.unregister('custom'), registry.get('custom')]).toEqual([
    true,
    false,
    undefined,
  ]);
  expect(registry.unregister('embedding')).toBe(true);
  expect(new ValidatorRegistry().get('embedding')).toBeDefined();
});

test('what cannot validate is refused, and so is a workload without a validator', () => {
  const registry = new ValidatorRegistry();
  expect(() => registry.register('x', {} as OutputValidator)).toThrow(TypeError);
  expect(() => registry.register('x', undefined as unknown as OutputValidator)).toThrow(TypeError);
  expect(() => registry.validate('x', [PAIR])).toThrow(/no validator for "x". There are classifier, embedding/);
  expect(registry.isAsync('x')).toBe(false);
});

test('asynchronous validators are told by what they say, or by how they are declared', async () => {
  const registry = new ValidatorRegistry();
  registry.register('declared', { validate: async () => PASSED });
  registry.register('says so', { isAsync: true, validate: () => Promise.resolve(PASSED) });
  registry.register('not', { validate: () => PASSED });
  expect(['declared', 'says so', 'not'].map((name) => registry.isAsync(name))).toEqual([true, true, false]);
  expect(await registry.validate('declared', [PAIR])).toBe(PASSED);
});

test('a validator can be made of metrics of one’s own', () => {
  const registry = new ValidatorRegistry();
  const labelled = createValidator('custom', [
    {
      name: 'same_sum',
      bound: 0,
      direction: 'at_most',
      every: true,
      measure: ({ expected, actual }) => {
        const sum = (values: unknown): number => (values as readonly number[]).reduce((one, other) => one + other, 0);
        return Math.abs(sum(expected) - sum(actual));
      },
    },
  ]);
  registry.register('custom', labelled);
  expect(
    registry.validate(
      'custom',
      Array.from({ length: 59 }, () => PAIR),
    ),
  ).toMatchObject({ verdict: 'passed' });
  expect(registry.validate('custom', WRONG)).toMatchObject({
    verdict: 'failed',
    worst: { metric: 'same_sum', value: 1 },
  });
});

test('a validator may wait for what it measures', async () => {
  const registry = new ValidatorRegistry();
  registry.register('judged', {
    async validate(pairs) {
      const values = await Promise.all(pairs.map(async ({ expected, actual }) => (expected === actual ? 1 : 0)));
      const labels = pairs.map(({ label }) => label);
      return judge('judged', labels, [{ name: 'same', bound: 1, direction: 'at_least', every: true, values }]);
    },
  });
  expect(registry.isAsync('judged')).toBe(true);
  const pairs = (actual: string): readonly OutputPair[] =>
    Array.from({ length: 60 }, () => ({ expected: 'a', actual }));
  expect(await registry.validate('judged', pairs('a'))).toMatchObject({ verdict: 'passed', samples: 60 });
  expect(await registry.validate('judged', pairs('b'))).toMatchObject({ verdict: 'failed' });
});

describe('alerts', () => {
  test('reports go to all who listen, for as long as they do', () => {
    const registry = new ValidatorRegistry();
    const [one, other] = [vi.fn(), vi.fn()];
    const subscription = registry.onAlert(one);
    registry.onAlert(() => {
      throw new Error('a broken listener');
    });
    registry.onAlert(other);
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    registry.fireAlerts(PASSED);
    subscription[Symbol.dispose]();
    registry.fireAlerts(PASSED);
    expect([one.mock.calls, other.mock.calls]).toEqual([[[PASSED]], [[PASSED], [PASSED]]]);
    log.mockRestore();
  });

  test('a comparison that failed fires them, and no other does', async () => {
    const registry = new ValidatorRegistry();
    const alerts: ValidationReport[] = [];
    registry.onAlert((report) => alerts.push(report));
    registry.validate('encoder', [PAIR]);
    registry.validate('encoder', healthyPairs('encoder', 60, createRandom(1)));
    expect(alerts).toEqual([]);
    const report = registry.validate('encoder', WRONG);
    expect(alerts).toEqual([report]);
    registry.register('later', { validate: async () => ({ ...PASSED, verdict: 'failed' }) });
    await registry.validate('later', [PAIR]);
    expect(alerts).toHaveLength(2);
  });
});

test('a validator that fails has found nothing out', async () => {
  const registry = new ValidatorRegistry();
  const error = new Error('no judge');
  registry.register('throws', {
    validate: () => {
      throw error;
    },
  });
  registry.register('rejects', { validate: () => Promise.reject(error) });
  registry.register('says nothing', { validate: () => undefined as unknown as ValidationReport });
  registry.register('says nothing later', { validate: async () => undefined as unknown as ValidationReport });
  registry.register('passes nothing', { validate: () => PASSED });
  for (const name of ['throws', 'rejects'])
    expect(await registry.validate(name, [PAIR])).toMatchObject({
      verdict: 'undecided',
      error,
      message: 'The validator failed: no judge',
    });
  for (const name of ['says nothing', 'says nothing later'])
    expect(await registry.validate(name, [PAIR])).toMatchObject({ verdict: 'undecided' });
  expect(registry.validate('passes nothing', [])).toMatchObject({ verdict: 'undecided' });
});

test('each type of model has a workload; what is not known is compared number by number', () => {
  const types = ['embedding', 'classifier', 'reranker', 'generation', 'llm', 'encoder', 'unknown'] as const;
  expect(types.map(workloadOf)).toEqual([...types.slice(0, 6), 'encoder']);
});
