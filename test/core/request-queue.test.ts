import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { RequestQueue } from '../../src/batching/request-queue.ts';
import type { BatchRequest } from '../../src/batching/request.ts';
import type { RequestPriority } from '../../src/call.ts';
import { queued } from '../helpers/queued-request.ts';

const AGEING_MS = 1000;

function drain(queue: RequestQueue, now = 0): string[] {
  const names: string[] = [];
  for (let next = queue.pop(now); next !== undefined; next = queue.pop(now)) names.push(next.call.entryPoint);
  return names;
}

test('is first in, first out among equals', () => {
  const queue = new RequestQueue(AGEING_MS);
  for (const name of ['a', 'b', 'c', 'd']) queue.push(queued({ name }));
  expect(queue.length).toBe(4);
  expect(drain(queue)).toEqual(['a', 'b', 'c', 'd']);
  expect([queue.length, queue.rows, queue.peek(0), queue.pop(0)]).toEqual([0, 0, undefined, undefined]);
});

test('serves higher priorities first', () => {
  const queue = new RequestQueue(AGEING_MS);
  for (const [name, priority] of [
    ['low', 0],
    ['normal', 1],
    ['critical', 3],
    ['high', 2],
  ] as const)
    queue.push(queued({ name, priority }));
  expect(drain(queue)).toEqual(['critical', 'high', 'normal', 'low']);
});

test('lets nobody starve: a wait of the ageing time is a step of priority', () => {
  const queue = new RequestQueue(AGEING_MS);
  queue.push(queued({ name: 'low', priority: 0, enqueuedAt: 0 }));
  queue.push(queued({ name: 'critical', priority: 3, enqueuedAt: 2999 }));
  expect(queue.peek(2999)?.call.entryPoint).toBe('critical');
  queue.push(queued({ name: 'later', priority: 3, enqueuedAt: 3002 }));
  expect(queue.pop(3002)?.call.entryPoint).toBe('critical');
  expect(queue.pop(3002)?.call.entryPoint).toBe('low');
});

test('tenants take turns, however many requests one of them has', () => {
  const queue = new RequestQueue(AGEING_MS);
  for (let i = 0; i < 100; i++) queue.push(queued({ name: `flood ${i}`, tenant: 'flood' }));
  for (const name of ['a', 'b']) queue.push(queued({ name, tenant: 'quiet' }));
  expect(drain(queue).slice(0, 5)).toEqual(['flood 0', 'a', 'flood 1', 'b', 'flood 2']);
});

test('a turn is as long as its request has rows', () => {
  const queue = new RequestQueue(AGEING_MS);
  for (let i = 0; i < 4; i++) queue.push(queued({ name: `large ${i}`, tenant: 'large', rows: 10 }));
  for (let i = 0; i < 30; i++) queue.push(queued({ name: `small ${i}`, tenant: 'small' }));
  const served = drain(queue);
  expect(served.indexOf('small 9')).toBeLessThan(served.indexOf('large 1') + 1);
  expect(served.indexOf('large 2')).toBeLessThan(served.indexOf('small 25'));
});

test('who waited for nobody is owed nothing later', () => {
  const queue = new RequestQueue(AGEING_MS);
  for (let i = 0; i < 50; i++) queue.push(queued({ name: `x${i}`, tenant: 'x' }));
  drain(queue);
  queue.push(queued({ name: 'x', tenant: 'x' }));
  queue.push(queued({ name: 'y', tenant: 'y' }));
  expect(drain(queue)).toEqual(['x', 'y']);
});

test('finds the last one of a tenant, of its lowest priority', () => {
  const queue = new RequestQueue(AGEING_MS);
  queue.push(queued({ name: 'high', priority: 2, tenant: 'a' }));
  for (const name of ['1', '2', '3']) queue.push(queued({ name, tenant: 'a' }));
  expect(queue.lastOf('a')?.call.entryPoint).toBe('3');
  expect(queue.lastOf('b')).toBeUndefined();
});

test('whatever is put in comes out once, unless it was taken out; rows add up', () => {
  const about = fc.record({
    priority: fc.constantFrom<RequestPriority>(0, 1, 2, 3),
    tenant: fc.constantFrom('a', 'b', 'c'),
    rows: fc.integer({ min: 1, max: 5 }),
    enqueuedAt: fc.integer({ min: 0, max: 5000 }),
  });
  const action = fc.oneof(
    { weight: 4, arbitrary: about },
    { weight: 2, arbitrary: fc.constant('pop' as const) },
    { weight: 1, arbitrary: fc.constantFrom('a' as const, 'b' as const) },
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const queue = new RequestQueue(AGEING_MS);
      const inside = new Set<BatchRequest>();
      let now = 0;
      for (const each of actions) {
        now += 100;
        if (each === 'pop') {
          const popped = queue.pop(now);
          expect(popped === undefined).toBe(inside.size === 0);
          if (popped !== undefined) expect(inside.delete(popped)).toBe(true);
        } else if (typeof each === 'string') {
          for (const removed of queue.remove(({ tenant }) => tenant === each))
            expect(inside.delete(removed)).toBe(true);
          expect([...inside].some(({ tenant }) => tenant === each)).toBe(false);
        } else {
          const pushed = queued(each);
          inside.add(pushed);
          queue.push(pushed);
        }
        expect(queue.length).toBe(inside.size);
        expect(queue.rows).toBe([...inside].reduce((sum, { rows }) => sum + rows, 0));
        expect(new Set(queue)).toEqual(inside);
      }
    }),
  );
});
