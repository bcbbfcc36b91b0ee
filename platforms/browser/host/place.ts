/** @module The first words between a page and its host file: ready, and where things are. */

/** What a host file is told about where it runs. */
export interface HostPlace {
  /** URLs of .wasm files, by file name. */
  readonly assets: Readonly<Record<string, string>>;
  /** Threads that a WebAssembly runtime may use. */
  readonly threads: number;
}

const READY = { epochly: 'ready' };

export function sayReady(post: (message: unknown) => void): void {
  post(READY);
}

export function isReady(message: unknown): boolean {
  return (message as { epochly?: unknown } | null)?.epochly === 'ready';
}

/** More threads than this gain little in the models that run in browsers, and take cores from the page. */
const MAX_THREADS = 4;

/** Threads need memory that is shared, which browsers give only to pages that are cross-origin isolated. */
export function placeOf(assets: Readonly<Record<string, string>>): HostPlace {
  const threads = globalThis.crossOriginIsolated
    ? Math.min(MAX_THREADS, globalThis.navigator.hardwareConcurrency || 1)
    : 1;
  return { assets, threads };
}
