/** @module Models opened by load(), which live in a host. */

import type { CallOptions } from '../call.ts';
import { ClosedError } from '../errors.ts';
import type { HostedModel, RunOptions } from '../host/hosted-model.ts';
import { isPlainObject } from '../portable.ts';
import type { InferenceAdapter } from './adapter.ts';
import { createAdapter } from './base.ts';
import { generationRefusal } from './generation.ts';
import { read } from './shapes.ts';

const MARK = Symbol.for('epochly.hosted');

export const hostedAdapter: InferenceAdapter<HostedModel> = createAdapter<HostedModel>({
  name: 'hosted',
  detect: (value) => read(value, MARK) === true,
  getModelClasses: () => ['HostedModel'],
  getEntryPoints: () => [{ name: 'run', kind: 'async' }],
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
  /** `run(inputs, { parameters, signal, ... })` becomes the arguments `[inputs, parameters]` and the options. */
  splitOptions(model, { entryPoint, args }) {
    // A closed model answers nothing, also what it answered before.
    if (model.closed) throw new ClosedError();
    const [inputs, given] = args as readonly [unknown, RunOptions | undefined];
    const { parameters, ...rest } = given ?? {};
    const options = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as CallOptions;
    return { call: { entryPoint, args: parameters === undefined ? [inputs] : [inputs, parameters] }, options };
  },
  invoke: (model, { args }, options) =>
    model.run(args[0] as never, { ...options, parameters: args[1] as RunOptions['parameters'] }),
});
