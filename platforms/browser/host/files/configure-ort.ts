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
