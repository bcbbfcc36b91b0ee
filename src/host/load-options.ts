/** @module What `load()` takes beside a model. */

import { ConfigError } from '../errors.ts';
import { isPlainObject, isPortable } from '../portable.ts';
import type { Portable } from '../portable.ts';
import type { Backend } from '../platform.ts';
import type { HostKind } from './channel.ts';
import type { LoadProgress } from './model-files.ts';

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
  /** Options of the framework, as plain data: onnxruntime's SessionOptions, those of a transformers.js pipeline. */
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
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
