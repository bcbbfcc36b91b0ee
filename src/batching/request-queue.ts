/**
 * @module The requests that may share a batch, in the order in which they are served: by priority, which grows with the wait,
 * and within one priority by turns between tenants.
 */

import type { BatchRequest } from './request.ts';
import { isBefore, PRIORITIES, TenantTurns } from './tenant-turns.ts';
import type { ClassTurns, Turn } from './tenant-turns.ts';

/** The requests of one priority. */
class PriorityClass {
  /** A heap, by start, then by order. */
  readonly #heap: Turn[] = [];
  readonly #turns: ClassTurns;

  constructor(turns: ClassTurns) {
    this.#turns = turns;
  }

  get first(): Turn | undefined {
    return this.#heap[0];
  }

  push(request: BatchRequest): void {
    const heap = this.#heap;
    heap.push(this.#turns.come(request));
    for (let i = heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!isBefore(heap[i] as Turn, heap[parent] as Turn)) break;
      swap(heap, i, parent);
      i = parent;
    }
  }

  pop(): BatchRequest | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined) return undefined;
    const last = heap.pop() as Turn;
    if (heap.length > 0) {
      heap[0] = last;
      sink(heap, 0);
    }
    this.#turns.served(first);
    return first.request;
  }

  /** Takes out requests anywhere in it. */
  remove(unwanted: (request: BatchRequest) => boolean): void {
    const heap = this.#heap;
    const kept: Turn[] = [];
    for (const each of heap) {
      if (unwanted(each.request)) this.#turns.left(each.request);
      else kept.push(each);
    }
    if (kept.length === heap.length) return;
    heap.length = 0;
    for (const each of kept) heap.push(each);
    for (let i = (heap.length >> 1) - 1; i >= 0; i--) sink(heap, i);
  }

  /** The one of a tenant that would be served last. */
  lastOf(tenant: string): BatchRequest | undefined {
    let last: Turn | undefined;
    for (const each of this.#heap) {
      if (each.request.tenant === tenant && (last === undefined || isBefore(last, each))) last = each;
    }
    return last?.request;
  }

  *[Symbol.iterator](): Iterator<BatchRequest> {
    for (const each of this.#heap) yield each.request;
  }
}

function sink(heap: Turn[], from: number): void {
  for (let i = from; ;) {
    const [left, right] = [2 * i + 1, 2 * i + 2];
    let first = i;
    if (left < heap.length && isBefore(heap[left] as Turn, heap[first] as Turn)) first = left;
    if (right < heap.length && isBefore(heap[right] as Turn, heap[first] as Turn)) first = right;
    if (first === i) return;
    swap(heap, i, first);
    i = first;
  }
}

function swap(heap: Turn[], a: number, b: number): void {
  [heap[a], heap[b]] = [heap[b] as Turn, heap[a] as Turn];
}

export class RequestQueue {
  readonly #classes: readonly PriorityClass[];
  /** Milliseconds of waiting that are worth a step of priority. */
  readonly #ageingMs: number;
  #rows = 0;
  #length = 0;
  #deadlines = 0;

  /** @param turns shared with the other queues of the model. Default: of this queue alone. */
  constructor(ageingMs: number, turns: TenantTurns = new TenantTurns()) {
    this.#ageingMs = ageingMs;
    this.#classes = turns.classes.map((each) => new PriorityClass(each));
  }

  get length(): number {
    return this.#length;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Whether any request has a deadline: most have none, and need not be looked through before each batch. */
  get hasDeadlines(): boolean {
    return this.#deadlines > 0;
  }

  push(request: BatchRequest): void {
    (this.#classes[request.priority] as PriorityClass).push(request);
    this.#length++;
    this.#rows += request.rows;
    if (request.deadlineAt !== undefined) this.#deadlines++;
  }

  /** Who is served next; undefined where nobody waits. */
  peek(now: number): BatchRequest | undefined {
    return this.#next(now)?.first?.request;
  }

  /** The turn of who is served next, and its priority grown by the wait. */
  nextTurn(now: number): (Turn & { readonly urgency: number }) | undefined {
    const turn = this.#next(now)?.first;
    return turn && { ...turn, urgency: this.#urgencyOf(turn.request, now) };
  }

  /** Takes out who is served next. */
  pop(now: number): BatchRequest | undefined {
    const request = this.#next(now)?.pop();
    if (request !== undefined) this.#left(request);
    return request;
  }

  /** Takes out requests, wherever they wait. */
  remove(unwanted: (request: BatchRequest) => boolean): readonly BatchRequest[] {
    const removed: BatchRequest[] = [];
    for (const each of this.#classes) {
      each.remove((request) => {
        if (!unwanted(request)) return false;
        removed.push(request);
        return true;
      });
    }
    for (const each of removed) this.#left(each);
    return removed;
  }

  /** The request of a tenant that is served last: of its lowest priority. */
  lastOf(tenant: string): BatchRequest | undefined {
    for (const each of this.#classes) {
      const last = each.lastOf(tenant);
      if (last !== undefined) return last;
    }
    return undefined;
  }

  *[Symbol.iterator](): Iterator<BatchRequest> {
    for (const each of this.#classes) yield* each;
  }

  #next(now: number): PriorityClass | undefined {
    let best: PriorityClass | undefined;
    let urgency = -Infinity;
    for (const each of this.#classes) {
      if (each.first === undefined) continue;
      const its = this.#urgencyOf(each.first.request, now);
      // At a tie the higher priority, which comes later.
      if (its >= urgency) [best, urgency] = [each, its];
    }
    return best;
  }

  #urgencyOf(request: BatchRequest, now: number): number {
    return request.priority + (now - request.enqueuedAt) / this.#ageingMs;
  }

  #left(request: BatchRequest): void {
    this.#length--;
    this.#rows -= request.rows;
    if (request.deadlineAt !== undefined) this.#deadlines--;
  }
}

/**
 * Queues in which requests wait, in the order in which they are served: by the priority of who is next in each, grown by the
 * wait of the first of that priority, and within one priority by turns between tenants, as in one queue.
 */
export function inTurn<Queue extends { readonly requests: RequestQueue }>(
  queues: readonly Queue[],
  now: number,
): readonly Queue[] {
  const firsts: (ReturnType<RequestQueue['nextTurn']> | undefined)[] = PRIORITIES.map(() => undefined);
  const all = queues.flatMap((queue) => {
    const turn = queue.requests.nextTurn(now);
    if (turn === undefined) return [];
    const first = firsts[turn.request.priority];
    if (first === undefined || isBefore(turn, first)) firsts[turn.request.priority] = turn;
    return { queue, turn };
  });
  const urgency = ({ request: { priority } }: Turn): number => firsts[priority]?.urgency ?? 0;
  all.sort(
    ({ turn: a }, { turn: b }) =>
      urgency(b) - urgency(a) || b.request.priority - a.request.priority || a.start - b.start || a.order - b.order,
  );
  return all.map(({ queue }) => queue);
}
