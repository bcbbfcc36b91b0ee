import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { ConfigError, DeadlineExceededError, InputError } from '../../src/errors.ts';
import { QueueFullError } from '../../src/model-errors.ts';
import { CircuitBreaker } from '../../src/safety/circuit-breaker.ts';
import { FallbackChain } from '../../src/safety/fallback-chain.ts';
import type { FallbackHop } from '../../src/safety/fallback-chain.ts';
import { HangTimer } from '../../src/safety/hang-timer.ts';
import type { HopRecord } from '../../src/safety/hop-record.ts';
import type { HopOptions } from '../../src/safety/hop-time.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';
import type { FakeClock } from '../helpers/fake-clock.ts';

type Hop = FallbackHop<string, string>;

const LOST = new Error('lost device');

const hanging = (): Promise<never> => new Promise<never>(() => {});
const failing = (): never => {
  throw LOST;
};

/** Answers after a while of the clock's, and says what it was told of its time. */
function slow(clock: FakeClock, ms: number, told: HopOptions[] = []) {
  return (call: string, options: HopOptions): Promise<string> => {
    told.push(options);
    return new Promise((resolve) => clock.after(ms, () => resolve(`${call} after ${ms}`)));
  };
}

function createChain(make: (clock: FakeClock) => readonly Hop[]) {
  const clock = createFakeClock();
  const breakerOf = (name: string): CircuitBreaker => new CircuitBreaker(name, { clock, random: () => 0.5 });
  const hops = make(clock).map((hop) => ({ breaker: breakerOf(hop.name), ...hop }));
  const chain = new FallbackChain(hops, { clock });
  const fallbacks: (readonly HopRecord[])[] = [];
  chain.onFallback((each) => fallbacks.push(each));
  const state = (i: number) => (hops[i] as Hop).breaker?.getDiagnostics();
  return { clock, chain, hops, fallbacks, state };
}

/** What a promise has come to. */
function watch<T>(promise: Promise<T>) {
  const seen: { value?: T; error?: unknown; settled: boolean } = { settled: false };
  promise.then(
    (value) => Object.assign(seen, { value, settled: true }),
    (error: unknown) => Object.assign(seen, { error, settled: true }),
  );
  return seen;
}

const outcomes = (hops: readonly HopRecord[]): string[] => hops.map(({ name, outcome }) => `${name} ${outcome}`);

test('the first hop answers, and no other is asked', async () => {
  const second = vi.fn<() => string>();
  const { chain, fallbacks } = createChain(() => [
    { name: 'webgpu', run: (call) => `${call}!` },
    { name: 'reference', run: second },
  ]);
  expect(await chain.run('a')).toEqual({
    answer: 'a!',
    hops: [{ name: 'webgpu', outcome: 'answered', reason: undefined, error: undefined, durationMs: 0 }],
  });
  expect([second.mock.calls, fallbacks]).toEqual([[], []]);
});

test('the next one answers where one fails, now or later, answers wrongly, or is passed over', async () => {
  const { chain, hops, fallbacks, state } = createChain(() => [
    { name: 'tensorrt', run: failing },
    { name: 'webgpu', run: async () => failing() },
    { name: 'twin', run: () => 'wrong', check: (answer) => (answer === 'wrong' ? 'twice the right value' : undefined) },
    { name: 'checked later', run: () => 'wrong', check: async () => 'not finite' },
    { name: 'broken check', run: () => 'right', check: failing },
    { name: 'open', run: () => 'never' },
    { name: 'reference', run: (call) => `right ${call}`, check: async () => undefined },
  ]);
  for (let i = 0; i < 3; i++) {
    const { breaker } = hops[5] as Hop & { breaker: CircuitBreaker };
    breaker.fail(breaker.enter(), LOST);
  }
  const { answer, hops: records } = await chain.run('a');
  expect(answer).toBe('right a');
  expect(records.map(({ name, outcome, reason }) => [name, outcome, reason])).toEqual([
    ['tensorrt', 'failed', 'lost device'],
    ['webgpu', 'failed', 'lost device'],
    ['twin', 'wrong_answer', 'The answer of twin is wrong: twice the right value'],
    ['checked later', 'wrong_answer', 'The answer of checked later is wrong: not finite'],
    ['broken check', 'failed', 'lost device'],
    ['open', 'skipped', 'open is not used now, because of 3 failures in a row: lost device.'],
    ['reference', 'answered', undefined],
  ]);
  expect(fallbacks).toEqual([records]);
  expect([0, 1, 2, 3, 4, 6].map((i) => state(i)?.state)).toEqual([
    'closed',
    'closed',
    'open',
    'open',
    'closed',
    'closed',
  ]);
  expect(chain.getDiagnostics()).toMatchObject({
    calls: 1,
    fallbacks: 1,
    exhausted: 0,
    hops: { twin: { wrong_answer: 1, answered: 0 }, open: { skipped: 1 }, reference: { answered: 1 } },
  });
});

