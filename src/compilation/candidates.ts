/** @module Ways of running a model that may be faster than the reference. */

import type { Backend, BackendInfo } from '../platform.ts';
import type { Portable } from '../portable.ts';
import type { HostFramework } from '../host/channel.ts';
import type { ModelVariant } from '../host/load-options.ts';

/** One way of running a model: a backend, and the options that it differs by. */
export interface Candidate {
  /** As reports name it: the backend, and what is special. */
  readonly name: string;
  readonly backend: Backend;
  readonly frameworkOptions?: Readonly<Record<string, Portable>> | undefined;
  /** What the backend itself is told, such as onnxruntime's `preferredLayout` of WebGPU. */
  readonly providerOptions?: Readonly<Record<string, Portable>> | undefined;
  /** The twin that is run in the model's place. */
  readonly variant?: ModelVariant | undefined;
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
  tfjs: ['webgpu', 'webgl', 'wasm', 'cpu'],
  transformers: ['cuda', 'dml', 'coreml', 'webgpu', 'webnn'],
};

/** Threads that a WebAssembly host takes by itself, where there are as many. */
const USUAL_THREADS = 4;

/**
 * The backends that a model may run on on this machine, those first that are likely to win. An emulated GPU is none: it is slower than the
 * CPU that emulates it.
 *
 * On the CPU onnxruntime shares a run among as many threads as there are cores, which costs small models more than it gives
 * (https://onnxruntime.ai/docs/performance/tune-performance/threading.html): one thread is a candidate of its own, and so are more than
 * the usual ones of WebAssembly.
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
  // Node lists what onnxruntime runs on: whether TensorFlow.js has WebAssembly there, only opening it shows.
  if (framework === 'tfjs' && reference === 'cpu' && backends.every(({ backend }) => backend !== 'wasm'))
    found.push({ name: 'wasm', backend: 'wasm' });
  if (framework !== 'onnxruntime' || 'intraOpNumThreads' in frameworkOptions) return found;
  const { threads = 1 } = backends.find(({ backend }) => backend === reference) ?? {};
  const withThreads = (name: string, intraOpNumThreads: number): Candidate => ({
    name: `${reference}, ${name}`,
    backend: reference,
    frameworkOptions: { intraOpNumThreads },
  });
  if (reference === 'cpu' || threads > 1) found.push(withThreads('one thread', 1));
  if (reference === 'wasm' && threads > USUAL_THREADS) found.push(withThreads(`${threads} threads`, threads));
  return found;
}

/** Each variant on each of the ways that gave the model's own answers. */
export function variantCandidates(
  variants: readonly ModelVariant[],
  bases: readonly Candidate[],
): readonly Candidate[] {
  return variants.flatMap((variant) =>
    bases.map((base) => ({ ...base, name: `${variant.precision} on ${base.name}`, variant })),
  );
}
