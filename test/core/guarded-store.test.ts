import * as fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { backoffMs } from '../../src/backoff.ts';
import type { ByteStore } from '../../src/cache/byte-store.ts';
import { guardStore } from '../../src/cache/guarded-store.ts';
import type { GuardOptions } from '../../src/cache/guarded-store.ts';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import type { StoreState } from '../../src/cache/store-breaker.ts';
import { ClosedError } from '../../src/errors.ts';
import { Emitter } from '../../src/events.ts';
import { testByteStore } from '../contract/byte-store-contract.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

testByteStore('guarded', { open: () => guardStore(new MemoryStore(), { clock: createFakeClock() }) });

interface Call {
  readonly name: string;
  readonly succeed: (value?: unknown) => void;
  readonly fail: (error: unknown) => void;
}

/** A store whose every call waits for the test, guarded: time-outs of 100 ms, back-off from 75 ms to 1200 ms. */
function guarded(options: GuardOptions = {}) {
  const clock = createFakeClock();
  const calls: Call[] = [];
  const call = (name: string) => (): Promise<never> =>
    new Promise((resolve, reject) => calls.push({ name, succeed: resolve as Call['succeed'], fail: reject }));
  const announced = new Emitter<string>();
  const inner: ByteStore = {
    get: call('get'),
    put: call('put'),
    putIfAbsent: call('putIfAbsent'),
    write: call('write'),
    delete: call('delete'),
    keys: call('keys'),
    deletePrefix: call('deletePrefix'),
    usage: call('usage'),
    trim: call('trim'),
    announce: vi.fn<(message: string) => void>(),
    onAnnounced: announced.event,
    lock: call('lock'),
    close: () => undefined,
  };
  const store = guardStore(inner, {
    timeoutMs: 100,
    sweepTimeoutMs: 1000,
    maxFailures: 3,
    minBackoffMs: 100,
    maxBackoffMs: 1600,
    clock,
    random: () => 0.5,
    ...options,
  });
  const states: StoreState['kind'][] = [];
  store.onStateChange(({ kind }) => states.push(kind));
  return { clock, calls, inner, store, states, last: () => calls.at(-1) as Call };
}

const TIMEOUT = { code: 'STORE_TIMEOUT', timeoutMs: 100 };
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** What becomes of a call, without waiting for it. */
function watch(work: unknown): { value?: unknown; error?: unknown } {
  const seen: { value?: unknown; error?: unknown } = {};
  (work as Promise<unknown>).then(
    (value) => (seen.value = value),
    (error: unknown) => (seen.error = error),
  );
  return seen;
}

test('a dead store costs its time-out once; then calls fail at once, and say why and until when', async () => {
  const { clock, calls, store } = guarded();
  const first = watch(store.get('a'));
  await clock.run(99);
  expect(first).toEqual({});
  await clock.run(1);
  expect(first.error).toMatchObject(TIMEOUT);
  await expect(store.get('b')).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    retryAfterMs: 75,
    cause: TIMEOUT,
    message: 'The store has not been asked for 0 ms, because it failed: The store did not answer within 100 ms.',
  });
  for (const call of [
    () => store.put('a', new Uint8Array()),
    () => store.putIfAbsent('a', new Uint8Array()),
    () => store.write({}),
    () => store.delete('a'),
    () => store.keys(''),
    () => store.deletePrefix(''),
    () => store.usage(''),
    () => store.trim({ prefix: '', nowMs: 0, maxBytes: 0 }),
    () => store.lock?.('a'),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(calls).toHaveLength(1);
});

