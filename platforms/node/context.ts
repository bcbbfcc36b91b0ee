/** @module The current request in Node, through everything that is awaited. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { RequestContext } from '../../src/context.ts';

const storage = new AsyncLocalStorage<RequestContext>();

export function runWithContext<T>(context: RequestContext, task: () => T): T {
  return storage.run(context, task);
}

export function currentContext(): RequestContext | undefined {
  return storage.getStore();
}
