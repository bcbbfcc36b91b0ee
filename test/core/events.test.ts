import { expect, test, vi } from 'vitest';
import { Emitter } from '../../src/events.ts';

test('listeners are called in order of subscription until disposed of', () => {
  const emitter = new Emitter<number>();
  const seen: string[] = [];
  const first = emitter.event((value) => seen.push(`first ${value}`));
  emitter.event((value) => seen.push(`second ${value}`));
  emitter.emit(1);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  emitter.emit(2);
  expect(seen).toEqual(['first 1', 'second 1', 'second 2']);
});

test('the same function subscribed twice is called twice and disposed of apart', () => {
  const emitter = new Emitter<void>();
  const listener = vi.fn();
  const one = emitter.event(listener);
  emitter.event(listener);
  emitter.emit();
  one[Symbol.dispose]();
  emitter.emit();
  expect(listener).toHaveBeenCalledTimes(3);
});

test('a listener that throws harms neither the emitter nor the others', () => {
  const report = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const emitter = new Emitter<void>();
  const after = vi.fn();
  const error = new Error('broken listener');
  emitter.event(() => {
    throw error;
  });
  emitter.event(after);
  emitter.emit();
  expect(after).toHaveBeenCalledOnce();
  expect(report).toHaveBeenCalledWith(expect.any(String), error);
  report.mockRestore();
});

test('a listener that rejects harms nobody either, and is not waited for', async () => {
  const report = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const emitter = new Emitter<void>();
  const after = vi.fn();
  const error = new Error('broken later');
  emitter.event(async () => {
    await Promise.resolve();
    throw error;
  });
  emitter.event(after);
  emitter.emit();
  expect(after).toHaveBeenCalledOnce();
  expect(report).not.toHaveBeenCalled();
  await new Promise((resolve) => setImmediate(resolve));
  expect(report).toHaveBeenCalledWith(expect.any(String), error);
  report.mockRestore();
});

test('a listener may dispose of itself and subscribe others while it is called', () => {
  const emitter = new Emitter<void>();
  const late = vi.fn();
  const self = emitter.event(() => {
    self[Symbol.dispose]();
    emitter.event(late);
  });
  emitter.emit();
  expect(late).not.toHaveBeenCalled();
  emitter.emit();
  expect(late).toHaveBeenCalledOnce();
  expect(emitter.hasListeners).toBe(true);
});
