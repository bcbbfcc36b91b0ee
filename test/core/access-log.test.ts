/** Answers from persistent tiers in the audit log: the first of a model at once, then their number each minute. */

import { expect, test } from 'vitest';
import { AccessLog } from '../../src/persistence/access-log.ts';
import type { AuditEvent } from '../../src/privacy/audit-logger.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

function open() {
  const clock = createFakeClock();
  const events: AuditEvent[] = [];
  const log = new AccessLog(clock, (event) => events.push(event));
  const counts = (): unknown[] => events.splice(0).map(({ modelId, details }) => [modelId, details]);
  return { clock, log, counts };
}

test('the first hit of a model in a tier is logged at once, and the rest a minute later as a number', () => {
  const { clock, log, counts } = open();
  for (let i = 0; i < 1000; i++) log.add({ source: 'l2', modelId: 1 });
  log.add({ source: 'l3', modelId: 1 });
  expect(counts()).toEqual([
    [1, { tier: 'l2', count: 1 }],
    [1, { tier: 'l3', count: 1 }],
  ]);
  clock.advance(59_999);
  expect(counts()).toEqual([]);
  clock.advance(1);
  expect(counts()).toEqual([[1, { tier: 'l2', count: 999 }]]);
});

test('a model that was not answered for a minute is not remembered', () => {
  const { clock, log, counts } = open();
  log.add({ source: 'l2', modelId: 1 });
  clock.advance(60_000);
  expect(clock.pending).toBe(0);
  log.add({ source: 'l2', modelId: 1 });
  expect(counts()).toHaveLength(2);
});

test('what is counted is logged before it ends, once', () => {
  const { clock, log, counts } = open();
  for (let i = 0; i < 3; i++) log.add({ source: 'l2', modelId: 7 });
  counts();
  log.flush();
  log.close();
  expect(counts()).toEqual([[7, { tier: 'l2', count: 2 }]]);
  expect(clock.pending).toBe(0);
});

test('answers of the model and of memory are none of it', () => {
  const { log, counts } = open();
  for (const source of ['l1', 'model', 'flight'] as const) log.add({ source: source as 'l1', modelId: 1 });
  expect(counts()).toEqual([]);
});
