import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import type { OutputPair, OutputValidator } from '../../src/safety/output-validator.ts';
import type { ValidationReport } from '../../src/safety/validation-report.ts';
import { classifierValidator } from '../../src/safety/validators/classifier.ts';
import { embeddingValidator } from '../../src/safety/validators/embedding.ts';
import { encoderValidator } from '../../src/safety/validators/encoder.ts';
import { generationValidator, llmValidator } from '../../src/safety/validators/generation.ts';
import { rerankerValidator } from '../../src/safety/validators/reranker.ts';
import type { Portable } from '../../src/portable.ts';
import { tensor } from '../../src/tensor.ts';
import type { Tensor } from '../../src/tensor.ts';
import { portable } from '../helpers/arbitraries.ts';
import { createRandom } from '../helpers/cache-traces.ts';
import { healthyPairs, noisy } from '../helpers/healthy-outputs.ts';
import type { Workload } from '../helpers/healthy-outputs.ts';

const VALIDATORS: Readonly<Record<Workload, OutputValidator<ValidationReport>>> = {
  embedding: embeddingValidator(),
  classifier: classifierValidator(),
  reranker: rerankerValidator(),
  generation: generationValidator(),
  llm: llmValidator(),
  encoder: encoderValidator(),
};
const WORKLOADS = Object.keys(VALIDATORS) as readonly Workload[];

/** So many healthy answers, with one put in the place of another. */
function withOne(workload: Workload, change: (pair: OutputPair) => OutputPair, count = 64): ValidationReport {
  const pairs = healthyPairs(workload, count, createRandom(3));
  return VALIDATORS[workload].validate(pairs.map((pair, i) => (i === 40 ? change(pair) : pair)));
}

/** The first tensor in an answer, with its data changed. */
function changed(value: Portable, change: (data: Float32Array) => void): Portable {
  const [name, first] = Object.entries(value as Record<string, Tensor<'float32'>>)[0] as [string, Tensor<'float32'>];
  const data = first.data.slice();
  change(data);
  return { ...(value as object), [name]: tensor('float32', data, first.dims) } as Portable;
}

function metric(report: ValidationReport, name: string) {
  const found = report.metrics.find((each) => each.name === name);
  if (found === undefined) throw new Error(`There is no metric ${name} in ${JSON.stringify(report)}`);
  return found;
}

describe.each(WORKLOADS)('%s', (workload) => {
  const validator = VALIDATORS[workload];

  test('rounding passes once there are enough samples, and never fails', () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = createRandom(seed);
      const report = validator.validate(healthyPairs(workload, 64, random));
      expect(report, report.message).toMatchObject({ verdict: 'passed', samples: 64, message: '' });
      expect(validator.validate(healthyPairs(workload, 16, random)).verdict).toBe('undecided');
    }
  });

  test('equal answers are perfect', () => {
    const pairs = healthyPairs(workload, 60, createRandom(1)).map(({ expected }) => ({ expected, actual: expected }));
    for (const { direction, value, mean } of validator.validate(pairs).metrics) {
      expect([value, mean]).toEqual(direction === 'at_least' ? [1, 1] : [0, 0]);
    }
  });

  test('nothing passes on nothing', () => {
    expect(validator.validate([]).verdict).toBe('undecided');
    for (const nothing of [{}, [], null]) {
      const pairs = Array.from({ length: 100 }, () => ({ expected: nothing, actual: nothing }));
      expect(validator.validate(pairs).verdict).toBe('undecided');
    }
  });

  test('an answer that lacks an output fails at once', () => {
    const report = withOne(workload, ({ expected }) => ({ expected, actual: {} }));
    expect([report.verdict, metric(report, 'structure').worst?.index]).toEqual(['failed', 40]);
  });

  test('any portable answers are compared without an error, and equal ones never fail', () => {
    fc.assert(
      fc.property(portable, portable, (one, other) => {
        expect(['undecided', 'failed']).toContain(validator.validate([{ expected: one, actual: other }]).verdict);
        expect(validator.validate([{ expected: one, actual: one }]).verdict).toBe('undecided');
      }),
    );
  });
});

