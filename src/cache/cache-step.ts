/** @module The cache on the way of a call: key, L1, single flight, the tiers below, the model, and up again. */

import { isOnDevice } from '../device-tensor.ts';
import { someValue } from '../shapes.ts';
import type { AnswerSource, InferenceCall, Step, StepBypass } from '../call.ts';
import type { Digest, MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import { AnswerForm } from './inference-cache.ts';
import type { CacheKey, InferenceCache, KeptAnswer } from './inference-cache.ts';
import { QuestionKeys } from './question-keys.ts';
import { RepeatMonitor } from './repeat-monitor.ts';
import type { CacheQuestion } from './question-keys.ts';
import type { Looked } from './lower-tiers.ts';
import { EpochlyError } from '../errors.ts';
import { SingleFlight } from './single-flight.ts';

/** Errors that say something of a caller, and nothing of the question. */
const ITS_OWN = ['DEADLINE_EXCEEDED', 'QUEUE_FULL'] as const;

/** What a shared run gives: the answer, for one of its waiters, and its form to make the others' copies of. */
interface Shared {
  output: unknown;
  claimed: boolean;
  /** Undefined where it cannot be copied, and so not shared. */
  readonly kept: KeptAnswer | undefined;
  readonly source: AnswerSource;
}

interface Asked {
  readonly cache: InferenceCache;
  readonly keys: QuestionKeys;
  readonly monitor: RepeatMonitor;
  /** Milliseconds that the key took. */
  readonly keyMs: number;
}

type Next = (call: InferenceCall) => Promise<unknown>;

/**
 * The step that answers from the cache, joins an equal call in flight, or keeps what the model answers. `digest`: SHA-256 as
 * hexadecimal digits.
 */
export function createCacheStep(cache: InferenceCache, digest: Digest): Step {
  const keys = new QuestionKeys(cache, digest);
  const flights = new SingleFlight<Shared>();
  const monitors = new WeakMap<object, RepeatMonitor>();
  const monitorOf = (model: object): RepeatMonitor => {
    let monitor = monitors.get(model);
    if (monitor === undefined) monitors.set(model, (monitor = new RepeatMonitor()));
    return monitor;
  };
  /** Those that persistent tiers keep go past only where that costs much of what a run does: they are kept for a later time. */
  const goesPast = (monitor: RepeatMonitor, isKept: boolean): boolean =>
    monitor.isBypassing && (!isKept || cache.lower === undefined || monitor.isDear);
  const pass = (monitor: RepeatMonitor): void => {
    monitor.passed();
    cache.countRefusal('never_repeats');
  };

  const bypassOf = (model: object): StepBypass => {
    const monitor = monitorOf(model);
    return { isOpen: () => goesPast(monitor, true), enter: () => pass(monitor) };
  };
  return Object.assign(answerFromCache, { bypassOf });

  async function answerFromCache(call: InferenceCall, next: Next): Promise<unknown> {
    const refusal = call.adapter.cacheRefusal(call.model, call);
    if (refusal !== undefined) {
      cache.countRefusal(refusal);
      return next(call);
    }
    const monitor = monitorOf(call.model);
    if (goesPast(monitor, call.identity !== undefined)) {
      pass(monitor);
      return next(call);
    }
    const askedAt = performance.now();
    const found = keyOf(keys, call);
    const key = found instanceof Promise ? await found : found;
    if (key === undefined) {
      cache.countRefusal('not_portable');
      return next(call);
    }
    if (!stillKeyOf(keys, key, call)) {
      cache.countRefusal('input_changed');
      return next(call);
    }

    const { lower } = cache;
    if (lower !== undefined && !(lower instanceof Promise)) lower.poll();
    const entry = cache.read(key);
    if (entry !== undefined) {
      monitor.record(true);
      call.source = 'l1';
      return decode(call, entry);
    }
    const keyMs = performance.now() - askedAt;
    // An answer of before an invalidation is none to wait for.
    const flight = `${key.stamp} ${key.slot}`;
    const joined = flights.has(flight);
    if (joined) cache.countShared();
    let shared: Shared;
    try {
      shared = await flights.share(flight, call.options.signal, (signal) =>
        answerOnce({ cache, keys, monitor, keyMs }, key, call, next, signal),
      );
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
    const { kept } = shared;
    // What cannot be copied cannot be shared: whoever came second asks the model itself.
    if (joined && kept === undefined) return next(call);
    call.source = joined ? 'shared' : shared.source;
    monitor.record(call.source !== 'model');
    if (!shared.claimed) {
      shared.claimed = true;
      const { output } = shared;
      shared.output = undefined;
      return output;
    }
    return decode(call, kept as KeptAnswer);
  }
}

/** What every caller of one question waits for. */
async function answerOnce(
  asked: Asked,
  key: CacheKey,
  call: InferenceCall,
  next: Next,
  signal: AbortSignal | undefined,
): Promise<Shared> {
  const { cache } = asked;
  const looked = look(cache, key, signal);
  const below = looked instanceof Promise ? await looked : looked;
  try {
    const { found } = below ?? {};
    if (found !== undefined) {
      const output = decodeFromBelow(call, found.kept);
      if (output !== undefined) {
        cache.fill(key, found.kept, found.ttlMs);
        return { output: output.value, claimed: false, kept: found.kept, source: found.source };
      }
    }
    return await runOnce(asked, key, call, next, signal);
  } finally {
    below?.release?.();
  }
}

function look(cache: InferenceCache, key: CacheKey, signal: AbortSignal | undefined): MaybePromise<Looked | undefined> {
  if (key.identity === undefined) return undefined;
  const { lower } = cache;
  if (lower instanceof Promise) return lower.then((opened) => opened?.look(key, signal));
  return lower?.look(key, signal);
}

async function runOnce(
  { cache, keys, monitor, keyMs }: Asked,
  key: CacheKey,
  call: InferenceCall,
  next: Next,
  signal: AbortSignal | undefined,
): Promise<Shared> {
  const startedAt = performance.now();
  const output = await next(signal === undefined ? call : { ...call, options: { ...call.options, signal } });
  const ranAt = performance.now();
  let same: boolean;
  try {
    same = await isAsked(keys, key, call);
  } catch {
    // The model took the memory of its inputs with it: what they were cannot be seen any more.
    same = false;
  }
  if (!same) {
    cache.countRefusal('input_changed');
    return { output, claimed: false, kept: undefined, source: 'model' };
  }
  if (isStream(output)) {
    const { recordStream } = await import('./answer-streams.ts');
    return { output: recordStream(cache, key, call, output), claimed: false, kept: undefined, source: 'model' };
  }
  // Encoded before anybody is given the answer: it is theirs to change from then on.
  const encoded = await call.adapter.encode(call.model, call, output);
  const kept: KeptAnswer | undefined = encoded === undefined ? undefined : [AnswerForm.WHOLE, encoded];
  if (kept !== undefined) cache.write(key, kept);
  else cache.countRefusal(someValue(output, isOnDevice, 4) ? 'gpu_resident' : 'not_portable');
  // To wait for others is no cost.
  monitor.recordCost(keyMs + performance.now() - ranAt, ranAt - startedAt);
  return { output, claimed: false, kept, source: 'model' };
}

function decode(call: InferenceCall, [form, value]: KeptAnswer): unknown {
  if (form === AnswerForm.WHOLE) return call.adapter.decode(call.model, call, value);
  return import('./answer-streams.ts').then(({ replayStream }) =>
    replayStream(call, form, value as readonly Portable[]),
  );
}

/** Undefined where the framework's classes are not known yet, in a process whose model neither took nor gave a tensor. */
function decodeFromBelow(call: InferenceCall, kept: KeptAnswer): { readonly value: unknown } | undefined {
  try {
    return { value: decode(call, kept) };
  } catch (error) {
    if (EpochlyError.isInstance(error, 'UNSUPPORTED_OPERATION')) return undefined;
    throw error;
  }
}

/** A ReadableStream is one everywhere, and to be iterated not in every browser. */
function isStream(output: unknown): output is AsyncIterable<unknown> | ReadableStream {
  return typeof output === 'object' && output !== null && (Symbol.asyncIterator in output || 'getReader' in output);
}

/** The key of a call, at once where it is short or the platform hashes at once; undefined where it has none. */
function keyOf(keys: QuestionKeys, call: InferenceCall): MaybePromise<CacheKey | undefined> {
  const inputs = call.adapter.encodeInputs(call.model, call);
  if (inputs instanceof Promise) return inputs.then((later) => later && keys.keyOf(question(call, later)));
  return inputs && keys.keyOf(question(call, inputs));
}

/**
 * Whether the inputs, which are still the caller's, are what the key is of. Asked in the turn in which the model is
 * called. Inputs that take time to read (a GPU's) are no memory that the caller could have changed.
 */
function stillKeyOf(keys: QuestionKeys, key: CacheKey, call: InferenceCall): boolean {
  if (key.preimage === undefined) return true;
  const inputs = call.adapter.encodeInputs(call.model, call);
  return inputs instanceof Promise || (inputs !== undefined && keys.isKeyOf(key, question(call, inputs)));
}

/**
 * Whether the inputs are after the run what they were before it: a framework may have read them at any time between, and
 * what it then answered is no answer to the question.
 */
function isAsked(keys: QuestionKeys, key: CacheKey, call: InferenceCall): MaybePromise<boolean> {
  // What was handed over is nobody's to change, and empty.
  if (call.options.transfer === true || call.adapter.immutableInputs === true) return true;
  if (key.preimage !== undefined) return stillKeyOf(keys, key, call);
  const inputs = call.adapter.encodeInputs(call.model, call);
  if (inputs instanceof Promise) return true;
  const again = inputs && keys.keyOf(question(call, inputs));
  return again instanceof Promise ? again.then(({ slot }) => slot === key.slot) : again?.slot === key.slot;
}

function question(call: InferenceCall, args: readonly Portable[]): CacheQuestion {
  const { modelId, identity, entryPoint, cacheTenant } = call;
  return { modelId, identity, entryPoint, tenant: cacheTenant, args };
}
