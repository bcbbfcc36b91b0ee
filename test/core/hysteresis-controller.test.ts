import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { HysteresisController } from '../../src/safety/hysteresis-controller.ts';
import type { CanaryVerdict, DisableReason } from '../../src/safety/hysteresis-controller.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const PASSED: CanaryVerdict = { verdict: 'passed' };
const FAILED: CanaryVerdict = { verdict: 'failed' };
const OPTIONS = { minDwellMs: 100, maxDwellMs: 6400, forgiveAfterMs: 1000 } as const;

function createController() {
  const clock = createFakeClock();
  const controller = new HysteresisController({ ...OPTIONS, clock });
  /** Turns it over as soon as that is allowed; how long that took. */
  const flip = (isAllowed: () => boolean): number => {
    const startedAt = clock.now();
    while (!isAllowed()) clock.advance(1);
    controller.recordTransition('webgpu');
    return clock.now() - startedAt;
  };
  const enable = (): number => flip(() => controller.shouldEnable('webgpu', PASSED));
  const disable = (reason?: DisableReason): number => flip(() => controller.shouldDisable('webgpu', reason));
  return { clock, controller, enable, disable, look: () => controller.getDiagnostics()['webgpu'] };
}

test('the first time it is turned on as soon as a canary passes', () => {
  const { controller, enable } = createController();
  expect(controller.shouldEnable('webgpu', FAILED)).toBe(false);
  expect(controller.shouldEnable('webgpu', { verdict: 'undecided' })).toBe(false);
  expect(enable()).toBe(0);
  expect(controller.shouldEnable('webgpu', PASSED)).toBe(false);
});

test('what gives wrong answers is turned off at once, and stays off for longer each time, up to an end', () => {
  const { enable, disable } = createController();
  enable();
  const offMs = Array.from({ length: 6 }, () => {
    expect(disable()).toBe(0);
    return enable();
  });
  expect(offMs).toEqual([100, 400, 1600, 6400, 6400, 6400]);
});

test('what is right but does not pay stays on for its time', () => {
  const { enable, disable } = createController();
  enable();
  expect([disable('worse'), enable(), disable('worse'), enable()]).toEqual([100, 100, 200, 400]);
});

test('a canary that fails makes it wait anew, one that is undecided does not', () => {
  const { clock, controller, enable, disable } = createController();
  enable();
  disable();
  clock.advance(60);
  expect(controller.shouldEnable('webgpu', FAILED)).toBe(false);
  clock.advance(40);
  expect(controller.shouldEnable('webgpu', { verdict: 'undecided' })).toBe(false);
  expect(enable()).toBe(60);
});

test('flips are forgiven while it stays on, not while it is off', () => {
  const { clock, enable, disable, look } = createController();
  enable();
  for (let i = 0; i < 3; i++) {
    disable();
    enable();
  }
  expect(look()).toMatchObject({ enabled: true, flips: 6, transitions: 7, dwellMs: 3200, remainingMs: 3200 });
  clock.advance(3000);
  expect(look()).toMatchObject({ flips: 3, forMs: 3000, dwellMs: 3200, remainingMs: 200 });
  disable();
  clock.advance(100_000);
  expect(look()).toMatchObject({ enabled: false, flips: 4, dwellMs: 800, remainingMs: 0 });
  enable();
  clock.advance(5000);
  expect(look()).toMatchObject({ flips: 0 });
  disable();
  expect(enable()).toBe(100);
});

test('however often it flipped, a bounded time makes that good', () => {
  const { clock, enable, disable, look } = createController();
  enable();
  for (let i = 0; i < 50; i++) {
    disable();
    enable();
  }
  expect(look()?.flips).toBe(7);
  clock.advance(7000);
  expect(look()?.flips).toBe(0);
});

test('each optimisation has its own', () => {
  const { controller, enable, disable } = createController();
  enable();
  disable();
  expect([controller.shouldEnable('fp16', PASSED), controller.shouldEnable('webgpu', PASSED)]).toEqual([true, false]);
});

test('an optimisation that it was not told of may be turned off, one that is off need not', () => {
  const { controller, enable, disable } = createController();
  expect([controller.shouldDisable('fp16'), controller.shouldDisable('fp16', 'worse')]).toEqual([true, true]);
  enable();
  disable();
  expect([controller.shouldDisable('webgpu'), controller.shouldDisable('webgpu', 'worse')]).toEqual([false, false]);
});