describe.each(['embedding', 'classifier', 'reranker', 'llm', 'encoder'] as const)('%s', (workload) => {
  test.each([
    ['NaN', NaN],
    ['Infinity', Infinity],
  ])('one %s where the reference has a number fails, and where it has none does not', (_, value) => {
    const put = (answer: Portable): Portable => changed(answer, (data) => data.fill(value, 1, 2));
    const wrong = withOne(workload, ({ expected, actual }) => ({ expected, actual: put(actual) }));
    expect(wrong.verdict).toBe('failed');
    expect(metric(wrong, 'non_finite')).toMatchObject({ value: 1, within: 63, worst: { index: 40 } });
    const right = withOne(workload, ({ expected, actual }) => ({ expected: put(expected), actual }));
    expect(right.verdict, right.message).not.toBe('failed');
  });

  test('answers of another input fail', () => {
    const pairs = healthyPairs(workload, 64, createRandom(9));
    const report = VALIDATORS[workload].validate(
      pairs.map(({ expected }, i) => ({ expected, actual: (pairs[(i + 1) % 64] as OutputPair).actual })),
    );
    expect(report.verdict).toBe('failed');
  });

  test('numbers that are all twice as high fail', () => {
    const report = withOne(workload, ({ expected }) => ({
      expected,
      actual: changed(expected, (data) => data.set(data.map((each) => each * 2))),
    }));
    expect(report.verdict, report.message).toBe('failed');
    expect(report.worst?.index).toBe(40);
  });

  test('another type or other dims fail', () => {
    const asDouble = ({ expected }: OutputPair): OutputPair => {
      const [[name, { data, dims }]] = Object.entries(expected as Record<string, Tensor<'float32'>>) as [
        [string, Tensor<'float32'>],
      ];
      return {
        expected,
        actual: { ...(expected as object), [name]: tensor('float64', Float64Array.from(data), dims) },
      };
    };
    expect(withOne(workload, asDouble).verdict).toBe('failed');
    const flat = ({ expected }: OutputPair): OutputPair => {
      const [[name, { data }]] = Object.entries(expected as Record<string, Tensor<'float32'>>) as [
        [string, Tensor<'float32'>],
      ];
      return { expected, actual: { ...(expected as object), [name]: tensor('float32', data, [1, 1, data.length]) } };
    };
    expect(withOne(workload, flat).verdict).toBe('failed');
  });
});

test('embeddings: a vector that points elsewhere is found by its cosine, one of another length by that', () => {
  const turned = withOne('embedding', ({ expected }) => ({
    expected,
    actual: changed(expected, (data) => data.set(data.map((each, i) => (i % 3 === 0 ? -each : each)))),
  }));
  expect(metric(turned, 'cosine')).toMatchObject({ verdict: 'failed', within: 63 });
  expect(metric(turned, 'cosine').value).toBeLessThan(0.6);
  expect(metric(turned, 'length_error')).toMatchObject({ verdict: 'passed' });
  const longer = withOne('embedding', ({ expected }) => ({
    expected,
    actual: changed(expected, (data) => data.set(data.map((each) => each * 2))),
  }));
  expect(metric(longer, 'cosine').verdict).toBe('passed');
  expect(metric(longer, 'length_error')).toMatchObject({ verdict: 'failed', value: expect.closeTo(1, 6) as number });
});

test('embeddings: vectors that are all near the reference’s but rank otherwise are found by their ranks', () => {
  const random = createRandom(4);
  // All close to one direction, as embeddings of one topic are: a small error changes who is nearest.
  const pairs = Array.from({ length: 64 }, () => {
    const data = Float32Array.from({ length: 8 }, (_, i) => (i === 0 ? 1 : (random() - 0.5) / 20));
    const moved = data.map((each, i) => (i === 0 ? each : each + (random() - 0.5) / 10));
    return { expected: tensor('float32', data, [1, 8]), actual: tensor('float32', moved, [1, 8]) };
  });
  const report = VALIDATORS.embedding.validate(pairs);
  expect(metric(report, 'cosine').verdict).toBe('passed');
  expect(metric(report, 'rank_agreement').verdict).toBe('failed');
});

test('embeddings: a vector of zeros is right only where the reference has one', () => {
  const zeros = tensor('float32', new Float32Array(4), [1, 4]);
  const some = tensor('float32', [1, 2, 3, 4], [1, 4]);
  const cosine = (expected: Portable, actual: Portable) =>
    metric(VALIDATORS.embedding.validate([{ expected, actual }]), 'cosine').value;
  expect([cosine(zeros, zeros), cosine(some, zeros), cosine(zeros, some)]).toEqual([1, 0, 0]);
});

