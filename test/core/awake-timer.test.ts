import { expect, test } from 'vitest';
import { afterAwake } from '../../src/awake-timer.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

/** A clock whose timers can be held up. */
function createHeldUp() {
  const clock = createFakeClock();
  const held = { ms: 0 };
  const late = { now: () => clock.now() + held.ms, after: clock.after };
  const at: number[] = [];
  const timer = afterAwake(late, 100, () => at.push(clock.now()));
  const begunAt = clock.now();
  return { clock, held, timer, firedAfter: () => at.map((each) => each - begunAt) };
}

test('fires when it is due, or a little later', () => {
  const { clock, held, firedAfter } = createHeldUp();
  clock.advance(99);
  held.ms = 1500;
  clock.advance(1);
  expect(firedAfter()).toEqual([100]);
  clock.advance(1e9);
  expect(firedAfter()).toHaveLength(1);
});

test('waits anew where it was held up, once', () => {
  const { clock, held, firedAfter } = createHeldUp();
  held.ms = 3_600_000;
  clock.advance(199);
  expect(firedAfter()).toEqual([]);
  held.ms *= 2;
  clock.advance(1);
  expect(firedAfter()).toEqual([200]);
});

test.each([50, 150])('is called off after %d ms', (ms) => {
  const { clock, held, timer, firedAfter } = createHeldUp();
  held.ms = 3_600_000;
  clock.advance(ms);
  timer[Symbol.dispose]();
  clock.advance(1e9);
  expect([firedAfter(), clock.pending]).toEqual([[], 0]);
});