test.each([{ minDwellMs: 0 }, { maxDwellMs: NaN }, { forgiveAfterMs: -1 }, { minDwellMs: 2, maxDwellMs: 1 }])(
  'refuses %j',
  (options) => {
    expect(() => new HysteresisController(options)).toThrow(RangeError);
  },
);

/** When it was turned over, and when a canary failed: all that its answers follow from. */
interface Model {
  now: number;
  turns: number[];
  failedAt: number;
}

interface Real {
  readonly clock: ReturnType<typeof createFakeClock>;
  readonly controller: HysteresisController;
}

/** Replays all that happened. */
function replay({ turns, now, failedAt }: Model) {
  let [flips, atTurn, on] = [0, 0, false];
  for (const [i, turn] of turns.entries()) {
    if (i > 0) {
      const forgiven = on ? Math.floor((turn - (turns[i - 1] as number)) / OPTIONS.forgiveAfterMs) : 0;
      flips = Math.min(7, Math.max(0, flips - forgiven) + 1);
    }
    atTurn = flips;
    on = !on;
  }
  const last = turns.at(-1) ?? -Infinity;
  const dwellMs = Math.min(OPTIONS.maxDwellMs, OPTIONS.minDwellMs * 2 ** Math.max(0, atTurn - 1));
  const from = on ? last : Math.max(last, failedAt);
  return { on, isOver: turns.length === 0 || now >= from + dwellMs };
}

class Ask implements fc.Command<Model, Real> {
  readonly what: CanaryVerdict['verdict'] | DisableReason;
  constructor(what: CanaryVerdict['verdict'] | DisableReason) {
    this.what = what;
  }
  check = (): boolean => true;
  run(model: Model, { controller }: Real): void {
    const { on } = replay(model);
    if (this.what === 'wrong' || this.what === 'worse') {
      const { isOver } = replay(model);
      const expected = model.turns.length === 0 || (on && (this.what === 'wrong' || isOver));
      expect(controller.shouldDisable('m', this.what)).toBe(expected);
      if (!expected || model.turns.length === 0) return;
    } else {
      if (this.what === 'failed' && !on && model.turns.length > 0) model.failedAt = model.now;
      const expected = this.what === 'passed' && !on && replay(model).isOver;
      expect(controller.shouldEnable('m', { verdict: this.what })).toBe(expected);
      if (!expected) return;
    }
    controller.recordTransition('m');
    model.turns.push(model.now);
  }
  toString = (): string => this.what;
}

class Wait implements fc.Command<Model, Real> {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = (): boolean => true;
  run(model: Model, { clock }: Real): void {
    model.now += this.ms;
    clock.advance(this.ms);
  }
  toString = (): string => `wait ${this.ms}`;
}

test('says what follows from all that happened, in any order, and never lets it flap', () => {
  const ask = (what: Ask['what']) => fc.constant(new Ask(what));
  const wait = fc.oneof(fc.constantFrom(1, 99, 100, 200, 400, 1000), fc.nat(7000)).map((ms) => new Wait(ms));
  const asks = ['passed', 'passed', 'wrong', 'worse', 'failed', 'undecided'] as const;
  let most = 0;
  fc.assert(
    fc.property(fc.commands([...asks.map(ask), wait, wait, wait], { size: 'max', maxCommands: 100 }), (steps) => {
      const clock = createFakeClock();
      const model: Model = { now: clock.now(), turns: [], failedAt: -Infinity };
      fc.modelRun(
        () => ({ model, real: { clock, controller: new HysteresisController({ ...OPTIONS, clock }) } }),
        steps,
      );
      most = Math.max(most, model.turns.length);
      // Never turned on again before the shortest dwell time has passed since it was turned off.
      for (let i = 2; i < model.turns.length; i += 2) {
        expect((model.turns[i] as number) - (model.turns[i - 1] as number)).toBeGreaterThanOrEqual(100);
      }
    }),
    { numRuns: 400 },
  );
  expect(most).toBeGreaterThan(6);
});

test('the worst there is, which passes each canary and is wrong right after, is on a handful of times a day', () => {
  const clock = createFakeClock();
  const controller = new HysteresisController({ clock });
  let timesOn = 0;
  for (let second = 0; second < 86_400; second++) {
    clock.advance(1000);
    if (controller.shouldEnable('m', PASSED)) {
      timesOn++;
      controller.recordTransition('m');
      if (controller.shouldDisable('m')) controller.recordTransition('m');
    }
  }
  expect(timesOn).toBe(7);
});