test('classifiers: classes that are level may change places, others may not', () => {
  const agreement = (expected: readonly number[], actual: readonly number[], k = 1) =>
    metric(
      classifierValidator({ k }).validate([
        {
          expected: tensor('float32', expected, [1, expected.length]),
          actual: tensor('float32', actual, [1, actual.length]),
        },
      ]),
      'top_k_agreement',
    ).value;
  expect(agreement([4, 4.0005, 1], [4.0005, 4, 1])).toBe(1);
  expect(agreement([4, 4.1, 1], [4.1, 4, 1])).toBe(0);
  expect(agreement([5, 4, 3, 2], [4, 5, 3, 2], 2)).toBe(1);
  expect(agreement([5, 4, 3, 2], [5, 1, 3, 2], 2)).toBe(0.5);
  expect(agreement([5, 4], [5, 4], 10)).toBe(1);
  // Next to a mask's value, others are not level.
  expect(agreement([5, 4, -3.4028234663852886e38], [4, 5, -3.4028234663852886e38])).toBe(0);
  expect(agreement([5, 4, -10_000], [4, 5, -10_000])).toBe(0);
});

test('classifiers: probabilities are compared as what they are', () => {
  const distance = (expected: readonly number[], actual: readonly number[]) =>
    metric(VALIDATORS.classifier.validate([{ expected, actual }]), 'probability_distance').value;
  expect(distance([0.7, 0.2, 0.1], [0.6, 0.2, 0.2])).toBeCloseTo(0.1, 12);
  // Independent ones: no sum.
  expect(distance([0.9, 0.9, 0.1], [0.8, 0.8, 0.1])).toBeCloseTo(0.1, 12);
  // Logits: shifted ones say the same.
  expect(distance([1, 2, 3], [11, 12, 13])).toBeCloseTo(0, 12);
  expect(distance([0, Math.log(3)], [0, 0])).toBeCloseTo(0.25, 12);
  expect(distance([-Infinity, 0, 0], [-Infinity, 0, 0])).toBe(0);
  // One logit: its sigmoid.
  expect(distance([Math.log(3)], [0])).toBeCloseTo(0.25, 12);
});

test('classifiers: labels with scores are compared by label', () => {
  const one = (...entries: readonly (readonly [string, number])[]): Portable =>
    entries.map(([label, score]) => ({ label, score }));
  const compare = (expected: Portable, actual: Portable) => VALIDATORS.classifier.validate([{ expected, actual }]);
  const swapped = compare(one(['a', 0.5001], ['b', 0.4999]), one(['b', 0.5], ['a', 0.5]));
  expect(swapped.metrics.map(({ within }) => within)).toEqual([1, 1, 1, 1]);
  expect(compare(one(['a', 0.9]), one(['b', 0.95])).verdict).toBe('failed');
  const first = compare(one(['a', 0.50001]), one(['b', 0.50001]));
  expect(first.verdict, first.message).toBe('undecided');
  expect(metric(first, 'top_k_agreement').value).toBe(1);
  const zeroShot = (labels: readonly string[], scores: readonly number[]) => ({ sequence: 'x', labels, scores });
  expect(compare(zeroShot(['a', 'b'], [0.6, 0.4]), zeroShot(['b', 'a'], [0.7, 0.3])).verdict).toBe('failed');
  expect(
    metric(compare(zeroShot(['a', 'b'], [0.6, 0.4]), zeroShot(['b', 'a'], [0.7, 0.3])), 'top_k_agreement').value,
  ).toBe(0);
});

test('numbers in a tensor are not those in an array, and one number is not a list of one', () => {
  const numbers = [1, 2];
  const shapes: readonly Portable[] = [
    tensor('float32', numbers),
    Float32Array.from(numbers),
    numbers,
    1,
    '1',
    [[1, 2]],
  ];
  for (const [i, expected] of shapes.entries()) {
    for (const [j, actual] of shapes.entries()) {
      const { value } = metric(VALIDATORS.encoder.validate([{ expected, actual }]), 'structure');
      expect([i, j, value]).toEqual([i, j, i === j ? 1 : 0]);
    }
  }
});

