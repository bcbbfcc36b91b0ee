import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs } from '../../src/backoff.ts';
import { ConfigError, DeadlineExceededError, InputError } from '../../src/errors.ts';
import { QueueFullError } from '../../src/model-errors.ts';
import { CircuitBreaker, failureKind } from '../../src/safety/circuit-breaker.ts';
import type { CircuitBreakerOptions, CircuitStateChange, CircuitTicket } from '../../src/safety/circuit-breaker.ts';
import { WrongAnswerError } from '../../src/safety/safety-errors.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const FAILURE = new Error('lost device');
const WRONG = new WrongAnswerError('webgpu', 'twice the right value');

/** Back-off: 75, 150, 300, 600, 1200 ms. */
function createBreaker(options: CircuitBreakerOptions = {}) {
  const clock = createFakeClock();
  const breaker = new CircuitBreaker('webgpu', {
    minBackoffMs: 100,
    maxBackoffMs: 1600,
    clock,
    random: () => 0.5,
    ...options,
  });
  const changes: CircuitStateChange[] = [];
  breaker.onStateChange((change) => changes.push(change));
  const fail = (times = 1, error: unknown = FAILURE): void => {
    for (let i = 0; i < times; i++) breaker.fail(breaker.enter(), error);
  };
  const succeed = (times = 1): void => {
    for (let i = 0; i < times; i++) breaker.succeed(breaker.enter());
  };
  return { clock, breaker, changes, fail, succeed };
}

describe('opens', () => {
  test('after so many failures in a row, and not where one between them succeeds', () => {
    const { breaker, fail, succeed, changes } = createBreaker();
    fail(2);
    succeed();
    fail(2);
    expect(breaker.state).toEqual({ kind: 'closed', failuresInARow: 2 });
    fail();
    expect(changes).toEqual([
      { name: 'webgpu', from: 'closed', to: 'open', reason: '3 failures in a row: lost device' },
    ]);
    expect(() => breaker.enter()).toThrow(
      expect.objectContaining({
        code: 'CIRCUIT_OPEN',
        retryAfterMs: 75,
        message: 'webgpu is not used now, because of 3 failures in a row: lost device.',
      }),
    );
  });

  test('at a failure rate, once the window holds enough calls', () => {
    const { breaker, fail, succeed } = createBreaker({ maxFailures: Infinity, minCalls: 10, failureRate: 0.3 });
    fail(2);
    succeed(7);
    expect(breaker.state.kind).toBe('closed');
    fail();
    expect(breaker.state).toMatchObject({ kind: 'open', reason: '3 failures in 10 calls: lost device' });
  });

  test('but counts only the last calls', () => {
    const { breaker, fail, succeed } = createBreaker({
      maxFailures: Infinity,
      minCalls: 10,
      window: { calls: 10 },
      failureRate: 0.3,
    });
    for (let i = 0; i < 20; i++) {
      fail();
      succeed(4);
    }
    expect(breaker.getDiagnostics()).toMatchObject({ state: 'closed', window: { calls: 10, failures: 2 } });
  });

  test('or only those of the last milliseconds', () => {
    const { breaker, clock, fail, succeed } = createBreaker({
      maxFailures: Infinity,
      minCalls: 4,
      window: { durationMs: 1000 },
    });
    fail(3);
    clock.advance(1000);
    succeed(3);
    fail();
    expect(breaker.getDiagnostics()).toMatchObject({ state: 'closed', window: { calls: 4, failures: 1 } });
    clock.advance(899);
    fail();
    expect(breaker.getDiagnostics()).toMatchObject({ state: 'closed', window: { calls: 5, failures: 2 } });
  });

  test('for a wrong answer alone', () => {
    const { breaker, fail, succeed } = createBreaker();
    succeed(50);
    fail(1, WRONG);
    expect(breaker.state).toMatchObject({ kind: 'open', reason: WRONG.message });
  });

  test('for nothing that is not its own', () => {
    const { breaker, fail } = createBreaker({ maxFailures: 1 });
    const others = [
      new InputError('x'),
      new ConfigError('a', 'x'),
      new DeadlineExceededError(5),
      new QueueFullError(1, 1),
    ];
    for (const error of others) fail(1, error);
    expect(breaker.getDiagnostics()).toMatchObject({ state: 'closed', counts: { failed: 0, left: 4 } });
    // What reading from a lost GPU device ends in.
    fail(1, new DOMException('The device is lost.', 'AbortError'));
    expect(breaker.state).toMatchObject({ kind: 'open', reason: 'The device is lost.' });
  });

  test('for what the caller chooses', () => {
    const { breaker, fail } = createBreaker({
      classify: (error) => (error === FAILURE ? 'ignored' : failureKind(error)),
    });
    fail(10);
    expect(breaker.state.kind).toBe('closed');
    fail(3, 'a text');
    expect(breaker.state).toMatchObject({ kind: 'open', reason: '3 failures in a row: a text' });
  });
});

