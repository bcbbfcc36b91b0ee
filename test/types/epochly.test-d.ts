/** Types of createEpochly(), its configuration and its events. Checked by `npm test`, never run. */

import { expectTypeOf } from 'vitest';
import { createEpochly, EpochlyError, InferenceConfig, load, sharedEpochly } from 'epochly';
import type {
  CallEvent,
  Epochly,
  EpochlyOptions,
  ErrorCode,
  EventSource,
  HostError,
  InferenceCache,
  InferenceConfigInit,
  InferenceProfiler,
  OptimizationDecision,
} from 'epochly';

export function made(): void {
  expectTypeOf(createEpochly).parameters.toEqualTypeOf<[options?: EpochlyOptions | undefined]>();
  expectTypeOf(createEpochly()).toEqualTypeOf<Epochly>();
  expectTypeOf(sharedEpochly()).toEqualTypeOf<Epochly>();
  expectTypeOf<Epochly['cache']>().toEqualTypeOf<InferenceCache>();
  expectTypeOf<Epochly['profiler']>().toEqualTypeOf<InferenceProfiler>();
}

export function configured(): void {
  expectTypeOf<ConstructorParameters<typeof InferenceConfig>>().toEqualTypeOf<
    [init?: InferenceConfigInit | undefined]
  >();
  createEpochly({ config: new InferenceConfig({ maxLevel: 1 }) });
  createEpochly({ config: { cache: { l1Size: 5, privacyMode: 'ephemeral' }, batching: { enabled: false } } });
  // @ts-expect-error: no such option
  createEpochly({ configuration: {} });
  // @ts-expect-error: no such section
  createEpochly({ config: { caching: {} } });
  // @ts-expect-error: no such field
  createEpochly({ config: { cache: { size: 5 } } });
  // @ts-expect-error: a number
  createEpochly({ config: { cache: { l1Size: '5' } } });
  // @ts-expect-error: it is immutable
  createEpochly().config.maxLevel = 3;
}

export async function events(): Promise<void> {
  const { onCall, optimizer } = createEpochly();
  expectTypeOf(onCall).toEqualTypeOf<EventSource<CallEvent>>();
  expectTypeOf(optimizer.onDecision).toEqualTypeOf<EventSource<OptimizationDecision>>();
  using subscription = onCall(({ modelId, entryPoint, durationMs, source, error }) => {
    expectTypeOf(modelId).toEqualTypeOf<number>();
    expectTypeOf(entryPoint).toEqualTypeOf<string>();
    expectTypeOf(durationMs).toEqualTypeOf<number>();
    expectTypeOf(source).toEqualTypeOf<'model' | 'l1' | 'l2' | 'l3' | 'shared' | undefined>();
    expectTypeOf(error).toBeUnknown();
  });
  expectTypeOf(subscription).toEqualTypeOf<Disposable>();
  const { onHostReplaced } = await load('model.onnx');
  expectTypeOf(onHostReplaced).toEqualTypeOf<EventSource<HostError>>();
  // @ts-expect-error: a listener takes one event
  onCall((one: CallEvent, two: CallEvent) => [one, two]);
}

export function errors(error: unknown): void {
  if (EpochlyError.isInstance(error)) expectTypeOf(error.code).toEqualTypeOf<ErrorCode>();
  // @ts-expect-error: no such code
  EpochlyError.isInstance(error, 'TIMEOUT');
}
