/** Tenants take turns also where their requests cannot share a batch. */

import { expect, test } from 'vitest';
import type { BatchKey } from '../../src/batching/batch-key.ts';
import { inTurn, RequestQueue } from '../../src/batching/request-queue.ts';
import { TenantTurns } from '../../src/batching/tenant-turns.ts';
import { RequestPriority } from '../../src/call.ts';
import { setUp } from '../helpers/simulated-batcher.ts';
import { queued } from '../helpers/queued-request.ts';

const key = (length: number): BatchKey => ({ modelId: 1, endpoint: '', inputShapeBucket: [-1, length], dtype: 'n' });

test('a tenant that floods one queue does not keep another, of another queue, from its turn', async () => {
  const { clock, model, askWith } = await setUp({ maxBatchSize: 1 });
  const flood = Array.from({ length: 50 }, (_, i) => askWith({ tenant: 'flood', batchKey: key(16) }, i));
  await clock.run(3);
  const quiet = askWith({ tenant: 'quiet', batchKey: key(32) }, 100);
  await clock.run(5000);
  await Promise.all([...flood, quiet]);
  expect(model.runs.flat().indexOf(100)).toBeLessThanOrEqual(2);
});

test('nor does one that floods a queue nobody used before', async () => {
  const { clock, model, askWith } = await setUp({ maxBatchSize: 1 });
  const before = Array.from({ length: 100 }, (_, i) => askWith({ tenant: 'quiet', batchKey: key(32) }, i));
  await clock.run(5000);
  await Promise.all(before);
  model.runs.length = 0;
  const flood = Array.from({ length: 50 }, (_, i) => askWith({ tenant: 'flood', batchKey: key(16) }, i));
  const quiet = askWith({ tenant: 'quiet', batchKey: key(32) }, 100);
  await clock.run(5000);
  await Promise.all([...flood, quiet]);
  expect(model.runs.flat().indexOf(100)).toBeLessThanOrEqual(2);
});

test('the urgent go first, whichever queue they are in', async () => {
  const { clock, model, askWith } = await setUp({ maxBatchSize: 1 });
  const answers = [
    askWith({ batchKey: key(1) }, 0),
    askWith({ batchKey: key(1) }, 1),
    askWith({ batchKey: key(2), priority: RequestPriority.LOW }, 2),
    askWith({ batchKey: key(3), priority: RequestPriority.CRITICAL }, 3),
    askWith({ batchKey: key(2), priority: RequestPriority.HIGH }, 4),
  ];
  await clock.run(500);
  await Promise.all(answers);
  expect(model.runs.flat()).toEqual([0, 3, 4, 1, 2]);
});

test('queues are served in the order of their requests’ turns, and a long wait is worth a step of priority', () => {
  const turns = new TenantTurns();
  const [a, b, c] = [1, 2, 3].map(() => ({ requests: new RequestQueue(1000, turns) })) as [Queue, Queue, Queue];
  for (let i = 0; i < 3; i++) a.requests.push(queued({ tenant: 'x' }));
  b.requests.push(queued({ tenant: 'x' }));
  c.requests.push(queued({ tenant: 'y', enqueuedAt: 5 }));
  expect(inTurn([b, a, c], 10)).toEqual([a, c, b]);
  b.requests.push(queued({ tenant: 'x', priority: 2, enqueuedAt: 10 }));
  expect(inTurn([b, a, c], 10)).toEqual([b, a, c]);
  expect(inTurn([b, a, c], 900)).toEqual([b, a, c]);
});

test('nobody starves in another queue', () => {
  const turns = new TenantTurns();
  const [low, urgent] = [1, 2].map(() => ({ requests: new RequestQueue(1000, turns) })) as [Queue, Queue];
  low.requests.push(queued({ priority: 0, enqueuedAt: 0 }));
  urgent.requests.push(queued({ priority: 3, enqueuedAt: 2999 }));
  expect(inTurn([low, urgent], 2999)).toEqual([urgent, low]);
  urgent.requests.pop(2999);
  urgent.requests.push(queued({ priority: 3, enqueuedAt: 3002 }));
  expect(inTurn([low, urgent], 3002)).toEqual([low, urgent]);
});

interface Queue {
  readonly requests: RequestQueue;
}

test('a tenant whose requests are taken out owes nothing once nobody waits', () => {
  const turns = new TenantTurns();
  const queue = new RequestQueue(1000, turns);
  for (let i = 0; i < 9; i++) queue.push(queued({ tenant: 'x' }));
  queue.remove(() => true);
  queue.push(queued({ tenant: 'x' }));
  queue.push(queued({ tenant: 'y' }));
  expect([queue.pop(0)?.tenant, queue.pop(0)?.tenant]).toEqual(['x', 'y']);
});

test('of tenants who are served and gone nothing is kept, also where somebody always waits', () => {
  const turns = new TenantTurns();
  const queue = new RequestQueue(1000, turns);
  queue.push(queued({ tenant: 'first' }));
  for (let i = 0; i < 5000; i++) {
    queue.push(queued({ tenant: `t${i}` }));
    queue.pop(0);
  }
  expect(queue.length).toBe(1);
  expect(turns.classes[1]?.tenants).toBeLessThanOrEqual(64);
});

test('tenants who come anew, however many, do not keep one from its second turn', () => {
  const queue = new RequestQueue(1000);
  queue.push(queued({ tenant: 'again' }));
  queue.push(queued({ tenant: 'new' }));
  queue.pop(0);
  queue.push(queued({ name: 'second', tenant: 'again' }));
  let served = 0;
  for (let name = ''; name !== 'second' && served < 1000; served++) {
    queue.push(queued({ tenant: `new ${served}` }));
    name = queue.pop(0)?.call.entryPoint ?? '';
  }
  expect(served).toBeLessThan(6);
});