test('after the back-off one call finds out whether it is back, and others are refused meanwhile', async () => {
  const { clock, calls, store, states, last } = guarded();
  watch(store.get('a'));
  await clock.run(100 + 74.5);
  await expect(store.get('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryAfterMs: 0.5 });
  await clock.run(0.5);
  const probe = watch(store.put('a', new Uint8Array()));
  await expect(store.get('a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryAfterMs: 0 });
  expect(calls.map(({ name }) => name)).toEqual(['get', 'put']);
  expect(store.state).toMatchObject({ kind: 'probing', openedAt: 1100, attempt: 0, cause: TIMEOUT });
  last().succeed();
  await settled();
  expect(probe).toHaveProperty('value');
  watch(store.get('a'));
  expect(calls).toHaveLength(3);
  expect(states).toEqual(['open', 'probing', 'closed']);
});

test('the back-off doubles up to its maximum, a half of it at random, and begins anew once the store was back', async () => {
  const { clock, store, last } = guarded();
  const waits: number[] = [];
  watch(store.get('a'));
  for (let i = 0; i < 6; i++) {
    await clock.run(100);
    const state = store.state as StoreState & { kind: 'open' };
    expect(state).toMatchObject({ kind: 'open', attempt: i, openedAt: 1100 });
    waits.push(state.retryAt - clock.now());
    await clock.run(waits.at(-1) as number);
    watch(store.get('a'));
  }
  expect(waits).toEqual([75, 150, 300, 600, 1200, 1200]);
  last().succeed();
  await settled();
  watch(store.get('a'));
  await clock.run(100);
  expect(store.state).toMatchObject({ kind: 'open', attempt: 0, retryAt: clock.now() + 75 });
  const extremes = [0, 1 - Number.EPSILON].map((r) => backoffMs(2, { minMs: 100, maxMs: 1600, random: () => r }));
  expect(extremes).toEqual([200, expect.closeTo(400)]);
});

test('what fails fast is asked again until it failed several times in a row', async () => {
  const { store, last, states } = guarded();
  const error = new Error('refused');
  const fail = async (): Promise<void> => {
    const call = watch(store.get('a'));
    last().fail(error);
    await settled();
    expect(call.error).toBe(error);
  };
  await fail();
  await fail();
  watch(store.get('a'));
  last().succeed();
  await settled();
  await fail();
  await fail();
  expect(store.state).toEqual({ kind: 'closed', failures: 2 });
  await fail();
  expect(store.state).toMatchObject({ kind: 'open', cause: error });
  expect(states).toEqual(['open']);
});

test('an inner time-out is one, whoever found it', async () => {
  const { store, last } = guarded();
  watch(store.keys(''));
  last().fail(Object.assign(new ClosedError('x'), { code: 'STORE_TIMEOUT' }));
  await settled();
  expect(store.state.kind).toBe('open');
});

test.each([
  ['a closed store', new ClosedError('closed')],
  ['an abort', new DOMException('aborted', 'AbortError')],
  ['a wrong kind', new TypeError('no string')],
  ['a wrong value', new RangeError('too large')],
])('%s is no failure, and as a probe it leaves the next one to find out', async (_, error) => {
  const { clock, store, last, states } = guarded({ maxFailures: 1 });
  watch(store.get('a'));
  last().fail(error);
  await settled();
  expect(store.state).toEqual({ kind: 'closed', failures: 0 });
  watch(store.get('a'));
  await clock.run(100 + 75);
  watch(store.get('a'));
  last().fail(error);
  await settled();
  expect(store.state).toMatchObject({ kind: 'open', attempt: 0, retryAt: clock.now() });
  watch(store.get('a'));
  last().succeed();
  await settled();
  expect(states).toEqual(['open', 'probing', 'open', 'probing', 'closed']);
});

test('what finishes late is ignored, be it an answer or an error', async () => {
  const { clock, calls, store, states } = guarded();
  const late = [watch(store.get('a')), watch(store.get('b'))];
  await clock.run(100);
  calls[0]?.succeed(new Uint8Array(1));
  calls[1]?.fail(new Error('late'));
  await settled();
  for (const each of late) expect(each.error).toMatchObject(TIMEOUT);
  expect(store.state).toMatchObject({ kind: 'open', attempt: 0 });
  expect(states).toEqual(['open']);
});

test('what began before the store was back says nothing about it', async () => {
  const { clock, calls, store } = guarded({ minBackoffMs: 10 });
  watch(store.get('a'));
  await clock.run(50);
  const [hung, failed, answered] = [watch(store.get('b')), watch(store.get('c')), watch(store.get('d'))];
  await clock.run(50);
  calls[3]?.succeed('of before');
  await settled();
  expect([answered.value, store.state.kind]).toEqual(['of before', 'open']);
  await clock.run(8);
  watch(store.get('probe'));
  calls.at(-1)?.succeed();
  await settled();
  calls[2]?.fail(new Error('of before'));
  await clock.run(42);
  expect(hung.error).toMatchObject(TIMEOUT);
  expect(failed.error).toMatchObject({ message: 'of before' });
  expect(store.state).toEqual({ kind: 'closed', failures: 0 });
});

test('what goes through many keys has longer; as it would be a long probe, a lookup goes ahead', async () => {
  const { clock, calls, store, last } = guarded();
  const keys = watch(store.keys(''));
  await clock.run(999);
  expect(keys).toEqual({});
  await clock.run(1);
  expect(keys.error).toMatchObject({ code: 'STORE_TIMEOUT', timeoutMs: 1000 });
  await clock.run(75);
  const swept = watch(store.deletePrefix('a'));
  expect(last().name).toBe('get');
  last().succeed();
  await settled();
  expect(last().name).toBe('deletePrefix');
  last().succeed();
  await settled();
  expect([swept, calls.length]).toEqual([{ value: undefined }, 3]);
});

test('a lock may be waited for without an end; its failure counts, the caller’s abort does not', async () => {
  const { clock, store, last } = guarded({ maxFailures: 2 });
  const held = { [Symbol.dispose]: () => undefined };
  watch(store.get('a'));
  last().fail(new Error('once'));
  await settled();
  const lock = watch(store.lock?.('a'));
  await clock.run(1_000_000);
  last().succeed(held);
  await settled();
  expect(lock.value).toBe(held);
  expect(store.state).toEqual({ kind: 'closed', failures: 0 });
  const controller = new AbortController();
  watch(store.lock?.('a', controller.signal));
  controller.abort(new Error('left'));
  last().fail(controller.signal.reason);
  await settled();
  expect(store.state).toEqual({ kind: 'closed', failures: 0 });
  for (let i = 0; i < 2; i++) {
    watch(store.lock?.('a'));
    last().fail(new Error('broken'));
    await settled();
  }
  expect(store.state.kind).toBe('open');
  await clock.run(75);
  const again = watch(store.lock?.('a'));
  last().succeed();
  await settled();
  expect(last().name).toBe('lock');
  last().succeed(held);
  await settled();
  expect([again.value, store.state.kind]).toEqual([held, 'closed']);
});

test('announcements pass, also while it is not asked; what the store lacks, the guarded one lacks', async () => {
  const { clock, inner, store } = guarded();
  watch(store.get('a'));
  await clock.run(100);
  store.announce?.('hello');
  expect(inner.announce).toHaveBeenCalledExactlyOnceWith('hello');
  expect(store.onAnnounced).toBe(inner.onAnnounced);
  expect(store.changeCount).toBeUndefined();
  const plain = guardStore(new MemoryStore(), { clock });
  expect([plain.announce, plain.onAnnounced, plain.lock, plain.changeCount]).toEqual(Array(4).fill(undefined));
  class Counting extends MemoryStore {
    #count = 7;
    changeCount(): number {
      return this.#count;
    }
  }
  expect(guardStore(new Counting(), { clock }).changeCount?.()).toBe(7);
  const large = Object.assign(new MemoryStore(), { batchEntries: 9 });
  expect([guardStore(large, { clock }).batchEntries, plain.batchEntries]).toEqual([9, undefined]);
});

test('what answers at once still does, and its errors are thrown', () => {
  const clock = createFakeClock();
  const inner = new MemoryStore();
  const store = guardStore(inner, { clock, maxFailures: 2 });
  inner.get = () => {
    throw new Error('broken');
  };
  expect(() => store.get('a')).toThrow('broken');
  expect(store.state).toEqual({ kind: 'closed', failures: 1 });
  expect(store.put('a', Uint8Array.of(1))).toBeUndefined();
  expect(store.state).toEqual({ kind: 'closed', failures: 0 });
  expect(() => store.get('a')).toThrow('broken');
  expect(() => store.get('a')).toThrow('broken');
  expect(store.state.kind).toBe('open');
  expect(clock.pending).toBe(0);
});

test('a closed one says so, whatever became of the store before', async () => {
  const { clock, store } = guarded();
  watch(store.get('a'));
  await clock.run(100);
  await store.close();
  await expect(store.get('a')).rejects.toThrow(ClosedError);
  await expect(store.keys('')).rejects.toThrow(ClosedError);
  await expect(store.lock?.('a')).rejects.toThrow(ClosedError);
});

test('a store that never closes does not hang who closes it', async () => {
  const { clock, inner, store } = guarded();
  inner.close = () => new Promise<void>(() => undefined);
  const closing = watch(store.close());
  await clock.run(1000);
  expect(closing.error).toMatchObject({ code: 'STORE_TIMEOUT' });
});

test.each([{ timeoutMs: 0 }, { sweepTimeoutMs: -1 }, { maxFailures: NaN }, { minBackoffMs: 0 }, { maxBackoffMs: 0 }])(
  'refuses %j',
  (options) => {
    expect(() => guardStore(new MemoryStore(), options)).toThrow(RangeError);
  },
);

/** What the breaker should do, in a few lines and by other means: everything that happened, replayed. */
class Model {
  now = 1000;
  kind: StoreState['kind'] = 'closed';
  failures = 0;
  attempt = 0;
  retryAt = 0;
  period = 0;
  flights: { readonly id: number; readonly period: number; readonly dueAt: number }[] = [];

  call(id: number): boolean {
    if (this.kind === 'probing' || (this.kind === 'open' && this.now < this.retryAt)) return false;
    if (this.kind === 'open') this.become('probing');
    this.flights.push({ id, period: this.period, dueAt: this.now + 100 });
    return true;
  }

  end(id: number, outcome: 'succeed' | 'fail' | 'leave' | 'time out'): void {
    const flight = this.flights.find((each) => each.id === id);
    if (flight === undefined) return;
    this.flights = this.flights.filter((each) => each !== flight);
    if (flight.period !== this.period) return;
    if (outcome === 'succeed') {
      this.failures = 0;
      if (this.kind === 'probing') this.become('closed');
    } else if (outcome === 'leave') {
      if (this.kind === 'probing') this.open(0);
    } else {
      this.attempt = this.kind === 'probing' ? this.attempt + 1 : 0;
      this.failures++;
      if (this.kind === 'probing' || outcome === 'time out' || this.failures === 3)
        this.open(Math.min(1600, 100 * 2 ** this.attempt) * 0.75);
    }
  }

  wait(ms: number): void {
    const until = this.now + ms;
    for (const { id, dueAt } of this.flights.toSorted((a, b) => a.dueAt - b.dueAt)) {
      if (dueAt > until) break;
      this.now = dueAt;
      this.end(id, 'time out');
    }
    this.now = until;
  }

  open(forMs: number): void {
    this.retryAt = this.now + forMs;
    this.failures = 0;
    this.become('open');
  }

  become(kind: StoreState['kind']): void {
    this.kind = kind;
    this.period++;
  }
}

test('the state is what a plain model says, whatever succeeds, fails, hangs and finishes late, in any order', async () => {
  const outcome = fc.constantFrom('succeed' as const, 'fail' as const, 'leave' as const);
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant({ type: 'call' as const }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constant('end' as const), which: fc.nat(), outcome }) },
    {
      weight: 3,
      arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(1, 20, 50, 75, 99, 100) }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat(2000) }) },
  );
  const kinds = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { clock, calls, store } = guarded();
      const model = new Model();
      const made: { readonly seen: ReturnType<typeof watch>; readonly call: Call; ended: boolean }[] = [];
      for (const each of steps) {
        if (each.type === 'call') {
          const before = calls.length;
          const seen = watch(store.get('a'));
          const allowed = model.call(made.length);
          expect(calls.length - before).toBe(allowed ? 1 : 0);
          await settled();
          if (allowed) made.push({ seen, call: calls.at(-1) as Call, ended: false });
          else expect(seen.error).toMatchObject({ code: 'STORE_UNAVAILABLE' });
        } else if (each.type === 'end') {
          const id = made.length === 0 ? -1 : each.which % made.length;
          const target = made[id];
          if (target === undefined || target.ended) continue;
          target.ended = true;
          const inTime = model.flights.some((flight) => flight.id === id);
          if (each.outcome === 'succeed') target.call.succeed('answer');
          else target.call.fail(each.outcome === 'fail' ? new Error('failed') : new TypeError('left'));
          model.end(id, each.outcome);
          await settled();
          if (!inTime) expect(target.seen.error).toMatchObject(TIMEOUT);
          else if (each.outcome === 'succeed') expect(target.seen).toEqual({ value: 'answer' });
          else expect(target.seen.error).toBeInstanceOf(Error);
        } else {
          await clock.run(each.ms);
          model.wait(each.ms);
        }
        const { state } = store;
        kinds.add(state.kind);
        expect(state.kind).toBe(model.kind);
        if (state.kind === 'closed') expect(state.failures).toBe(model.failures);
        else expect(state.attempt).toBe(model.attempt);
        if (state.kind === 'open') expect(state.retryAt).toBe(model.retryAt);
      }
    }),
    { numRuns: 500 },
  );
  expect([...kinds].toSorted()).toEqual(['closed', 'open', 'probing']);
});