test('where nobody answers, the error says what became of each', async () => {
  const { chain, fallbacks } = createChain(() => [
    { name: 'webgpu', run: () => 'x', check: () => 'NaN' },
    { name: 'reference', run: failing },
  ]);
  const error = await chain.run('a').catch((each: unknown) => each);
  expect(error).toMatchObject({
    code: 'FALLBACKS_EXHAUSTED',
    cause: LOST,
    hops: [{ name: 'webgpu' }, { name: 'reference', error: LOST }],
    message:
      'Nobody answered. webgpu (wrong_answer): The answer of webgpu is wrong: NaN; reference (failed): lost device',
  });
  expect(fallbacks).toHaveLength(1);
  expect(chain.getDiagnostics()).toMatchObject({ fallbacks: 0, exhausted: 1 });
});

test.each([new InputError('no such input'), new ConfigError('a', 'x')])(
  'what every hop would refuse is refused once: %s',
  async (error) => {
    const second = vi.fn<() => string>();
    const { chain, state } = createChain(() => [
      {
        name: 'webgpu',
        run: () => {
          throw error;
        },
      },
      { name: 'reference', run: second },
    ]);
    await expect(chain.run('a')).rejects.toBe(error);
    expect(second).not.toHaveBeenCalled();
    expect(state(0)?.counts).toMatchObject({ failed: 0, left: 1 });
    expect(chain.getDiagnostics().hops['webgpu']).toMatchObject({ failed: 0, abandoned: 1 });
  },
);

test('a hop that has too much to do is passed over and not blamed', async () => {
  const { chain, state } = createChain(() => [
    {
      name: 'webgpu',
      run: () => {
        throw new QueueFullError(9, 1);
      },
    },
    { name: 'reference', run: () => 'right' },
  ]);
  expect((await chain.run('a')).answer).toBe('right');
  expect(state(0)?.counts).toMatchObject({ failed: 0, left: 1 });
});