describe('tries again', () => {
  test('after waits that grow, and closes when all calls that may try have succeeded', () => {
    const { breaker, clock, fail, succeed, changes } = createBreaker({ probes: 2 });
    fail(3);
    for (const waitMs of [75, 150, 300]) {
      clock.advance(waitMs - 1);
      expect(() => breaker.enter()).toThrow('not used now');
      clock.advance(1);
      fail();
    }
    clock.advance(600);
    succeed();
    expect(breaker.state.kind).toBe('half_open');
    succeed();
    expect(breaker.state).toEqual({ kind: 'closed', failuresInARow: 0 });
    expect(changes.map(({ to }) => to).slice(-3)).toEqual(['open', 'half_open', 'closed']);
    fail(2);
    expect(breaker.state.kind).toBe('closed');
  });

  test('with no more calls at once than may', () => {
    const { breaker, clock, fail } = createBreaker({ probes: 2 });
    fail(3);
    clock.advance(75);
    const [first] = [breaker.enter(), breaker.enter()];
    expect(() => breaker.enter()).toThrow(expect.objectContaining({ retryAfterMs: 0 }));
    breaker.leave(first);
    breaker.succeed(breaker.enter());
    expect(() => breaker.enter()).toThrow('not used now');
  });

  test('and gives up on one that hangs', () => {
    const { breaker, clock, fail } = createBreaker({ probes: 1, probeTimeoutMs: 500 });
    fail(3);
    clock.advance(75);
    const hanging = breaker.enter();
    clock.advance(499);
    expect(() => breaker.enter()).toThrow(expect.objectContaining({ retryAfterMs: 0 }));
    clock.advance(1);
    expect(() => breaker.enter()).toThrow(expect.objectContaining({ retryAfterMs: 150 }));
    breaker.succeed(hanging);
    expect(breaker.getDiagnostics()).toMatchObject({ state: 'open', attempt: 1, openMs: 575, retryInMs: 150 });
  });
});

test('what began before the state changed says nothing about now, and an end counts once', () => {
  const { breaker, clock, fail, succeed } = createBreaker({ probes: 1 });
  const early = [breaker.enter(), breaker.enter()] as const;
  fail(3);
  clock.advance(75);
  succeed();
  breaker.fail(early[0], WRONG);
  breaker.succeed(early[1]);
  for (let i = 0; i < 5; i++) breaker.fail(early[0], FAILURE);
  expect(breaker.state).toEqual({ kind: 'closed', failuresInARow: 0 });
  expect(breaker.getDiagnostics().counts).toEqual({ succeeded: 2, failed: 4, left: 0, refused: 0, opened: 1 });
});

