/** Types of wrap(): a model keeps its own and gains epochly's members. Checked by `npm test`, never run. */

import type { FeatureExtractionPipeline, pipeline } from '@huggingface/transformers';
import type { GraphModel, LayersModel, Tensor as TfTensor } from '@tensorflow/tfjs';
import type * as ortNode from 'onnxruntime-node';
import type * as ortWeb from 'onnxruntime-web';
import { expectTypeOf } from 'vitest';
import { callableAdapter, createEpochly, unwrap, wrap } from 'epochly';
import type { CallOptions, InferenceConfig, InferenceProxy, InferenceProxyMembers, WrapOptions } from 'epochly';

/** A proxy is usable wherever its model is. */
function keepsItsType<Model extends object>(model: Model): InferenceProxy<Model> {
  const sameAsTheModel: (given: Model) => Model = wrap;
  sameAsTheModel(model);
  return wrap(model);
}

export function onnxruntime(node: ortNode.InferenceSession, web: ortWeb.InferenceSession): void {
  expectTypeOf(keepsItsType(node).run).toEqualTypeOf<ortNode.InferenceSession['run']>();
  expectTypeOf(keepsItsType(web).run).toEqualTypeOf<ortWeb.InferenceSession['run']>();
  expectTypeOf(wrap(node).inputNames).toEqualTypeOf<readonly string[]>();
  expectTypeOf(wrap(web).run({})).resolves.toEqualTypeOf<ortWeb.InferenceSession.OnnxValueMapType>();
  // @ts-expect-error: a session has no such method
  wrap(node).infers();
  // @ts-expect-error: feeds are by name
  void wrap(node).run(1);
}

export function tensorflow(layers: LayersModel, graph: GraphModel, input: TfTensor): void {
  expectTypeOf(keepsItsType(layers).predict).toEqualTypeOf<LayersModel['predict']>();
  expectTypeOf(keepsItsType(graph).executeAsync).toEqualTypeOf<GraphModel['executeAsync']>();
  expectTypeOf(wrap(layers).predict(input)).toEqualTypeOf<TfTensor | TfTensor[]>();
}

export function transformers(
  embed: FeatureExtractionPipeline,
  classify: Awaited<ReturnType<typeof pipeline<'text-classification'>>>,
): void {
  const proxy = keepsItsType(embed);
  expectTypeOf(proxy('text', { pooling: 'mean' })).toEqualTypeOf(embed('text', { pooling: 'mean' }));
  expectTypeOf(wrap(classify)('text')).toEqualTypeOf(classify('text'));
}

export function functions(): void {
  const embed = async (text: string): Promise<Float32Array> => new Float32Array(text.length);
  const proxy = wrap(embed, { adapter: callableAdapter({ deterministic: true }) });
  expectTypeOf(proxy('text')).resolves.toEqualTypeOf<Float32Array>();
  expectTypeOf(proxy).parameters.toEqualTypeOf<[text: string]>();
  // @ts-expect-error: it takes a text
  void proxy(1);
  // @ts-expect-error: there is nothing to wrap
  wrap('model.onnx');
}

export function members(session: ortNode.InferenceSession): void {
  const proxy = wrap(session);
  expectTypeOf<keyof InferenceProxyMembers<object>>().toEqualTypeOf<
    'unwrapped' | 'modelId' | 'callCount' | 'with' | 'infer'
  >();
  expectTypeOf(proxy.unwrapped).toEqualTypeOf<ortNode.InferenceSession>();
  expectTypeOf(unwrap(proxy)).toEqualTypeOf<ortNode.InferenceSession>();
  expectTypeOf(unwrap(session)).toEqualTypeOf<ortNode.InferenceSession>();
  expectTypeOf(proxy.modelId).toEqualTypeOf<number>();
  expectTypeOf(proxy.callCount).toEqualTypeOf<number>();
  expectTypeOf(proxy.with({ deadlineMs: 1 })).toEqualTypeOf<InferenceProxy<ortNode.InferenceSession>>();
  expectTypeOf(proxy.with).parameters.toEqualTypeOf<[options: CallOptions]>();
  expectTypeOf(proxy.infer({}, { entryPoint: 'run', args: [{}], tenant: 'a' })).resolves.toBeAny();
  // @ts-expect-error: it is the epochly's to count
  proxy.callCount = 0;
  // @ts-expect-error: no such option of a call
  proxy.with({ deadline: 1 });
  // @ts-expect-error: no such option of a call
  void proxy.infer({}, { entrypoint: 'run' });
}

export function options(session: ortNode.InferenceSession, config: InferenceConfig): void {
  expectTypeOf<keyof WrapOptions>().toEqualTypeOf<'adapter' | 'identity' | 'config'>();
  wrap(session, { identity: 'v1', config, adapter: undefined });
  createEpochly().wrap(session, { identity: 'v1' });
  wrap(session, { config: { maxLevel: 1, cache: { enabled: false } } });
  // @ts-expect-error: no such field
  wrap(session, { config: { cache: { size: 5 } } });
  // @ts-expect-error: no such option
  wrap(session, { identify: 'v1' });
  // @ts-expect-error: an adapter has methods
  wrap(session, { adapter: { name: 'mine' } });
}