test('a list of what was detected is no ranking: all of it is compared', () => {
  const found = (x: number): Portable => ({ labels: ['cat'], scores: [0.9], boxes: [[x, 0, 1, 1]] });
  const entry = (x: number): Portable => [{ label: 'cat', score: 0.9, box: { xmin: x } }];
  for (const answer of [found, entry])
    expect(VALIDATORS.encoder.validate([{ expected: answer(0), actual: answer(0.5) }]).verdict).toBe('failed');
});

test('classifiers: booleans are decisions, no scores', () => {
  const answer = (isIt: boolean): Portable => ({ holds: tensor('bool', [isIt, true], [1, 2]) });
  expect(
    metric(VALIDATORS.classifier.validate([{ expected: answer(true), actual: answer(false) }]), 'structure').value,
  ).toBe(0);
});

test('classifiers: a label beside its scores is right where the scores agree', () => {
  const answer = (label: bigint, scores: readonly number[]): Portable => ({
    label: tensor('int64', [label], [1]),
    probabilities: tensor('float32', scores, [1, 2]),
  });
  const compare = (expected: Portable, actual: Portable) =>
    metric(VALIDATORS.classifier.validate([{ expected, actual }]), 'structure').value;
  expect(compare(answer(1n, [0.4, 0.6]), answer(0n, [0.4, 0.6]))).toBe(0);
  expect(compare(answer(1n, [0.49999, 0.50001]), answer(0n, [0.50001, 0.49999]))).toBe(1);
});

test('rerankers: the order counts, not the scores', () => {
  const compare = (expected: readonly number[], actual: readonly number[]) =>
    VALIDATORS.reranker.validate([{ expected: [...expected], actual: [...actual] }]);
  expect(metric(compare([3, 1, 2, 0], [3.1, 1, 2, 0]), 'kendall_tau').value).toBe(1);
  expect(metric(compare([3, 1, 2, 0], [0, 2, 1, 3]), 'kendall_tau').value).toBe(-1);
  expect(metric(compare([3, 1, 2, 0], [0, 2, 1, 3]), 'ndcg').value).toBeLessThan(0.8);
  // Level for the reference: any order is right.
  expect(compare([1, 1, 1], [1, 0.99, 0.98]).metrics.map(({ name }) => name)).not.toContain('ndcg');
  // By hand: gains 3, 2, 1 in the order 2, 3, 1.
  const gained = 2 + 3 / Math.log2(3) + 1 / 2;
  const possible = 3 + 2 / Math.log2(3) + 1 / 2;
  expect(metric(compare([3, 2, 1, 0], [2, 3, 1, 0]), 'ndcg').value).toBeCloseTo(gained / possible, 12);
});

test('rerankers: how far scores are off is relative to all scores there are', () => {
  const compare = (scale: number, error: number) => {
    const answer = (one: number, other: number): Portable => [one * scale, other * scale];
    const pairs = [
      { expected: answer(1, 0.9), actual: answer(1, 0.9) },
      { expected: answer(0.01, 0), actual: answer(0.01 + error, 0) },
    ];
    return metric(VALIDATORS.reranker.validate(pairs), 'score_error');
  };
  for (const scale of [1e-6, 1, 1e6]) {
    expect(compare(scale, 0.05)).toMatchObject({ verdict: 'undecided', value: expect.closeTo(0.05, 9) as number });
    expect(compare(scale, 0.2).verdict).toBe('failed');
  }
});

test('rerankers: candidates listed by number are the same in any order, and none may be missing', () => {
  const list = (...entries: readonly (readonly [number, number])[]): Portable =>
    entries.map(([corpus_id, score]) => ({ corpus_id, score }));
  const compare = (expected: Portable, actual: Portable) => VALIDATORS.reranker.validate([{ expected, actual }]);
  const right = compare(list([0, 0.9], [2, 0.5], [1, 0.1]), list([2, 0.5], [1, 0.1], [0, 0.9]));
  expect(right.metrics.map(({ within }) => within)).toEqual([1, 1, 1, 1, 1]);
  expect(compare(list([0, 0.9], [2, 0.5]), list([0, 0.9], [1, 0.5])).verdict).toBe('failed');
});

