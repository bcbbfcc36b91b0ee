import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';

const DAY = 86_400_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test.each([1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 60 * DAY])('calls what is due in %i ms then, and once', (delayMs) => {
  const task = vi.fn();
  systemClock.after(delayMs, task);
  vi.advanceTimersByTime(delayMs - 1);
  expect(task).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(task).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(100 * DAY);
  expect(task).toHaveBeenCalledOnce();
});

test('what is due never is not called, and what was called off is not either, however late', () => {
  const task = vi.fn();
  const never = systemClock.after(Infinity, task);
  const cancelled = systemClock.after(60 * DAY, task);
  vi.advanceTimersByTime(30 * DAY);
  cancelled[Symbol.dispose]();
  vi.advanceTimersByTime(200 * DAY);
  expect(task).not.toHaveBeenCalled();
  never[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
});
