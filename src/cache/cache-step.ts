/** @module The cache on the way of a call: key, L1, single flight, the model, L1. */

import { isOnDevice } from '../device-tensor.ts';
import { someValue } from '../shapes.ts';
import type { InferenceCall, Step } from '../call.ts';
import type { MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { CacheKey, CacheQuestion, InferenceCache } from './inference-cache.ts';
import { EpochlyError } from '../errors.ts';
import { SingleFlight } from './single-flight.ts';

/** Errors that say something of a caller, and nothing of the question. */
const ITS_OWN = ['DEADLINE_EXCEEDED', 'QUEUE_FULL'] as const;

/** What a shared run gives: the answer, for one of its waiters, and its form to make the others' copies of. */
interface Shared {
  output: unknown;
  claimed: boolean;
  readonly encoded: Portable | undefined;
  readonly portable: boolean;
}

/** The step that answers from the cache, joins an equal call in flight, or keeps what the model answers. */
export function createCacheStep(cache: InferenceCache): Step {
  const flights = new SingleFlight<Shared>();

  return async function answerFromCache(call, next) {
    const refusal = call.adapter.cacheRefusal(call.model, call);
    if (refusal !== undefined) {
      cache.countRefusal(refusal);
      return next(call);
    }
    const found = keyOf(cache, call);
    const key = found instanceof Promise ? await found : found;
    if (key === undefined) {
      cache.countRefusal('not_portable');
      return next(call);
    }
    if (!stillKeyOf(cache, key, call)) {
      cache.countRefusal('input_changed');
      return next(call);
    }

    const entry = cache.read(key);
    if (entry !== undefined) {
      call.source = 'l1';
      return call.adapter.decode(call.model, call, entry.value);
    }
    const joined = flights.has(key.slot);
    if (joined) cache.countShared();
    let shared: Shared;
    try {
      shared = await flights.share(key.slot, call.options.signal, (signal) => runOnce(cache, key, call, next, signal));
    } catch (error) {
      // Refused for whoever began it, by a deadline or a place in the queue that was theirs: asked again on one's own.
      if (
        joined &&
        call.options.signal?.aborted !== true &&
        ITS_OWN.some((code) => EpochlyError.isInstance(error, code))
      )
        return next(call);
      throw error;
    }
    if (joined) call.source = 'shared';
    if (!shared.claimed) {
      shared.claimed = true;
      const { output } = shared;
      shared.output = undefined;
      return output;
    }
    // What cannot be copied cannot be shared: whoever came second asks the model itself.
    if (!shared.portable) {
      call.source = 'model';
      return next(call);
    }
    return call.adapter.decode(call.model, call, shared.encoded);
  };
}

async function runOnce(
  cache: InferenceCache,
  key: CacheKey,
  call: InferenceCall,
  next: (call: InferenceCall) => Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<Shared> {
  const output = await next(signal === undefined ? call : { ...call, options: { ...call.options, signal } });
  // Encoded before anybody is given the answer: it is theirs to change from then on.
  const encoded = await call.adapter.encode(call.model, call, output);
  const portable = encoded !== undefined;
  if (portable) cache.write(key, encoded);
  else cache.countRefusal(someValue(output, isOnDevice, 4) ? 'gpu_resident' : 'not_portable');
  return { output, claimed: false, encoded, portable };
}

/** The key of a call, at once where it is short or the platform hashes at once; undefined where it has none. */
function keyOf(cache: InferenceCache, call: InferenceCall): MaybePromise<CacheKey | undefined> {
  const inputs = call.adapter.encodeInputs(call.model, call);
  if (inputs instanceof Promise) return inputs.then((later) => later && cache.keyOf(question(call, later)));
  return inputs && cache.keyOf(question(call, inputs));
}

/**
 * Whether the inputs, which are still the caller's, are what the key is of. Asked in the turn in which the model is
 * called. Inputs that take time to read (a GPU's) are no memory that the caller could have changed.
 */
function stillKeyOf(cache: InferenceCache, key: CacheKey, call: InferenceCall): boolean {
  if (key.preimage === undefined) return true;
  const inputs = call.adapter.encodeInputs(call.model, call);
  return inputs instanceof Promise || (inputs !== undefined && cache.isKeyOf(key, question(call, inputs)));
}

function question(call: InferenceCall, args: readonly Portable[]): CacheQuestion {
  const { modelId, identity, entryPoint, options } = call;
  return { modelId, identity, entryPoint, tenant: options.tenant, args };
}
