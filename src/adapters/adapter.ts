/** @module What epochly asks of a framework. Recognises by shape, never by `instanceof`, and imports no framework. */

import type { BatchKey } from '../batching/batch-key.ts';
import type { CallOptions, ModelCall } from '../call.ts';
import type { MaybePromise } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { TensorType } from '../tensor.ts';

/** What a model is for; it decides how its answers are compared. */
export type ModelType = 'embedding' | 'classifier' | 'reranker' | 'generation' | 'llm' | 'encoder' | 'unknown';

/** A named input or output. A dimension that the model leaves open is its name, or -1 where it has none. */
export interface TensorInfo {
  readonly name: string;
  readonly type: TensorType | undefined;
  readonly dims: readonly (number | string)[] | undefined;
}

/** What is known of a model without running it. */
export interface ModelInfo {
  /** The adapter's name: 'onnxruntime', 'tfjs', 'transformers', ... */
  readonly framework: string;
  readonly modelType: ModelType;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** Where it runs, as the framework names it; undefined where it does not say. */
  readonly backend: string | undefined;
}

/**
 * A way into a model. `name` is the method, or '' where the model itself is called. Asynchronous entry points take the
 * whole way of a call, and so do those that answer with a stream, an `AsyncGenerator`: they are called when its first part is asked for.
 * Synchronous ones stay synchronous and are only observed. A mutator is no inference: it changes
 * the weights (tfjs `fit`, `setWeights`) or closes the model, so what the model answered before is forgotten.
 */
export interface EntryPoint {
  readonly name: string;
  readonly kind: 'async' | 'stream' | 'sync' | 'mutator';
}

/** Why a call cannot be answered from a cache. */
export type CacheRefusal =
  /** The answer is drawn at random (sampling, dropout) or depends on earlier calls. */
  | 'nondeterministic'
  /** An input or the output is in GPU memory, and reading it back would cost more than it saves. */
  | 'gpu_resident'
  /** The caller gave buffers for the output, or callbacks: calling has an effect beyond the answer. */
  | 'side_effects'
  /** An input or the output holds what has no portable form: functions, class instances, streams. */
  | 'not_portable'
  /** The adapter knows no entry point of this kind, or cannot say that its answers repeat. */
  | 'unknown';

/** What a second instance of a model is made from. */
export interface CompileOptions {
  /** The model's file, for frameworks whose loaded models cannot be compiled again. */
  readonly source?: string | Uint8Array;
  /** Options of the framework for the new instance, such as onnxruntime's SessionOptions. */
  readonly frameworkOptions?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
}

/** A call and its answer, kept as ground truth. */
export interface GoldenOutput {
  readonly entryPoint: string;
  readonly args: readonly Portable[];
  readonly output: Portable;
  /** Generated inputs are drawn from the model's metadata; observed ones were a caller's. */
  readonly source: 'generated' | 'observed';
}

/** Several calls as one. `sizes[i]` is how many rows of the joined call are call i's. */
export interface JoinedCall extends ModelCall {
  readonly sizes: readonly number[];
}

/** What of a batch key an adapter knows. */
export type BatchKeyParts = Omit<BatchKey, 'modelId'>;

/** Why calls are not batched. */
export type BatchRefusal =
  /** The model declares its first dimension fixed, or as that of a sequence. */
  | 'fixed_batch_dimension'
  /** More was given than inputs: outputs to fill, options. */
  | 'more_than_inputs'
  /** The inputs do not fit the model, are not in memory, or have no rows. */
  | 'unfit_inputs'
  /** Nothing is known of how its calls could be joined. */
  | 'unknown';

/** Sequences of several lengths in one batch: padded where the model's mask says what is padding. */
export interface SequencePadding<Model extends object = any> {
  /** The key that calls of all lengths share that are padded to `bucketOf(length)`; undefined where a call cannot be padded. */
  key(
    model: Model,
    call: ModelCall,
    bucketOf: (length: number) => number,
  ): { readonly key: BatchKeyParts; readonly length: number; readonly bucket: number } | undefined;
  /** The call with its sequences padded to `length`, and the padding masked out. */
  pad(model: Model, call: ModelCall, length: number): ModelCall;
  /** The answer of a call that was padded to `length`, without what belongs to the padding. */
  unpad(model: Model, call: ModelCall, answer: unknown, length: number): unknown;
}

/** Makes the proxy of a model from its entry points; given to `wrapForward`. */
export type ProxyFactory = <Model extends object>(model: Model, entryPoints: readonly EntryPoint[]) => Model;

/** What of an adapter is needed to recognise a model and put a proxy around it. */
export type AdapterDetection<Model extends object = any> = Pick<
  InferenceAdapter<Model>,
  'name' | 'detect' | 'getModelClasses' | 'getEntryPoints' | 'wrapForward' | 'splitOptions'
>;

/**
 * An adapter of which no more than that is loaded before a model of its is wrapped. The first call waits for the rest.
 */
export interface LazyAdapter<Model extends object = any> extends AdapterDetection<Model> {
  load(): Promise<InferenceAdapter<Model>>;
}

/**
 * The interface of all framework adapters. Register one with `registerAdapter()`, or give it to one call of `wrap()`.
 * `test` it with the contract suite in `epochly/testing`.
 */
export interface InferenceAdapter<Model extends object = any> {
  /** Short name of the framework, as in `ModelInfo.framework` and in metrics. */
  readonly name: string;

