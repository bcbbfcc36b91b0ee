/** Failures that repeat: said once a minute, and without passwords. */

import { afterEach, expect, test, vi } from 'vitest';
import { RareWarnings, reasonOf } from '../../src/persistence/rare-warnings.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

afterEach(() => vi.restoreAllMocks());

test('the first is said at once, others a minute later, each subject for itself', () => {
  const written = vi.spyOn(console, 'warn').mockReturnValue(undefined);
  const clock = createFakeClock();
  const warnings = new RareWarnings(clock);
  for (let i = 0; i < 5; i++) warnings.warn('l3', 'it failed.');
  warnings.warn('l2', 'so did this.');
  clock.advance(60_000);
  warnings.warn('l3', 'it failed again.');
  expect(written.mock.calls.flat()).toEqual([
    'epochly: it failed.',
    'epochly: so did this.',
    'epochly: it failed again. (And 4 times since it was last said.)',
  ]);
});

test.each([
  ["ERR unknown command, with args beginning with: 'hunter2'", 'redis://:hunter2@host'],
  ['Invalid URL: redis://bob:hunter2@host', ''],
  ['Invalid URL: redis://bob:hunter2@host', 'redis://bob:hunter2@host'],
  ["with args beginning with: 'hunter2/'", 'redis://bob:hunter2%2F@host'],
])('a reason does not tell the password: %s', (message, url) => {
  expect(reasonOf(new Error(message), url)).not.toContain('hunter2');
});

test('a reason is otherwise what the error says', () => {
  expect(reasonOf(new Error('connect ECONNREFUSED 127.0.0.1:1'), 'redis://127.0.0.1:1')).toBe(
    'connect ECONNREFUSED 127.0.0.1:1',
  );
});
