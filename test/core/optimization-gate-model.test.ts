/** A gate, whatever its optimisation does and its callers do, in any order. */

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { valuesMatch } from '../../src/adapters/compare.ts';
import type { GateState } from '../../src/safety/gate-report.ts';
import type { Portable } from '../../src/portable.ts';
import { createGated, inputOf, OPTIMIZED_MS, REFERENCE_MS, rightAnswer } from '../helpers/gated-optimization.ts';
import type { Behaviour } from '../helpers/gated-optimization.ts';

/** What followed so far from what was done. */
interface Model {
  isClosed: boolean;
}

const LIVE: readonly GateState[] = ['staged', 'on'];
const STEPS: Readonly<Record<GateState, readonly GateState[]>> = {
  capturing: ['canary', 'recovering', 'off', 'closed'],
  canary: ['shadow', 'recovering', 'off', 'closed'],
  shadow: ['staged', 'recovering', 'off', 'closed'],
  staged: ['staged', 'on', 'recovering', 'off', 'closed'],
  on: ['recovering', 'off', 'closed'],
  recovering: ['shadow', 'capturing', 'off', 'closed'],
  off: ['closed'],
  closed: [],
};

/** A gate, and all that is seen of it from outside. */
function createReal(sampleRate: number, seed: number) {
  let random = seed;
  const draw = (): number => (random = (random * 16_807) % 2_147_483_647) / 2_147_483_647;
  const gated = createGated({ sampleRate, random: draw });
  const { gate, clock, asked, optimizedAnswers } = gated;
  let calls = 0;
  let waiting = 0;
  /** Of the stages in which one wrong answer may be served, and those that were. */
  const wrong = { staged: 0 };
  const call = async (length: number, leavesAfterMs: number, deadlineMs: number): Promise<void> => {
    const inputs = inputOf(++calls, length);
    const leaving = new AbortController();
    const began = { at: clock.now(), state: gate.state };
    const running = gate.run(inputs, { signal: leaving.signal, deadlineMs });
    waiting++;
    if (leavesAfterMs < Infinity) clock.after(leavesAfterMs, () => leaving.abort(new Error('gone')));
    try {
      const answer = await running;
      const isOptimized = optimizedAnswers.has(answer as object);
      if (isOptimized) {
        // Before it has passed, and after it was wrong, failed or was closed, nobody is given an answer of it.
        expect(LIVE).toContain(began.state);
        expect([...LIVE, 'closed']).toContain(gate.state);
      }
      const isRight = valuesMatch(rightAnswer(inputs), answer as Portable, 1e-5);
      if (!isRight) {
        expect(isOptimized).toBe(true);
        expect(Number.isFinite((answer as Float32Array)[0])).toBe(true);
        if (began.state === 'staged') wrong.staged++;
      }
    } catch (error) {
      const { name, message } = error as Error;
      const isLeft = message === 'gone' && clock.now() - began.at >= leavesAfterMs;
      const isLate = name === 'DeadlineExceededError' && clock.now() - began.at >= deadlineMs;
      expect([isLeft || isLate || (name === 'ClosedError' && began.state === 'closed'), message]).toEqual([
        true,
        message,
      ]);
    } finally {
      waiting--;
      expect(clock.now() - began.at).toBeLessThanOrEqual(Math.min(leavesAfterMs, deadlineMs));
    }
  };
  const pending: Promise<void>[] = [];
  const check = (): void => {
    // What callers wait for, and one thing behind them.
    expect(gated.running()).toBeLessThanOrEqual(waiting + 1);
    for (const { from, to } of gated.changes) expect(STEPS[from]).toContain(to);
    // One at most before it is found out, and then it is off.
    expect(wrong.staged).toBeLessThanOrEqual(1);
    expect(asked.optimized).toBeGreaterThanOrEqual(gate.getDiagnostics().answered);
  };
  return { ...gated, call, pending, check };
}
type Real = ReturnType<typeof createReal>;

