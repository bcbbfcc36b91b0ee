/** @module Models opened by load(): what is needed to put a proxy around one. */

import type { CallOptions } from '../call.ts';
import { ClosedError } from '../errors.ts';
import type { HostedModel, RunOptions } from '../host/hosted-model.ts';
import type { AdapterDetection } from './adapter.ts';
import { read } from '../shapes.ts';

const MARK = Symbol.for('epochly.hosted');

export const hostedDetection: AdapterDetection<HostedModel> = {
  name: 'hosted',
  detect: (value) => read(value, MARK) === true,
  getModelClasses: () => ['HostedModel'],
  getEntryPoints: () => [{ name: 'run', kind: 'async' }],
  wrapForward: (model, createProxy) => createProxy(model, hostedDetection.getEntryPoints(model)),
  /** `run(inputs, { parameters, signal, ... })` becomes the arguments `[inputs, parameters]` and the options. */
  splitOptions(model, { entryPoint, args }) {
    // A closed model answers nothing, also what it answered before.
    if (model.closed) throw new ClosedError();
    const [inputs, given] = args as readonly [unknown, RunOptions | undefined];
    const { parameters, ...rest } = given ?? {};
    const options = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as CallOptions;
    return { call: { entryPoint, args: parameters === undefined ? [inputs] : [inputs, parameters] }, options };
  },
};
