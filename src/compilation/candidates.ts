/** @module Ways of running a model that may be faster than the reference. */

import type { Backend, BackendInfo } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { HostFramework } from '../host/channel.ts';

/** One way of running a model: a backend, and the options of the framework that it differs by. */
export interface Candidate {
  /** As reports name it: the backend, and what is special. */
  readonly name: string;
  readonly backend: Backend;
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
}

export interface CandidateFacts {
  readonly framework: HostFramework;
  /** What there is here, best first. */
  readonly backends: readonly BackendInfo[];
  readonly reference: Backend;
  /** The options that the caller gave: what they decide is not tried otherwise. */
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
}

/** What each framework runs on; the reference is never a candidate for itself, but with other options. */
const BACKENDS: Readonly<Record<HostFramework, readonly Backend[]>> = {
  onnxruntime: ['tensorrt', 'cuda', 'dml', 'coreml', 'webgpu', 'webnn'],
  tfjs: ['webgpu', 'webgl', 'wasm'],
  transformers: ['cuda', 'dml', 'coreml', 'webgpu', 'webnn'],
};

/**
 * The candidates of a model on this machine, those first that are likely to win. An emulated GPU is none: it is slower than the CPU
 * that emulates it.
 *
 * On the CPU onnxruntime shares a run among as many threads as there are cores, which costs small models more than it gives
 * (https://onnxruntime.ai/docs/performance/tune-performance/threading.html): one thread is a candidate of its own.
 */
export function candidatesFor({
  framework,
  backends,
  reference,
  frameworkOptions = {},
}: CandidateFacts): readonly Candidate[] {
  const found: Candidate[] = backends
    .filter(({ backend, available, isFallbackAdapter }) => {
      const isOther = backend !== reference && BACKENDS[framework].includes(backend);
      return isOther && available && isFallbackAdapter !== true;
    })
    .map(({ backend }) => ({ name: backend, backend }));
  if (framework === 'onnxruntime' && reference === 'cpu' && !('intraOpNumThreads' in frameworkOptions))
    found.push({ name: 'cpu, one thread', backend: 'cpu', frameworkOptions: { intraOpNumThreads: 1 } });
  return found;
}