  /** Whether `value` is a model of this framework. Must not throw, and must not read what has side effects. */
  detect(value: unknown): boolean;
  /** The classes of the framework that are recognised, by name, for error messages. */
  getModelClasses(): readonly string[];
  getModelInfo(model: Model): ModelInfo;
  classifyModel(model: Model): ModelType;
  getEntryPoints(model: Model): readonly EntryPoint[];
  /** Returns the proxy. Most adapters pass `getEntryPoints(model)` on to `createProxy`. */
  wrapForward(model: Model, createProxy: ProxyFactory): Model;
  /**
   * A faster instance of the same model with the same answers; the same one where there is nothing to compile.
   * @throws UnsupportedOperationError where the framework needs `source` and none is given.
   */
  compile(model: Model, options?: CompileOptions): MaybePromise<Model>;
  /** Calls the model. `entryPoint` defaults to the model's primary one: the first of `getEntryPoints(model)`. */
  runInference(model: Model, args: readonly unknown[], entryPoint?: string): MaybePromise<unknown>;
  /**
   * Whether two answers agree: same structure, types and dims, and every number within `tolerance` times the largest
   * absolute value of the expected tensor. A non-finite value is a difference only where the expected one is finite.
   */
  outputsMatch(expected: unknown, actual: unknown, tolerance: number): MaybePromise<boolean>;
  /** SHA-256 (hexadecimal) of the weights; undefined where the framework does not give them out. */
  hashModel(model: Model): MaybePromise<string | undefined>;
  /** Runs `n` generated inputs that fit the model's metadata; fewer, or none, where it says too little. */
  captureGolden(model: Model, n: number): Promise<readonly GoldenOutput[]>;

  /** Why the call cannot be cached; undefined where it can. */
  cacheRefusal(model: Model, call: ModelCall): CacheRefusal | undefined;
  /**
   * The inputs of a call in portable form, for keys, and whatever else of the model its answer depends on. May share
   * memory with the inputs: it is read before the model is called and not kept. Undefined where they have none. At once
   * where they are in memory, so that the caller cannot change them before the model is called.
   */
  encodeInputs(model: Model, call: ModelCall): MaybePromise<readonly Portable[] | undefined>;
  /**
   * Whether what a call is given cannot change afterwards, so that nobody need read it again: a GPU's tensors take long to
   * read. Default false.
   */
  readonly immutableInputs?: boolean | undefined;
  /** An answer in portable form that shares no memory with it; undefined where it has none. */
  encode(model: Model, call: ModelCall, output: unknown): MaybePromise<Portable | undefined>;
  /**
   * An answer as the framework would give it, from what `encode` returned; shares no memory with `encoded`.
   * @throws UnsupportedOperationError where the framework's classes are not known yet, as in a process where the model
   * neither was given nor answered a tensor so far. It is then a miss.
   */
  decode(model: Model, call: ModelCall, encoded: Portable): unknown;

  /**
   * Only for models whose own methods take call options: the call without them, and the options. Default: none are in it.
   */
  splitOptions?(model: Model, call: ModelCall): { readonly call: ModelCall; readonly options: CallOptions };
  /** Only for models that honour call options (a signal, a deadline) themselves: calls the model with them. */
  invoke?(model: Model, call: ModelCall, options: CallOptions): Promise<unknown>;

  /** Which calls of the model may share a batch with this one; or why it cannot be batched. */
  batchKey(model: Model, call: ModelCall): BatchKeyParts | BatchRefusal;
  /** One call for all of `calls`, which have equal batch keys, in their order. */
  join(model: Model, calls: readonly ModelCall[]): JoinedCall;
  /**
   * The answer of each call, from the joined call's answer, each with memory of its own. Takes the joined call and its
   * answer over: what must be freed by hand is freed.
   * @throws RangeError where the answer has not a row for each row of the joined call: the model cannot be batched.
   */
  split(model: Model, joined: JoinedCall, output: unknown): readonly unknown[];
  /** How many rows a call has: the first dimension of its inputs. Default 1. */
  rowsOf?(model: Model, call: ModelCall): number;
  /** The call with inputs that stay as they are now, whatever the caller does to its own. Default: a copy of plain data. */
  retain?(model: Model, call: ModelCall): ModelCall;
  /** Frees the tensors in arguments that were retained or joined, or in an answer that nobody gets. Default: nothing. */
  free?(model: Model, value: unknown): void;
  /**
   * Told of a retained call that was answered as one of a joined call: nobody reads its inputs any more, nor shares their memory.
   * Default: nothing.
   */
  reuse?(model: Model, call: ModelCall): void;
  /** How many runs of a model may be under way at once; not asked where there is `timeOf`. Default: any number, and one batch. */
  concurrency?(model: Model): number;
  /**
   * Milliseconds that the run took which gave this answer. Only where runs are carried out one after another on another
   * thread: the next ones are then on their way while one runs. Default: runs are timed from here, and do not overlap.
   */
  timeOf?(model: Model, answer: unknown): number | undefined;
  /** Bytes of the largest tensor that the model's device takes. Default: nothing is known to limit it but memory. */
  maxTensorBytes?(model: Model): number | undefined;
  /** Only for models of sequences, whose calls can be padded to a common length. */
  readonly padding?: SequencePadding<Model>;
}
