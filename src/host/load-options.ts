/** @module What `load()` takes beside a model. */

import { ConfigError } from '../errors.ts';
import { isPlainObject, isPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { Backend } from '../platform.ts';
import type { HostKind } from './channel.ts';
import type { LoadProgress } from './model-files.ts';
import type { ModelSource } from './model-sources.ts';
import type { WorkloadType } from '../safety/workload.ts';

/** A twin of a model, smaller or of other numbers, whose answers may differ within what its workload bears. */
export interface ModelVariant {
  /** Where it is, as of the model itself. */
  readonly source: ModelSource;
  /** What it is called in reports, such as 'int8' or 'fp16'. */
  readonly precision: string;
  /** Its SHA-256 (hexadecimal); anything else is not used. */
  readonly expectedHash?: string | undefined;
  /** Options of the framework that it needs beside the model's own, such as the `dtype` of a transformers.js pipeline. */
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
}

/** Options of `load()`. */
export interface LoadOptions {
  /**
   * Where to run: one backend, or several of which the first that opens is taken. A backend that is named is the caller's choice,
   * and is reported as unproven. Default: the reference, which is the CPU in Node and WebAssembly in browsers; 'auto' is the same to
   * begin with, and consent to level 3 for this model: a faster way takes over what it was proven on, once one is found.
   */
  readonly backend?: Backend | 'auto' | readonly Backend[] | undefined;
  /**
   * Where the model lives: 'worker' (a Web Worker, or a worker thread), 'process' (a child process; Node only), 'inline'
   * (in this thread, which it blocks while it runs). Default 'auto': a worker, in place where none opens.
   *
   * In Node a thread cannot be ended during a run without aborting the whole process: a process that ends (by
   * `process.exit()`, or an error that nobody caught) waits for the run that its thread is at, as long as that takes, and
   * keeps its exit code. A child process is killed instead. Within a worker thread of your own, which may be terminated at
   * any time, use 'process'.
   */
  readonly host?: HostKind | 'auto' | undefined;
  /** The model's SHA-256 (hexadecimal); anything else is an IdentityMismatchError. */
  readonly expectedHash?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /**
   * Options of the framework, as plain data: onnxruntime's SessionOptions, those of a transformers.js pipeline. In browsers
   * `intraOpNumThreads` says how many threads WebAssembly takes, where the page is cross-origin isolated. Default there: at most 4.
   */
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
  /**
   * Twins of the model that may answer in its place, which is consent to level 4 for this model: one that passed the workload's
   * validator on real calls, and is faster than what gives the same answers, takes over. Not beside a backend that is named.
   */
  readonly variants?: readonly ModelVariant[] | undefined;
  /**
   * What the model is for: 'classifier', 'embedding', 'encoder', 'generation', 'llm' or 'reranker'. It says by which validator a
   * variant is held against the model. Default: by the task of a transformers.js pipeline.
   */
  readonly workload?: WorkloadType | undefined;
  /** Browsers: the folder of the package's worker files. Default: `workers/` beside the running module. */
  readonly workerUrl?: string | undefined;
  /** Browsers: the folder of the runtimes' .wasm files. Default: `assets/` beside the worker files' folder. */
  readonly assetsUrl?: string | undefined;
}

const BACKENDS: readonly Backend[] = ['webgpu', 'webgl', 'webnn', 'wasm', 'cuda', 'tensorrt', 'dml', 'coreml', 'cpu'];
const HOSTS: readonly (HostKind | 'auto')[] = ['auto', 'worker', 'process', 'inline'];

/** What the frameworks call what is `backend` here. */
const OTHER_NAMES_OF_BACKEND = ['executionProviders', 'device'];

/** @throws ConfigError naming a wrong option. */
export function checkOptions(options: LoadOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new ConfigError('options', "The options of load() are an object, such as { backend: 'cpu' }.");
  }
  const { backend = 'auto', host = 'auto', expectedHash, frameworkOptions } = options;
  for (const each of Array.isArray(backend) ? backend : [backend]) {
    if (each !== 'auto' && !BACKENDS.includes(each as Backend)) {
      throw new ConfigError(
        'backend',
        `There is no backend ${JSON.stringify(each)}. There are ${BACKENDS.join(', ')}, and 'auto'.`,
      );
    }
    if (each === 'auto' && Array.isArray(backend)) {
      throw new ConfigError('backend', "'auto' stands alone: a list names the backends to try, in order.");
    }
  }
  if (Array.isArray(backend) && backend.length === 0) {
    throw new ConfigError('backend', 'The list of backends is empty. Name at least one, or use "auto".');
  }
  if (!HOSTS.includes(host))
    throw new ConfigError('host', `There is no host ${JSON.stringify(host)}. There are ${HOSTS.join(', ')}.`);
  if (expectedHash !== undefined && !/^[0-9a-f]{64}$/i.test(expectedHash)) {
    throw new ConfigError(
      'expectedHash',
      `The expected hash is a SHA-256 in 64 hexadecimal digits, not ${JSON.stringify(expectedHash)}.`,
    );
  }
  if (frameworkOptions !== undefined) checkFrameworkOptions(frameworkOptions);
  if (options.variants !== undefined) checkVariants(options.variants, backend);
}

function checkVariants(variants: readonly ModelVariant[], backend: LoadOptions['backend']): void {
  if (!Array.isArray(variants))
    throw new ConfigError(
      'variants',
      "The variants are a list, such as [{ source: 'model_int8.onnx', precision: 'int8' }].",
    );
  if (variants.length > 0 && backend !== 'auto')
    throw new ConfigError(
      'variants',
      'A backend that is named runs the model itself: leave out the variants, or the backend.',
    );
  const precisions = new Set<unknown>();
  for (const each of variants as readonly Partial<ModelVariant>[]) {
    const { source, precision, expectedHash, frameworkOptions } = each ?? {};
    if (source === undefined || typeof precision !== 'string' || precision === '')
      throw new ConfigError(
        'variants',
        "A variant has a source and a precision, such as { source: 'model_int8.onnx', precision: 'int8' }.",
      );
    if (precisions.has(precision))
      throw new ConfigError('variants', `Two variants are called ${precision}: reports could not tell them apart.`);
    precisions.add(precision);
    checkOptions({ expectedHash, frameworkOptions });
  }
}

function checkFrameworkOptions(options: Readonly<Record<string, Portable>>): void {
  if (!isPlainObject(options) || !isPortable(options)) {
    throw new ConfigError(
      'frameworkOptions',
      'The options of the framework are an object of plain data: no functions, no class instances, no cycles.',
    );
  }
  const name = OTHER_NAMES_OF_BACKEND.find((each) => each in options);
  if (name === undefined) return;
  throw new ConfigError(
    `frameworkOptions.${name}`,
    `Where a model runs is said by backend, as in load(source, { backend: 'cuda' }): leave ${name} out of the options of the framework.`,
  );
}