describe('a hop that hangs', () => {
  test('is given up at the end of its budget, which is its failure, and told so', async () => {
    const told: HopOptions[] = [];
    const { chain, clock, state } = createChain(() => [
      {
        name: 'webgpu',
        run: (_, options) => {
          told.push(options);
          return hanging();
        },
        budgetMs: 50,
      },
      { name: 'reference', run: () => 'right' },
    ]);
    const seen = watch(chain.run('a'));
    await clock.run(49);
    expect([seen.settled, told[0]?.signal.aborted, told[0]?.deadlineMs]).toEqual([false, false, 50]);
    await clock.run(1);
    expect(seen.value?.hops).toMatchObject([
      { outcome: 'timed_out', reason: 'webgpu did not answer within 50 ms.', durationMs: 50 },
      { outcome: 'answered', durationMs: 0 },
    ]);
    expect(told[0]?.signal.reason).toMatchObject({ code: 'HOP_TIMEOUT', budgetMs: 50 });
    expect(state(0)?.counts).toMatchObject({ failed: 1, left: 0 });
  });

  test('is given up by a timer that many calls share; with a deadline, by its own', async () => {
    const told: HopOptions[] = [];
    const { chain, clock, state } = createChain((each) => [
      {
        name: 'webgpu',
        run: (_, options) => {
          told.push(options);
          return hanging();
        },
        budgetMs: 50,
        hangs: new HangTimer(each, () => 50),
      },
      { name: 'reference', run: () => 'right' },
    ]);
    const leaving = new AbortController();
    const plain = [watch(chain.run('a')), watch(chain.run('b'))];
    const left = watch(chain.run('c', { signal: leaving.signal }));
    expect(clock.pending).toBe(1);
    expect(told.map(({ deadlineMs }) => deadlineMs)).toEqual([Infinity, Infinity, Infinity]);
    leaving.abort(LOST);
    await clock.run(20);
    expect(left.error).toBe(LOST);
    const hurried = watch(chain.run('d', { deadlineMs: 60 }));
    await clock.run(30);
    for (const { value } of plain) {
      expect(value?.answer).toBe('right');
      expect(value?.hops[0]).toMatchObject({ outcome: 'timed_out', reason: 'webgpu did not answer within 50 ms.' });
    }
    // Half of 60, which is over at the same moment.
    expect([hurried.value?.answer, told[3]?.deadlineMs]).toEqual(['right', 30]);
    expect(told.map(({ signal }) => signal.aborted)).toEqual([true, true, true, true]);
    expect(state(0)?.counts).toMatchObject({ failed: 2, left: 2 });
    expect(clock.pending).toBe(0);
  });

  test('leaves the others an equal share of the deadline, and is not blamed for a short one', async () => {
    const told: HopOptions[] = [];
    const { chain, clock, state } = createChain((time) => [
      { name: 'webgpu', run: hanging },
      { name: 'wasm', run: hanging, budgetMs: 1000 },
      { name: 'reference', run: slow(time, 20, told) },
    ]);
    const seen = watch(chain.run('a', { deadlineMs: 90 }));
    await clock.run(80);
    expect(seen.value?.hops.map(({ outcome, durationMs }) => [outcome, durationMs])).toEqual([
      ['timed_out', 30],
      ['timed_out', 30],
      ['answered', 20],
    ]);
    expect(told[0]?.deadlineMs).toBe(30);
    for (const i of [0, 1]) expect(state(i)?.counts).toMatchObject({ failed: 0, left: 1 });
  });

  test('tells who listens, at once where it listens late, and nobody where it has answered', async () => {
    const told: unknown[] = [];
    const options: HopOptions[] = [];
    const { chain, clock } = createChain((time) => [
      {
        name: 'webgpu',
        run(_, each) {
          options.push(each);
          each.onLeave((reason) => told.push(reason));
          return hanging();
        },
        budgetMs: 50,
      },
      {
        name: 'reference',
        run(call, each) {
          each.onLeave((reason) => told.push(reason));
          return slow(time, 10)(call, each);
        },
      },
    ]);
    const leaving = new AbortController();
    const seen = watch(chain.run('a', { signal: leaving.signal, deadlineMs: 1000 }));
    await clock.run(49);
    expect(told).toEqual([]);
    await clock.run(1);
    expect(told).toMatchObject([{ code: 'HOP_TIMEOUT' }]);
    options[0]?.onLeave((reason) => told.push(reason));
    expect(told).toMatchObject([{ code: 'HOP_TIMEOUT' }, { code: 'HOP_TIMEOUT' }]);
    await clock.run(10);
    leaving.abort();
    expect([seen.value?.answer, told.length]).toEqual(['a after 10', 2]);
  });

  test('its check is part of what must be done in time', async () => {
    const { chain, clock } = createChain(() => [
      { name: 'webgpu', run: () => 'x', check: hanging, budgetMs: 10 },
      { name: 'reference', run: () => 'right' },
    ]);
    const seen = watch(chain.run('a'));
    await clock.run(10);
    expect(outcomes(seen.value?.hops ?? [])).toEqual(['webgpu timed_out', 'reference answered']);
  });

  test('an answer that comes too late is dropped, as is a wrong one, and whoever made it may free it', async () => {
    const discard = vi.fn<(answer: string) => void>();
    const broken = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { chain, clock } = createChain((time) => [
      { name: 'late', run: slow(time, 20), budgetMs: 10, check: () => 'never asked', discard },
      { name: 'wrong', run: () => 'wrong', check: () => 'x', discard },
      { name: 'careless', run: () => 'wrong', check: () => 'x', discard: failing },
      { name: 'reference', run: () => 'right', discard },
    ]);
    const seen = watch(chain.run('a'));
    await clock.run(10);
    expect(seen.value?.answer).toBe('right');
    await clock.run(10);
    expect(discard.mock.calls).toEqual([['wrong'], ['a after 20']]);
    expect(broken).toHaveBeenCalledTimes(1);
    broken.mockRestore();
  });

  test('where the last hop hangs as well, the deadline ends the call', async () => {
    const { chain, clock, state } = createChain(() => [
      { name: 'webgpu', run: hanging, budgetMs: 10 },
      { name: 'reference', run: hanging },
    ]);
    const seen = watch(chain.run('a', { deadlineMs: 100 }));
    await clock.run(99);
    expect(seen.settled).toBe(false);
    await clock.run(1);
    expect(seen.error).toBeInstanceOf(DeadlineExceededError);
    expect(state(1)?.counts).toMatchObject({ failed: 0, left: 1 });
  });

  test('an answer that came while the thread was busy is in time', async () => {
    const clock = createFakeClock();
    let answer: (value: string) => void = () => {};
    const told: HopOptions[] = [];
    const run = (_: string, options: HopOptions): Promise<string> => {
      told.push(options);
      return new Promise((resolve) => (answer = resolve));
    };
    const chain = new FallbackChain<string, string>([{ name: 'reference', run, budgetMs: 10 }], {
      // Busy for long: the timer is called late, and the answer's message is read right after it.
      clock: {
        ...clock,
        now: clock.now,
        after: (ms, task) =>
          clock.after(ms, () => {
            task();
            answer('right');
          }),
      },
    });
    const seen = watch(chain.run('a'));
    await clock.run(10);
    expect(seen.value?.answer).toBe('right');
    // It may still be read from, as the body of a response is.
    await clock.run(10);
    expect(told[0]?.signal.aborted).toBe(false);
  });
});

