/** A request that waits, of which nothing matters but what is said. */

import type { BatchRequest } from '../../src/batching/request.ts';

export function queued(about: Partial<BatchRequest> & { readonly name?: string } = {}): BatchRequest {
  const { name = '', ...rest } = about;
  return {
    call: { entryPoint: name, args: [] },
    rows: 1,
    length: undefined,
    priority: 1,
    tenant: 'default',
    enqueuedAt: 0,
    deadlineAt: undefined,
    deadlineMs: undefined,
    signal: undefined,
    resolve: () => undefined,
    reject: () => undefined,
    settled: false,
    ...rest,
  };
}
