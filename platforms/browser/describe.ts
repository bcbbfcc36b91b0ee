/** @module What decides how fast, and how right, a model runs in this browser. */

/** Its name and version, its processors, and whether threads may share memory: without that WebAssembly has but one. */
export function describe(): string {
  const { userAgent, hardwareConcurrency } = globalThis.navigator;
  return JSON.stringify([userAgent, hardwareConcurrency, globalThis.crossOriginIsolated]);
}
