/** @module The wire to a place of its own for a model: what a platform gives, and what the core builds hosts on. */

import type { MaybePromise } from '../platform.ts';

/** Where a hosted model lives. 'worker' is a Web Worker or a worker thread; 'process' a child process (Node only). */
export type HostKind = 'worker' | 'process' | 'inline';

/** The framework that a host carries; each has a host file of its own. */
export type HostFramework = 'onnxruntime' | 'tfjs' | 'transformers';

export interface HostOptions {
  readonly kind: HostKind;
  readonly framework: HostFramework;
  /** Backends that the host will be asked for; a platform may open a smaller host file for some. */
  readonly backends: readonly string[];
  /** Browsers: where the package's worker files are. Default: beside the module that is running. */
  readonly workerUrl?: string | undefined;
  /** Browsers: where the runtimes' .wasm files are. Default: the folder `assets/` beside the worker files. */
  readonly assetsUrl?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A duplex channel of structured clones. Messages arrive in the order they were posted. Once `onExit` has fired, `post`
 * does nothing.
 */
export interface HostChannel {
  readonly kind: HostKind;
  /** Why this kind was opened in place of a better one, if so: shown in the backend report. */
  readonly warning?: string | undefined;
  /** Whether `terminate()` is safe while the model runs. A worker thread's is not: it aborts the whole process. */
  readonly killable: boolean;
  /** Throws a DataCloneError where the message cannot be cloned. `transfer` is copied where the channel cannot transfer. */
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Fires once, when the other side is gone for whatever reason; `reason` says why in words. */
  onExit(listener: (reason: string) => void): void;
  /** Ends the other side. Resolves when it is gone. */
  terminate(): MaybePromise<void>;
}