describe('execute', () => {
  test('gives what the task gives, now or later, and throws what it throws', async () => {
    const { breaker } = createBreaker();
    expect(await breaker.execute(() => 1)).toBe(1);
    expect(await breaker.execute(async () => 2)).toBe(2);
    const throwing = (): never => {
      throw FAILURE;
    };
    for (let i = 0; i < 3; i++) await expect(breaker.execute(throwing)).rejects.toBe(FAILURE);
    await expect(breaker.execute(() => 3)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
  });

  test('an abort is no failure, whatever the task makes of it', async () => {
    const { breaker } = createBreaker({ maxFailures: 1 });
    const leaving = new AbortController();
    const run = breaker.execute(async () => {
      leaving.abort(new Error('gone'));
      throw FAILURE;
    }, leaving.signal);
    await expect(run).rejects.toBe(FAILURE);
    await expect(breaker.execute(() => 1, leaving.signal)).rejects.toThrow('gone');
    expect(breaker.getDiagnostics().counts).toMatchObject({ failed: 0, left: 1, refused: 0 });
  });
});

test('waits are not the same for everybody', () => {
  const waits = [0, 0.25, 0.75].map((value) => {
    const { breaker, fail } = createBreaker({ random: () => value });
    fail(3);
    return breaker.getDiagnostics().retryInMs;
  });
  expect(waits).toEqual([50, 62.5, 87.5]);
});

describe('saved', () => {
  /** A breaker in another process, whose clock began elsewhere. */
  const revive = (from: CircuitBreaker, options: CircuitBreakerOptions = {}) => {
    const clock = createFakeClock(5);
    const saved = JSON.parse(JSON.stringify(from.save())) as NonNullable<CircuitBreakerOptions['saved']>;
    const backoff = { minBackoffMs: 100, maxBackoffMs: 1600, random: () => 0.5 };
    return { clock, breaker: new CircuitBreaker('webgpu', { ...backoff, ...options, clock, saved }) };
  };

  test('an open one stays open for what was left, and its waits go on growing', () => {
    const { breaker, clock, fail } = createBreaker();
    fail(3);
    clock.advance(75);
    fail();
    clock.advance(50);
    const other = revive(breaker);
    expect(other.breaker.getDiagnostics()).toMatchObject({ state: 'open', openMs: 125, retryInMs: 100, attempt: 1 });
    other.clock.advance(100);
    other.breaker.fail(other.breaker.enter(), FAILURE);
    expect(other.breaker.getDiagnostics()).toMatchObject({ retryInMs: 300, attempt: 2 });
  });

  test('one that was being tried is tried again at once: those calls ended with their process', () => {
    const { breaker, clock, fail } = createBreaker();
    fail(3);
    clock.advance(75);
    breaker.enter();
    const other = revive(breaker);
    expect(other.breaker.getDiagnostics()).toMatchObject({ state: 'open', retryInMs: 0, attempt: 0 });
    for (let i = 0; i < 3; i++) other.breaker.succeed(other.breaker.enter());
    expect(other.breaker.state.kind).toBe('closed');
  });

  test.each([{ window: { calls: 20 } }, { window: { durationMs: 1000 } }])('a closed one keeps %j', ({ window }) => {
    const options = { window, maxFailures: Infinity };
    const { breaker, clock, fail, succeed } = createBreaker(options);
    for (let i = 0; i < 8; i++) {
      succeed(2);
      fail();
      clock.advance(100);
    }
    const other = revive(breaker, options);
    expect(other.breaker.getDiagnostics()).toEqual({
      ...breaker.getDiagnostics(),
      counts: { succeeded: 0, failed: 0, left: 0, refused: 0, opened: 0 },
    });
    for (const each of [clock, other.clock]) each.advance(350);
    expect(other.breaker.save()).toEqual(breaker.save());
  });

  test('a wait is never longer than what is allowed now', () => {
    const saved = { state: 'open', openMs: 1, retryInMs: 1e12, attempt: 9, reason: 'x' } as const;
    expect(createBreaker({ saved }).breaker.getDiagnostics().retryInMs).toBe(1600);
  });

  test.each([
    null,
    3,
    {},
    { state: 'half_open' },
    { state: 'open', openMs: 1, retryInMs: -1, attempt: 0, reason: '' },
    { state: 'open', openMs: 1, retryInMs: 1, attempt: 0 },
    { state: 'closed', failuresInARow: 0 },
    { state: 'closed', failuresInARow: null, window: { kind: 'calls', outcomes: '' } },
    { state: 'closed', failuresInARow: 0, window: { kind: 'calls', outcomes: '012' } },
    { state: 'closed', failuresInARow: 0, window: { kind: 'time', slices: [null] } },
    { state: 'closed', failuresInARow: 0, window: { kind: 'time', slices: [{ ageMs: 0, calls: '1', failures: 0 }] } },
  ])('refuses %j', (saved) => {
    expect(() => createBreaker({ saved: saved as never })).toThrow(RangeError);
  });
});

test.each<CircuitBreakerOptions>([
  { maxFailures: 0 },
  { failureRate: 0 },
  { failureRate: 1.1 },
  { minCalls: NaN },
  { probes: -1 },
  { probeTimeoutMs: 0 },
  { minBackoffMs: 0 },
  { maxBackoffMs: 0 },
  { window: { calls: 1.5 }, minCalls: 1 },
  { window: { calls: 10 } },
  { window: { durationMs: Infinity } },
])('refuses %j', (options) => {
  expect(() => createBreaker(options)).toThrow(RangeError);
});

type Kind = 'failure' | 'grave' | 'ignored';

/** What the breaker should be, in other words: the last kind of state, and what has happened since. */
interface Model {
  now: number;
  kind: 'closed' | 'open' | 'half_open';
  /** Of a closed one: how each call since it closed ended, and when. */
  ends: { readonly failed: boolean; readonly at: number }[];
  retryAt: number;
  attempt: number;
  succeeded: number;
  /** Calls under way since the state last changed, and whether each may still say something. */
  flights: { readonly current: boolean; readonly startedAt: number }[];
}

interface Real {
  readonly clock: ReturnType<typeof createFakeClock>;
  breaker: CircuitBreaker;
  tickets: CircuitTicket[];
}

const OPTIONS = { maxFailures: 4, minCalls: 6, failureRate: 0.5, probes: 2, probeTimeoutMs: 400 } as const;
const BACKOFF = { minMs: 100, maxMs: 1600, random: () => 0.5 };
const WINDOWS = [{ calls: 8 }, { durationMs: 1000 }] as const;

function become(model: Model, kind: Model['kind']): void {
  model.kind = kind;
  model.ends = [];
  model.succeeded = 0;
  model.flights = model.flights.map(({ startedAt }) => ({ current: false, startedAt }));
}

function open(model: Model, attempt: number): void {
  model.attempt = attempt;
  model.retryAt = model.now + backoffMs(attempt, BACKOFF);
  become(model, 'open');
}

/** Hanging calls are noticed when something is asked. */
function notice(model: Model): void {
  const hangs = model.flights.some((each) => each.current && model.now - each.startedAt >= OPTIONS.probeTimeoutMs);
  if (model.kind === 'half_open' && hangs) open(model, model.attempt + 1);
}

class Enter implements fc.Command<Model, Real> {
  check = (): boolean => true;
  run(model: Model, real: Real): void {
    notice(model);
    if (model.kind === 'open' && model.now >= model.retryAt) become(model, 'half_open');
    const trying = model.flights.filter((each) => each.current).length;
    const passes = model.kind === 'closed' || (model.kind === 'half_open' && model.succeeded + trying < OPTIONS.probes);
    let ticket: CircuitTicket | undefined;
    try {
      ticket = real.breaker.enter();
    } catch (error) {
      expect(error).toMatchObject({ code: 'CIRCUIT_OPEN' });
    }
    expect(ticket !== undefined).toBe(passes);
    if (ticket === undefined) return;
    model.flights.push({ current: true, startedAt: model.now });
    real.tickets.push(ticket);
  }
  toString = (): string => 'enter';
}

class End implements fc.Command<Model, Real> {
  readonly which: number;
  readonly how: 'succeed' | Kind;
  readonly window: (typeof WINDOWS)[number];
  constructor(which: number, how: 'succeed' | Kind, window: (typeof WINDOWS)[number]) {
    this.which = which;
    this.how = how;
    this.window = window;
  }
  check = (model: Readonly<Model>): boolean => model.flights.length > 0;
  run(model: Model, real: Real): void {
    const index = this.which % model.flights.length;
    const [flight] = model.flights.splice(index, 1) as [Model['flights'][number]];
    const [ticket] = real.tickets.splice(index, 1) as [CircuitTicket];
    if (this.how === 'succeed') real.breaker.succeed(ticket);
    else real.breaker.fail(ticket, this.how);
    if (!flight.current || this.how === 'ignored') return;
    if (model.kind === 'half_open') {
      if (this.how !== 'succeed') open(model, model.attempt + 1);
      else if (++model.succeeded === OPTIONS.probes) become(model, 'closed');
      return;
    }
    model.ends.push({ failed: this.how !== 'succeed', at: model.now });
    if (this.how === 'succeed') return;
    const inARow = model.ends.length - 1 - model.ends.findLastIndex((each) => !each.failed);
    const counted = 'calls' in this.window ? model.ends.slice(-this.window.calls) : sliced(model);
    const failures = counted.filter((each) => each.failed).length;
    const often = counted.length >= OPTIONS.minCalls && failures >= counted.length / 2;
    if (this.how === 'grave' || inARow >= OPTIONS.maxFailures || often) open(model, 0);
  }
  toString = (): string => `end ${this.which}: ${this.how}`;
}

/** The ends that a window of a second counts: in slices of a tenth, each from its first call on. */
function sliced({ ends, now }: Model): Model['ends'] {
  const startOf: number[] = [];
  for (const { at } of ends) {
    const last = startOf.at(-1);
    startOf.push(last !== undefined && at - last < 100 ? last : at);
  }
  return ends.filter((_, i) => now - (startOf[i] as number) < 1000);
}

/** Enters, and ends at once if it was let through. */
class Call implements fc.Command<Model, Real> {
  readonly how: 'succeed' | Kind;
  readonly window: (typeof WINDOWS)[number];
  constructor(how: 'succeed' | Kind, window: (typeof WINDOWS)[number]) {
    this.how = how;
    this.window = window;
  }
  check = (): boolean => true;
  run(model: Model, real: Real): void {
    const before = model.flights.length;
    new Enter().run(model, real);
    if (model.flights.length > before) new End(before, this.how, this.window).run(model, real);
  }
  toString = (): string => `call: ${this.how}`;
}

class Wait implements fc.Command<Model, Real> {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = (): boolean => true;
  run(model: Model, real: Real): void {
    model.now += this.ms;
    real.clock.advance(this.ms);
  }
  toString = (): string => `wait ${this.ms}`;
}

/** The process ends and another goes on from what was saved; its calls are gone. */
class Restart implements fc.Command<Model, Real> {
  readonly window: (typeof WINDOWS)[number];
  constructor(window: (typeof WINDOWS)[number]) {
    this.window = window;
  }
  check = (): boolean => true;
  run(model: Model, real: Real): void {
    notice(model);
    if (model.kind === 'half_open') {
      become(model, 'open');
      model.retryAt = model.now;
    }
    model.flights = [];
    real.tickets = [];
    const saved = JSON.parse(JSON.stringify(real.breaker.save())) as ReturnType<CircuitBreaker['save']>;
    real.breaker = modelled(real.clock, this.window, saved);
  }
  toString = (): string => 'restart';
}

class Look implements fc.Command<Model, Real> {
  check = (): boolean => true;
  run(model: Model, real: Real): void {
    notice(model);
    const { state, retryInMs, attempt, probing } = real.breaker.getDiagnostics();
    const trying = model.kind === 'half_open' ? model.flights.filter((each) => each.current).length : 0;
    expect({ state, retryInMs, attempt, probing }).toEqual({
      state: model.kind,
      retryInMs: model.kind === 'open' ? Math.max(0, model.retryAt - model.now) : 0,
      attempt: model.kind === 'closed' ? 0 : model.attempt,
      probing: trying,
    });
  }
  toString = (): string => 'look';
}

function modelled(
  clock: Real['clock'],
  window: (typeof WINDOWS)[number],
  saved?: CircuitBreakerOptions['saved'],
): CircuitBreaker {
  const [minBackoffMs, maxBackoffMs, random] = [BACKOFF.minMs, BACKOFF.maxMs, BACKOFF.random];
  const classify = (kind: unknown): Kind => kind as Kind;
  return new CircuitBreaker('m', { ...OPTIONS, window, minBackoffMs, maxBackoffMs, random, classify, clock, saved });
}

test.each(WINDOWS)('is what a model says, whatever happens in any order, with a window of %j', (window) => {
  const how = fc.oneof(
    { weight: 7, arbitrary: fc.constant('succeed' as const) },
    { weight: 6, arbitrary: fc.constant('failure' as const) },
    { weight: 1, arbitrary: fc.constantFrom('grave' as const, 'ignored' as const) },
  );
  const end = fc.tuple(fc.nat(9), how).map(([which, kind]) => new End(which, kind, window));
  const wait = fc.oneof(fc.constantFrom(1, 25, 75, 99, 100, 150, 400), fc.nat(2000)).map((ms) => new Wait(ms));
  const seen = new Set<string>();
  // Commands are chosen with equal chances: what is common is there more than once.
  const commands = fc.commands(
    [
      ...[1, 2].map(() => fc.constant(new Enter())),
      ...[1, 2].map(() => end),
      ...[1, 2, 3].map(() => how.map((kind) => new Call(kind, window))),
      ...[1, 2].map(() => wait),
      fc.constant(new Look()),
      fc.constant(new Restart(window)),
    ],
    { size: 'max', maxCommands: 100 },
  );
  fc.assert(
    fc.property(commands, (steps) => {
      fc.modelRun(() => {
        const clock = createFakeClock();
        const breaker = modelled(clock, window);
        const model: Model = {
          now: clock.now(),
          kind: 'closed',
          ends: [],
          retryAt: 0,
          attempt: 0,
          succeeded: 0,
          flights: [],
        };
        breaker.onStateChange(({ from, to }) => seen.add(`${from} to ${to}`));
        return { model, real: { clock, breaker, tickets: [] } };
      }, steps);
    }),
    { numRuns: 1000 },
  );
  expect([...seen].toSorted()).toEqual([
    'closed to open',
    'half_open to closed',
    'half_open to open',
    'open to half_open',
  ]);
});
