/** @module Answers that come in parts: kept once the last part has come, and given again as they came. */

import type { InferenceCall } from '../call.ts';
import { portableByteLength } from '../portable-size.ts';
import type { Portable } from '../portable.ts';
import { AnswerForm } from './inference-cache.ts';
import type { CacheKey, CacheRefusalReason, InferenceCache } from './inference-cache.ts';

/**
 * The same stream, whose parts are kept on their way. One that its reader leaves, that fails, that is larger than the cache, or
 * that has a part without a portable form is not kept.
 */
export function recordStream(
  cache: InferenceCache,
  key: CacheKey,
  call: InferenceCall,
  stream: AsyncIterable<unknown> | ReadableStream,
): AsyncIterable<unknown> {
  const form = 'getReader' in stream ? AnswerForm.READABLE : AnswerForm.ITERABLE;
  const parts = Symbol.asyncIterator in stream ? stream : partsOf(stream);
  return ofForm(form, record(cache, key, call, parts, form));
}

/** A stream of copies of the parts. */
export function replayStream(
  call: InferenceCall,
  form: AnswerForm,
  parts: readonly Portable[],
): AsyncIterable<unknown> {
  return ofForm(form, replay(call, parts));
}

async function* record(
  cache: InferenceCache,
  key: CacheKey,
  call: InferenceCall,
  stream: AsyncIterable<unknown>,
  form: AnswerForm,
): AsyncGenerator<unknown, void, undefined> {
  const parts: Portable[] = [];
  let bytes = 0;
  let refusal: CacheRefusalReason | undefined;
  let ended = false;
  try {
    for await (const part of stream) {
      // Encoded before anybody is given it: it is theirs to change from then on.
      const encoded = refusal === undefined ? await call.adapter.encode(call.model, call, part) : undefined;
      if (encoded === undefined) refusal ??= 'not_portable';
      else if ((bytes += portableByteLength(encoded)) > cache.maxBytes) refusal = 'too_large';
      else parts.push(encoded);
      if (refusal !== undefined) parts.length = 0;
      yield part;
    }
    ended = true;
  } finally {
    if (!ended) refusal ??= 'stream_ended_early';
    if (refusal === undefined) cache.write(key, [form, parts]);
    else cache.countRefusal(refusal);
  }
}

async function* replay(call: InferenceCall, parts: readonly Portable[]): AsyncGenerator<unknown, void, undefined> {
  for (const part of parts) yield call.adapter.decode(call.model, call, part);
}

/** For browsers whose streams cannot be iterated: left early, it is cancelled, as an iteration would. */
async function* partsOf(stream: ReadableStream): AsyncGenerator<unknown, void, undefined> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    ended = true;
  } finally {
    if (!ended) await reader.cancel();
    reader.releaseLock();
  }
}

/** A generator as a ReadableStream, which pulls from it as it is read; or as it is. */
function ofForm(form: AnswerForm, parts: AsyncGenerator<unknown, void, undefined>): AsyncIterable<unknown> {
  if (form !== AnswerForm.READABLE) return parts;
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await parts.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => void (await parts.return()),
    },
    { highWaterMark: 0 },
  );
}