class Command implements fc.AsyncCommand<Model, Real> {
  readonly #name: string;
  readonly #act: (real: Real, model: Model) => Promise<void> | void;
  constructor(name: string, act: (real: Real, model: Model) => Promise<void> | void) {
    this.#name = name;
    this.#act = act;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    await this.#act(real, model);
    real.check();
    expect(real.gate.state === 'closed').toBe(model.isClosed);
  }
  toString = (): string => this.#name;
}

const times = fc.constantFrom(Infinity, Infinity, Infinity, 0.5, 5, 15, 100);
const call = fc
  .tuple(fc.constantFrom(4, 4, 4, 7), times, times)
  .map(
    ([length, leaves, deadline]) =>
      new Command(
        `call(${length}, ${leaves}, ${deadline})`,
        ({ call: make, pending }) => void pending.push(make(length, leaves, deadline)),
      ),
  );
const calls = fc.integer({ min: 1, max: 30 }).map(
  (count) =>
    new Command(`${count} calls, one after another`, async ({ call: make, clock, pending }) => {
      for (let i = 0; i < count; i++) {
        pending.push(make(4, Infinity, Infinity));
        await clock.run(REFERENCE_MS + OPTIMIZED_MS + 20);
      }
    }),
);
const wait = fc
  .constantFrom(0.5, 1, 5, 10, 20, 200, 6000, 70_000, 400_000)
  .map((ms) => new Command(`wait(${ms})`, ({ clock }) => clock.run(ms)));
const behave = fc
  .constantFrom<Behaviour>('right', 'right', 'right', 'wrong', 'fails', 'hangs', 'NaN', 'misshapen')
  .map((behaviour) => new Command(behaviour, ({ world }) => void (world.behaviour = behaviour)));
const rebuild = fc
  .constantFrom<'right' | 'fails' | 'hangs'>('right', 'right', 'fails', 'hangs')
  .map((how) => new Command(`rebuild ${how}`, ({ world }) => void (world.rebuilds = how)));
const crash = fc.constant(new Command('crash', ({ gate }) => gate.fail('It crashed.')));
const close = fc.constant(
  new Command('close', ({ gate }, model) => {
    model.isClosed = true;
    gate[Symbol.dispose]();
  }),
);

test('gives each caller a right answer in time, but for what is sampled, and does one thing at a time behind them', async () => {
  const commands = fc.commands([call, call, calls, calls, wait, wait, wait, behave, rebuild, crash, close], {
    maxCommands: 60,
    size: 'max',
  });
  await fc.assert(
    fc.asyncProperty(
      commands,
      fc.constantFrom(0, 0.1, 1),
      fc.integer({ min: 1, max: 1e9 }),
      async (steps, rate, seed) => {
        const real = createReal(rate, seed);
        await fc.asyncModelRun(() => ({ model: { isClosed: false }, real }), steps);
        real.gate[Symbol.dispose]();
        // Nobody is left waiting, and nothing goes on.
        await real.clock.run(400_000);
        await Promise.all(real.pending);
        expect(real.running()).toBe(0);
        expect(real.clock.pending).toBe(0);
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);

test('one that is right from some time on is on in the end, whatever it did before, but where it was wrong', async () => {
  const before = fc.commands([call, calls, wait, behave, rebuild, crash], { maxCommands: 30, size: 'max' });
  await fc.assert(
    fc.asyncProperty(before, async (steps) => {
      const real = createReal(0.1, 1);
      await fc.asyncModelRun(() => ({ model: { isClosed: false }, real }), steps);
      Object.assign(real.world, { behaviour: 'right', rebuilds: 'right' });
      for (let i = 0; i < 60; i++) {
        await real.clock.run(3_600_000);
        for (let j = 0; j < 30 && real.gate.state !== 'on'; j++) {
          real.pending.push(real.call(9, Infinity, Infinity));
          await real.clock.run(50);
        }
      }
      expect(real.gate.state).toBe(real.changes.some(({ wasWrong }) => wasWrong) ? 'off' : 'on');
      await Promise.all(real.pending);
    }),
    { numRuns: 60 },
  );
}, 60_000);