describe('the caller who leaves', () => {
  test('is let go at once; it is nobody\u2019s failure, and no other hop is asked', async () => {
    const second = vi.fn<() => string>();
    const told: HopOptions[] = [];
    const { chain, clock, state } = createChain((time) => [
      { name: 'webgpu', run: slow(time, 100, told), budgetMs: 200 },
      { name: 'reference', run: second },
    ]);
    const leaving = new AbortController();
    const seen = watch(chain.run('a', { signal: leaving.signal, deadlineMs: 500 }));
    await clock.run(10);
    const gone = new Error('gone');
    leaving.abort(gone);
    await clock.run(0);
    expect([seen.error, told[0]?.signal.reason]).toEqual([gone, gone]);
    await clock.run(1000);
    expect(second).not.toHaveBeenCalled();
    expect(state(0)?.counts).toMatchObject({ failed: 0, left: 1 });
    expect(clock.pending).toBe(0);
  });

  test('before the call asks nobody', async () => {
    const run = vi.fn<() => string>();
    const { chain } = createChain(() => [{ name: 'reference', run }]);
    await expect(chain.run('a', { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    await expect(chain.run('a', { deadlineMs: 0 })).rejects.toBeInstanceOf(DeadlineExceededError);
    await expect(chain.run('a', { deadlineMs: NaN })).rejects.toBeInstanceOf(ConfigError);
    expect(run).not.toHaveBeenCalled();
  });

  test('between two hops gets no further', async () => {
    const second = vi.fn<() => string>();
    const leaving = new AbortController();
    const { chain, hops, state } = createChain(() => [
      { name: 'webgpu', run: failing },
      { name: 'reference', run: second },
    ]);
    const gone = new Error('gone');
    // Two failures before: the third opens it, of which a listener is told in the middle of the call.
    const { breaker } = hops[0] as { breaker: CircuitBreaker };
    for (let i = 0; i < 2; i++) breaker.fail(breaker.enter(), LOST);
    breaker.onStateChange(() => leaving.abort(gone));
    await expect(chain.run('a', { signal: leaving.signal })).rejects.toBe(gone);
    expect(second).not.toHaveBeenCalled();
    expect(state(1)?.counts).toMatchObject({ failed: 0, left: 1 });
  });
});

test('a hop that asks late for its signal finds it aborted, and options can be copied', async () => {
  const told: HopOptions[] = [];
  const { chain, clock } = createChain(() => [
    {
      name: 'webgpu',
      run: (_, options) => {
        told.push(options);
        return hanging();
      },
      budgetMs: 10,
    },
    { name: 'reference', run: (_, options) => `${{ ...options }.signal.aborted} ${{ ...options }.deadlineMs}` },
  ]);
  const seen = watch(chain.run('a'));
  await clock.run(10);
  expect(seen.value?.answer).toBe('false Infinity');
  expect(told[0]?.signal.reason).toMatchObject({ code: 'HOP_TIMEOUT' });
  expect(told[0]?.signal).toBe(told[0]?.signal);
});

test('leaves no timer and no listener behind', async () => {
  const { chain, clock } = createChain(() => [
    { name: 'webgpu', run: failing, budgetMs: 10 },
    { name: 'reference', run: () => 'right', budgetMs: 10 },
  ]);
  const { signal } = new AbortController();
  const [added, removed] = [vi.spyOn(signal, 'addEventListener'), vi.spyOn(signal, 'removeEventListener')];
  await chain.run('a', { signal, deadlineMs: 100 });
  expect([added.mock.calls.length, removed.mock.calls.length, clock.pending]).toEqual([1, 1, 0]);
});

test.each([[[]], [['a', 'b', 'a']]])('refuses hops named %j', (names) => {
  expect(() => new FallbackChain(names.map((name) => ({ name, run: () => name })))).toThrow(RangeError);
});

/** One hop of a chain, as it is drawn. */
interface Drawn {
  readonly does: 'answers' | 'fails' | 'is wrong' | 'hangs';
  readonly afterMs: number;
  readonly budgetMs: number | undefined;
}

test('whatever the hops do, the caller gets the first right answer that there is time for, in time, or an error', async () => {
  const drawn = fc.record<Drawn>({
    does: fc.constantFrom('answers', 'fails', 'is wrong', 'hangs'),
    afterMs: fc.integer({ min: 1, max: 60 }),
    budgetMs: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
  });
  const plans = fc.array(drawn, { minLength: 1, maxLength: 4 });
  const deadline = fc.option(fc.integer({ min: 1, max: 120 }), { nil: Infinity });
  await fc.assert(
    fc.asyncProperty(plans, deadline, async (plan, deadlineMs) => {
      const { chain, clock, hops } = createChain((time) =>
        plan.map(({ does, afterMs, budgetMs }, i) => ({
          name: `hop ${i}`,
          budgetMs,
          run: () =>
            does === 'hangs'
              ? hanging()
              : new Promise<string>((resolve, reject) =>
                  time.after(afterMs, () => (does === 'fails' ? reject(LOST) : resolve(`${does} ${i}`))),
                ),
          check: (answer) => (answer.startsWith('answers') ? undefined : 'wrong'),
        })),
      );
      let leftMs = deadlineMs;
      const expected: string[] = [];
      for (const [i, { does, afterMs, budgetMs = Infinity }] of plan.entries()) {
        const limitMs = Math.min(budgetMs, leftMs / (plan.length - i));
        const takesMs = does === 'hangs' ? Infinity : afterMs;
        if (takesMs < limitMs) {
          expected.push(does);
          leftMs -= takesMs;
          if (does === 'answers') break;
        } else if (takesMs === limitMs) {
          return fc.pre(false);
        } else {
          expected.push('hangs');
          if (limitMs === Infinity) break;
          leftMs -= limitMs;
        }
        if (leftMs <= 0) break;
      }
      const seen = watch(chain.run('a', { deadlineMs }));
      const startedAt = clock.now();
      for (let i = 0; i < 600 && !seen.settled; i++) await clock.run(0.5);
      const last = expected.at(-1);
      if (last === 'answers') {
        expect(seen.value?.answer).toBe(`answers ${expected.length - 1}`);
        expect(seen.value?.hops).toHaveLength(expected.length);
      } else if (seen.settled) {
        expect(seen.error).toMatchObject({
          code: leftMs <= 0 && last === 'hangs' ? 'DEADLINE_EXCEEDED' : 'FALLBACKS_EXHAUSTED',
        });
      } else {
        // Only a hop without any end of its time may keep the caller waiting.
        expect([deadlineMs, last, plan[expected.length - 1]?.budgetMs]).toEqual([Infinity, 'hangs', undefined]);
      }
      expect(clock.now() - startedAt).toBeLessThanOrEqual(deadlineMs + 0.5);
      for (const [i, { breaker }] of hops.entries()) {
        const { succeeded, failed } = (breaker as CircuitBreaker).getDiagnostics().counts;
        expect(succeeded).toBe(expected[i] === 'answers' ? 1 : 0);
        if (expected[i] === 'fails' || expected[i] === 'is wrong') expect(failed).toBe(1);
      }
    }),
    { numRuns: 150 },
  );
});
