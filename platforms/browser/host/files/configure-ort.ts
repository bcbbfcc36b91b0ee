/** @module Settings of onnxruntime-web in a host. */

import type { HostPlace } from '../place.ts';

interface OrtEnv {
  readonly wasm: { numThreads?: number; proxy?: boolean; wasmPaths?: unknown };
  logLevel?: string;
}

/**
 * Names only the .wasm: the JavaScript that goes with it is in the host file, which is also what the runtime's threads are
 * opened from. Naming the folder instead would make the runtime import that JavaScript from there, which a worker's
 * origin or policy may forbid.
 */
export function configureOrt(env: OrtEnv, { assets, threads }: HostPlace): void {
  const [wasm] = Object.values(assets);
  if (wasm !== undefined) env.wasm.wasmPaths = { wasm };
  env.wasm.numThreads = threads;
  // The host is the worker already.
  env.wasm.proxy = false;
  env.logLevel = 'error';
}

/**
 * The option by which onnxruntime is told its threads elsewhere; WebAssembly's are a setting of the whole runtime, which is read when its
 * first model is opened. More than one need memory that is shared.
 */
export function setThreads(env: OrtEnv, { intraOpNumThreads }: Readonly<Record<string, unknown>>): void {
  if (typeof intraOpNumThreads !== 'number' || !(intraOpNumThreads >= 1)) return;
  env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.floor(intraOpNumThreads) : 1;
}
