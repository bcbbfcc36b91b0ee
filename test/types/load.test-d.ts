/** Types of load(). Checked by `npm test`, never run. */

import { expectTypeOf } from 'vitest';
import { createEpochly, load, tensor, Tensor } from 'epochly';
import type {
  BackendReport,
  HostedModel,
  InferenceProxy,
  LoadedModel,
  LoadOptions,
  LoadProgress,
  ModelSource,
  TensorInfo,
} from 'epochly';

export async function sources(bytes: Uint8Array, blob: Blob, url: URL): Promise<void> {
  expectTypeOf(load).parameters.toEqualTypeOf<[source: ModelSource, options?: LoadOptions | undefined]>();
  expectTypeOf(load('model.onnx')).resolves.toEqualTypeOf<LoadedModel>();
  for (const source of [bytes, bytes.buffer as ArrayBuffer, blob, url]) await load(source);
  await load({ task: 'feature-extraction', model: 'folder/' });
  // @ts-expect-error: a folder needs a task
  await load({ model: 'folder/' });
  // @ts-expect-error: a number is no model
  await load(1);
}

export async function models(): Promise<void> {
  await using model = await load('model.onnx');
  expectTypeOf(model).toEqualTypeOf<InferenceProxy<HostedModel>>();
  expectTypeOf(model.unwrapped).toEqualTypeOf<HostedModel>();
  expectTypeOf(model.backendReport).toEqualTypeOf<BackendReport>();
  expectTypeOf(model.inputs).toEqualTypeOf<readonly TensorInfo[]>();
  expectTypeOf(model.identity).toEqualTypeOf<string>();
  expectTypeOf(model.close()).resolves.toBeVoid();
  const input = tensor('int64', [1, 2], [1, 2]);
  expectTypeOf(input).toEqualTypeOf<Tensor<'int64'>>();
  expectTypeOf(input.data).toEqualTypeOf<BigInt64Array>();
  await model.run({ input }, { signal: AbortSignal.timeout(1), tenant: 'a', parameters: { normalize: true } });
  // @ts-expect-error: no such option
  await model.run({ input }, { abort: true });
  // @ts-expect-error: functions cannot be sent to a host
  await model.run({ input: () => 1 });
  // @ts-expect-error: no such element type
  tensor('int128', [1]);
}

export async function options(): Promise<void> {
  expectTypeOf<keyof LoadOptions>().toEqualTypeOf<
    | 'backend'
    | 'host'
    | 'expectedHash'
    | 'signal'
    | 'onProgress'
    | 'frameworkOptions'
    | 'variants'
    | 'workload'
    | 'workerUrl'
    | 'assetsUrl'
  >();
  await load('model.onnx', { backend: ['webgpu', 'wasm'], host: 'worker' });
  await load('model.onnx', {
    backend: 'auto',
    frameworkOptions: { graphOptimizationLevel: 'all' },
    onProgress: (progress) => expectTypeOf(progress).toEqualTypeOf<LoadProgress>(),
  });
  await load('model.onnx', { variants: [{ source: 'model_int8.onnx', precision: 'int8' }], workload: 'embedding' });
  // @ts-expect-error: no such workload
  await load('model.onnx', { workload: 'chess' });
  await createEpochly().load('model.onnx', { host: 'process', config: { maxLevel: 1 } });
  // @ts-expect-error: no such option
  await load('model.onnx', { backends: ['webgpu'] });
  // @ts-expect-error: no such backend
  await load('model.onnx', { backend: 'gpu' });
  // @ts-expect-error: no such host
  await load('model.onnx', { host: 'thread' });
}