test('rerankers: answers of one candidate are put in an order with each other', () => {
  const random = createRandom(6);
  const scores = Array.from({ length: 64 }, () => random() * 10);
  const pairs = (change: (score: number) => number): readonly OutputPair[] =>
    scores.map((score) => ({
      expected: { logits: tensor('float32', [score], [1, 1]) },
      actual: { logits: tensor('float32', [change(score)], [1, 1]) },
    }));
  expect(VALIDATORS.reranker.validate(pairs((score) => noisy(score, 10, random))).verdict).toBe('passed');
  const reversed = VALIDATORS.reranker.validate(pairs((score) => 10 - score));
  expect(metric(reversed, 'kendall_tau').verdict).toBe('failed');
});

test('texts are compared token by token, whichever pipeline they come from', () => {
  const measured = (expected: Portable, actual: Portable) =>
    Object.fromEntries(
      VALIDATORS.generation.validate([{ expected, actual }]).metrics.map(({ name, value }) => [name, value]),
    );
  const text = (generated_text: string, finish_reason = 'stop'): Portable => [{ generated_text, finish_reason }];
  expect(measured(text('one two three four'), text('one two three four'))).toEqual({
    structure: 1,
    token_agreement: 1,
    edit_distance: 0,
    length_difference: 0,
    finish_reason: 1,
  });
  expect(measured(text('one two three four'), text('zero one two three', 'length'))).toEqual({
    structure: 1,
    token_agreement: 0,
    edit_distance: 0.5,
    length_difference: 0,
    finish_reason: 0,
  });
  expect(measured(text('今天天气很好'), text('今天天气不好'))).toMatchObject({ token_agreement: 5 / 6 });
  expect(measured(text(''), text(''))).toMatchObject({ token_agreement: 1, edit_distance: 0 });
  expect(measured(text(''), text('x'))).toMatchObject({ token_agreement: 0, edit_distance: 1, length_difference: 1 });
  const chat = (id: string, content: string): Portable => ({
    id,
    created: id.length,
    choices: [{ message: { role: 'assistant', content }, finish_reason: 'stop' }],
  });
  expect(measured(chat('a', 'yes'), chat('bcd', 'yes'))).toMatchObject({
    structure: 1,
    token_agreement: 1,
    finish_reason: 1,
  });
});

test('tokens are compared in tensors and lists, of whatever length', () => {
  const agreement = (expected: Portable, actual: Portable) => {
    const report = VALIDATORS.generation.validate([{ expected, actual }]);
    return [metric(report, 'structure').value, metric(report, 'token_agreement').value];
  };
  const ids = (values: readonly number[]) => tensor('int64', values, [1, values.length]);
  expect(agreement(ids([1, 2, 3, 4]), ids([1, 2, 3, 5]))).toEqual([1, 0.75]);
  expect(agreement(ids([1, 2, 3, 4]), ids([1, 2]))).toEqual([1, 0.5]);
  expect(agreement([1, 2, 3, 4], [1, 2, 3, 5])).toEqual([1, 0.75]);
  expect(
    agreement(
      [
        [1n, 2n],
        [3n, 4n],
      ],
      [
        [1n, 2n],
        [3n, 5n],
      ],
    ),
  ).toEqual([1, 0.5]);
  const two = (values: readonly number[]) => tensor('int32', values, [2, 2]);
  expect(agreement(two([1, 2, 3, 4]), two([1, 2, 3, 5]))).toEqual([1, 0.5]);
  // One sequence of two is missing.
  expect(
    agreement(
      [
        [1, 2],
        [3, 4],
      ],
      [[1, 2]],
    ),
  ).toEqual([0, 1]);
});

test('logits of a language model are compared place by place, and the state that the next call begins with number by number', () => {
  const state = withOne('llm', ({ expected, actual }) => {
    const past = (expected as Record<string, Tensor<'float32'>>)['present.0.key'] as Tensor<'float32'>;
    const wrong = past.data.map((each, i) => (i === 7 ? each + 1 : each));
    return {
      expected,
      actual: { ...(actual as object), 'present.0.key': tensor('float32', wrong, past.dims) } as Portable,
    };
  });
  expect(metric(state, 'state_error').verdict).toBe('failed');
  expect(metric(state, 'probability_distance').verdict).toBe('passed');
});

