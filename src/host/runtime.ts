/** @module What runs inside a host: a framework, behind the few things that epochly asks of it. */

import type { CacheRefusal, TensorInfo } from '../adapters/adapter.ts';
import type { BackendInfo } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { ModelFiles } from './model-files.ts';

export interface OpenRequest {
  readonly files: ModelFiles;
  /** The one backend to open it on. */
  readonly backend: string;
  /** transformers.js: the pipeline's task. */
  readonly task?: string | undefined;
  /** Options of the framework: onnxruntime's SessionOptions, a pipeline's options. Must be portable. */
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
  /** onnxruntime: options of the execution provider, such as `{ preferredLayout: 'NHWC' }`. Must be portable. */
  readonly providerOptions?: Readonly<Record<string, Portable>> | undefined;
}

/** Whether the answers of a model repeat, so that they may be kept: only where it was opened can that be seen. */
export interface AnswerTraits {
  /** Why they do not, or why that cannot be said; undefined where each call is looked at by itself. */
  readonly refusal?: CacheRefusal | undefined;
  /** Pipelines: whether a call that says nothing of `do_sample` draws its answer. */
  readonly samples?: boolean | undefined;
  /** Pipelines: whether text that is given may be the address of a picture or a sound, which may change behind it. */
  readonly readsMedia?: boolean | undefined;
}

/** What a host says of a model it opened. */
export interface RuntimeModelInfo {
  readonly backend: string;
  /** The device it runs on, where the framework says. */
  readonly device?: string | undefined;
  readonly isFallbackAdapter?: boolean | undefined;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly answers: AnswerTraits;
  /** The framework and its version, as in 'onnxruntime-node 1.30.0'. */
  readonly runtime: string;
  /** Bytes of the largest tensor that the device takes, where it says. */
  readonly maxTensorBytes?: number | undefined;
}

export interface RuntimeModel {
  readonly info: RuntimeModelInfo;
  /** Runs the model. Throws InputError for inputs that do not fit it, InferenceError where it failed. */
  run(args: readonly Portable[]): Promise<Portable>;
  dispose(): Promise<void>;
}

/** One framework in a host. */
export interface Runtime {
  open(request: OpenRequest): Promise<RuntimeModel>;
  listBackends(): Promise<readonly BackendInfo[]>;
}
