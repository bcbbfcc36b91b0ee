/** @module Models opened by load(), which live in a host. */

import type { HostedModel, RunOptions } from '../host/hosted-model.ts';
import { isPlainObject } from '../portable.ts';
import type { InferenceAdapter } from './adapter.ts';
import { createAdapter } from './base.ts';
import { generationRefusal } from './generation.ts';
import { hostedDetection } from './hosted-detection.ts';

export const hostedAdapter: InferenceAdapter<HostedModel> = createAdapter<HostedModel>({
  ...hostedDetection,
  getModelInfo: (model) => ({
    framework: model.framework,
    modelType: 'unknown',
    inputs: model.inputs,
    outputs: model.outputs,
    backend: model.backend,
  }),
  hashModel: (model) => model.identity,
  cacheRefusal: (_model, { args }) => {
    const [inputs, parameters] = args;
    return generationRefusal(isPlainObject(parameters) ? parameters : {}, inputs);
  },
  invoke: (model, { args }, options) =>
    model.run(args[0] as never, { ...options, parameters: args[1] as RunOptions['parameters'] }),
});
