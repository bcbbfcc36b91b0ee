/** One timer for many calls: each that hangs is given up at its own time, and no other. */

import { expect, test } from 'vitest';
import { HangTimer } from '../../src/safety/hang-timer.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

function setUp(budgetMs: () => number = () => 100) {
  const clock = createFakeClock();
  const timer = new HangTimer(clock, budgetMs);
  const given: [string, number][] = [];
  const begin = (name: string): Disposable => {
    return timer.add((ms) => void given.push([`${name}, ${ms}`, clock.now() - 1000]));
  };
  return { clock, timer, given, begin };
}

test('each is given up when its own time is over, and one that has ended is not', async () => {
  const { clock, given, begin } = setUp();
  begin('first');
  await clock.run(30);
  const second = begin('second');
  begin('third');
  await clock.run(60);
  second[Symbol.dispose]();
  begin('last');
  await clock.run(1000);
  expect(given).toEqual([
    ['first, 100', 100],
    ['third, 100', 130],
    ['last, 100', 190],
  ]);
  expect(clock.pending).toBe(0);
});

test('calls that end in time need no timer of their own, and leave none', async () => {
  const { clock, given, begin } = setUp();
  for (let i = 0; i < 50; i++) {
    const call = begin(`call ${i}`);
    expect(clock.pending).toBe(1);
    await clock.run(10);
    call[Symbol.dispose]();
  }
  await clock.run(200);
  expect(given).toEqual([]);
  expect(clock.pending).toBe(0);
});

test('what is waited for longer, since more calls share the device, has that time', async () => {
  let budgetMs = 100;
  const { clock, given, begin } = setUp(() => budgetMs);
  begin('first');
  budgetMs = 250;
  await clock.run(1000);
  expect(given).toEqual([['first, 250', 250]]);
});

test('once no other calls come, it ends with the last that is waited for, at its own time or before', async () => {
  const { clock, timer, given, begin } = setUp();
  begin('hangs');
  const ends = begin('ends');
  timer.end();
  ends[Symbol.dispose]();
  await clock.run(1000);
  expect(given).toEqual([['hangs, 100', 100]]);
  expect(clock.pending).toBe(0);
  const other = setUp();
  const call = other.begin('ends');
  other.timer.end();
  expect(other.clock.pending).toBe(1);
  call[Symbol.dispose]();
  expect(other.clock.pending).toBe(0);
});