test('numbers beside texts are compared only where the texts agree', () => {
  const answer = (text: string, scores: readonly number[]): Portable => ({
    text,
    scores: tensor('float32', scores, [scores.length]),
  });
  const compare = (expected: Portable, actual: Portable) => VALIDATORS.generation.validate([{ expected, actual }]);
  expect(metric(compare(answer('a b', [1, 2.5]), answer('a b', [1, 9])), 'state_error').value).toBeCloseTo(2.6, 6);
  const diverged = compare(answer('a b', [1, 2.5]), answer('a c d', [1, 9, 3]));
  expect(diverged.metrics.map(({ name }) => name)).not.toContain('state_error');
  expect(metric(diverged, 'structure').value).toBe(1);
  // A token that was not to be chosen there.
  const suppressed = compare(answer('a b', [1, 2.5]), answer('a c', [1, -Infinity]));
  expect(suppressed.metrics.every(({ every, within, samples }) => !every || within === samples)).toBe(true);
  expect(compare(answer('a b', [1, 2.5]), answer('a b', [1, NaN])).verdict).toBe('failed');
});

test.each([[[-2]], [[0.5]], [[4]], [['x']]])(
  'dims that are not those of the data, %j, are a difference, and harm nobody',
  (dims) => {
    const lying = { type: 'float32', dims, data: Float32Array.of(1, 2) } as unknown as Portable;
    for (const workload of WORKLOADS) {
      const compare = (expected: Portable, actual: Portable) =>
        metric(VALIDATORS[workload].validate([{ expected, actual }]), 'structure').value;
      expect([compare(lying, tensor('float32', [1, 2])), compare(tensor('float32', [1, 2]), lying)]).toEqual([0, 0]);
      expect(compare(lying, lying)).toBe(1);
    }
  },
);

test('encoders: half floats and 64-bit integers are compared as what they stand for', () => {
  const error = (expected: Portable, actual: Portable) =>
    metric(VALIDATORS.encoder.validate([{ expected, actual }]), 'relative_error').value;
  const half = (...bits: readonly number[]) => tensor('float16', Uint16Array.from(bits));
  // 1 and 1 + 2 ** -10; the first of the patterns of NaN and Infinity are no large numbers.
  expect(error(half(0x3c00, 0xbc00), half(0x3c01, 0xbc00))).toBeCloseTo(2 ** -10, 12);
  expect(error(half(0x3c00), half(0x7c00))).toBeNaN();
  expect(error(half(0x7c00, 0x3c00), half(0x3c00, 0x3c00))).toBe(0);
  expect(error(tensor('int64', [2n ** 60n]), tensor('int64', [2n ** 60n + 1n]))).toBeCloseTo(2 ** -60, 25);
  expect(error(tensor('float32', [0, 0]), tensor('float32', [0, 1e-9]))).toBe(Infinity);
});

test('encoders: what is measured is what decides, as outputs are matched by elsewhere', () => {
  const value = fc.float({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(value, value), { minLength: 1 }),
      fc.double({ min: 1e-6, max: 1, noNaN: true }),
      (rows, tolerance) => {
        const expected = Float32Array.from(rows, ([one]) => one);
        const actual = Float32Array.from(rows, ([one, other]) => one + other * tolerance);
        const scale = expected.reduce((largest, each) => Math.max(largest, Math.abs(each)), 0);
        const largest = expected.reduce((most, each, i) => Math.max(most, Math.abs(each - (actual[i] as number))), 0);
        const report = encoderValidator({ tolerance }).validate([{ expected, actual }]);
        if (actual.every(Number.isFinite))
          expect(report.verdict === 'failed').toBe(largest / (scale || 1) > tolerance || (scale === 0 && largest > 0));
        else expect(report.verdict).toBe('failed');
      },
    ),
  );
});

test('bounds that are none are refused', () => {
  expect(() => embeddingValidator({ minCosine: 1.1 })).toThrow(ConfigError);
  expect(() => embeddingValidator({ neighbours: 0 })).toThrow(ConfigError);
  expect(() => classifierValidator({ k: 0 })).toThrow(ConfigError);
  expect(() => classifierValidator({ maxDistance: -1 })).toThrow(ConfigError);
  expect(() => rerankerValidator({ minTau: NaN })).toThrow(ConfigError);
  expect(() => generationValidator({ share: 1 })).toThrow(ConfigError);
  expect(() => encoderValidator({ tolerance: NaN })).toThrow(ConfigError);
});
