/** @module The way of one call: steps composed once a model, so that a disabled feature is an absent step. */

import type { CallOptions, InferenceCall, Step, StepBypass } from './call.ts';
import { abortReason, ConfigError, DeadlineExceededError } from './errors.ts';
import type { Clock } from './platform.ts';

export type Pipeline = (call: InferenceCall) => Promise<unknown>;

/** The last step: the model itself. */
const invokeModel: Pipeline = (call) => call.invoke(call.options);

/** Composes steps, the first outermost, around the model. */
export function composePipeline(steps: readonly Step[]): Pipeline {
  return steps.reduceRight<Pipeline>((next, step) => (call) => step(call, next), invokeModel);
}

/** Where there is no step there is none to come by. */
const NOTHING_TO_PASS: StepBypass = { isOpen: () => true, enter() {} };

/** The way past all steps; undefined where there is none past one of them. */
export function composeBypass(steps: readonly Step[], model: object): StepBypass | undefined {
  const ways = steps.map((step) => step.bypassOf?.(model));
  return ways.length === 0 ? NOTHING_TO_PASS : ways.reduce((outer, inner) => outer && inner && past(outer, inner));
}

function past(outer: StepBypass, inner: StepBypass): StepBypass {
  return {
    isOpen: () => outer.isOpen() && inner.isOpen(),
    enter() {
      outer.enter();
      inner.enter();
    },
    leave() {
      outer.leave?.();
      inner.leave?.();
    },
  };
}

/**
 * Runs `task` so that the caller is rejected at once when its signal aborts or its deadline passes, whatever the task
 * is doing. To the task both are one signal, with the reason to be rejected with: work that is shared must not end
 * because one of its waiters has to go.
 *
 * @throws the signal's reason, DeadlineExceededError, or ConfigError where the deadline is no number
 */
export function guardCall<T>(
  clock: Clock,
  options: CallOptions,
  task: (options: CallOptions) => Promise<T>,
): Promise<T> {
  return options.signal === undefined && options.deadlineMs === undefined ? task(options) : guard(clock, options, task);
}

async function guard<T>(clock: Clock, options: CallOptions, task: (options: CallOptions) => Promise<T>): Promise<T> {
  const { signal, deadlineMs = Infinity } = options;
  // NaN is no number either.
  if (Number(deadlineMs) !== deadlineMs)
    throw new ConfigError('deadlineMs', `deadlineMs is a number, not ${String(deadlineMs)} (${typeof deadlineMs}).`);
  signal?.throwIfAborted();

  const leaving = new AbortController();
  const onAbort = (): void => leaving.abort(abortReason(signal as AbortSignal));
  const onDeadline = (): void => leaving.abort(new DeadlineExceededError(deadlineMs));
  signal?.addEventListener('abort', onAbort);
  const timer = deadlineMs === Infinity ? undefined : clock.after(deadlineMs, onDeadline);
  try {
    return await new Promise<T>((resolve, reject) => {
      leaving.signal.addEventListener('abort', () => reject(leaving.signal.reason));
      task({ ...options, signal: leaving.signal, deadlineMs: undefined }).then(resolve, reject);
    });
  } finally {
    signal?.removeEventListener('abort', onAbort);
    timer?.[Symbol.dispose]();
  }
}
