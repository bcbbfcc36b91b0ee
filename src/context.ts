/** @module The context of one request. */

import type { Clock } from './platform.ts';

/** What is known of the request that calls are made for; carried by AsyncLocalStorage in Node, passed in browsers. */
export interface RequestContext {
  readonly requestId: string;
  readonly endpoint: string;
  /** When it was accepted, in milliseconds of the platform's clock. */
  readonly enqueueTime: number;
  /** How many model calls were made for it so far. */
  modelCalls: number;
  /** Milliseconds its calls took, by who answered them ('model', 'l1', 'shared', ...), and 'failed'. Calls at once overlap. */
  readonly timings: Record<string, number>;
  readonly traceId?: string | undefined;
  readonly spanId?: string | undefined;
}

/** What a context is made from. */
export interface RequestContextInit {
  readonly endpoint: string;
  /** Default: `performance`. */
  readonly clock?: Pick<Clock, 'now'> | undefined;
  /** Default: a random UUID. */
  readonly requestId?: string | undefined;
  /** The W3C header of that name; one that is not valid is passed over, as the recommendation asks. */
  readonly traceparent?: string | undefined;
}

/** A context for a request that is being accepted now. */
export function createRequestContext({
  endpoint,
  clock = performance,
  requestId,
  traceparent,
}: RequestContextInit): RequestContext {
  return {
    requestId: requestId ?? randomId(),
    endpoint,
    enqueueTime: clock.now(),
    modelCalls: 0,
    timings: {},
    ...parseTraceparent(traceparent),
  };
}

/** @see https://www.w3.org/TR/trace-context/#traceparent-header */
function parseTraceparent(header: string | undefined): Pick<RequestContext, 'traceId' | 'spanId'> {
  const [, version, traceId, spanId, rest] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(header?.trim() ?? '') ?? [];
  const valid = version !== undefined && version !== 'ff' && (version !== '00' || rest === undefined);
  return valid && !/^0+$/.test(traceId as string) && !/^0+$/.test(spanId as string) ? { traceId, spanId } : {};
}

/** A random UUID (RFC 9562, version 4), also where `crypto.randomUUID` is missing: on an insecure origin. */
function randomId(): string {
  if (crypto.randomUUID !== undefined) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** What a platform without asynchronous context has: the context of the synchronous part of a task. */
export function createSynchronousContext(): {
  runWithContext<T>(context: RequestContext, task: () => T): T;
  currentContext(): RequestContext | undefined;
} {
  let current: RequestContext | undefined;
  return {
    runWithContext(context, task) {
      const outer = current;
      current = context;
      try {
        return task();
      } finally {
        current = outer;
      }
    },
    currentContext: () => current,
  };
}
