/** @module The names that each platform's entry exports: one shared epochly, made at its first use. */

import type { InferenceAdapter } from './adapters/adapter.ts';
import type { ByteStore } from './cache/byte-store.ts';
import { createEpochly } from './create.ts';
import type { RequestContext } from './context.ts';
import type { Epochly, EpochlyOptions, LoadedModel } from './create.ts';
import type { LoadOptions, ModelSource } from './load.ts';
import type { BackendInfo, Platform } from './platform.ts';
import type { AuditStorage } from './privacy/audit-storage.ts';
import type { Keyring, KeySource } from './privacy/keyring.ts';
import type { InferenceProxy } from './proxy.ts';
import type { WrapOptions } from './wrap.ts';

/** The functions of the package, the same on every platform. */
export interface PlatformBindings {
  /**
   * Makes an epochly with a configuration, a cache and a profiler of its own.
   * @throws ConfigError naming the field that is wrong.
   */
  createEpochly(options?: EpochlyOptions): Epochly;
  /**
   * The epochly that `wrap` and `load` share, configured by the environment and the configuration file.
   * @throws ConfigError naming the variable or the field that is wrong.
   */
  sharedEpochly(): Epochly;
  /**
   * Puts a proxy around a model: an InferenceSession of onnxruntime-web or onnxruntime-node, a TensorFlow.js
   * LayersModel or GraphModel, a pipeline or model of @huggingface/transformers, or anything with an adapter. The model
   * stays where it is, and stays the caller's. Wrapping it again, or its proxy, gives the same proxy.
   *
   * @throws UnsupportedModelError (a TypeError) naming what is supported, ConfigError where an option is wrong, or not the
   * one that the model was wrapped with.
   */
  wrap<Model extends object>(model: Model, options?: WrapOptions): InferenceProxy<Model>;
  /**
   * Opens a model off the main thread: an ONNX file, a TensorFlow.js model.json, or a folder for a transformers.js task.
   *
   * @throws ModelLoadError where it cannot be read, IdentityMismatchError where it is not the one expected,
   * BackendUnavailableError where no backend opens it.
   */
  load(source: ModelSource, options?: LoadOptions): Promise<LoadedModel>;
  /** Adds an adapter; it is asked before those registered earlier. Disposing removes it. */
  registerAdapter(adapter: InferenceAdapter): Disposable;
  /** The backends of this platform, best first, with the device each would run on. */
  listBackends(): Promise<readonly BackendInfo[]>;
  /**
   * A store that outlives the process, to make an L2Cache of one's own: a SQLite file at that path in Node (default
   * `~/.epochly/answers.sqlite`), an IndexedDB database of that name in browsers (default 'epochly'). The caller closes it.
   * @throws StoreError where nothing can be kept there, MissingPeerError where Node has no SQLite.
   */
  openStore(name?: string): Promise<ByteStore>;
  /**
   * The keyring of a master key, to seal tiers of one's own with. The caller closes it.
   * @throws KeyError where there is no such key, or it is none.
   */
  openKeyring(source: KeySource): Promise<Keyring>;
  /**
   * Where an AuditChain can be written: a folder in Node, an IndexedDB database in browsers.
   * @throws ConfigError where nothing can be written there.
   */
  openAuditStorage(path: string): Promise<AuditStorage>;
  /**
   * Runs `task` with `context` as the current one of all calls made in it: in Node through everything that is awaited, in
   * browsers for what runs at once. There, and wherever else that is not enough: `model.with({ context })`.
   */
  runWithContext<T>(context: RequestContext, task: () => T): T;
  /** The context of the request that is being served here; undefined where there is none. */
  currentContext(): RequestContext | undefined;
}

/** Nothing is read or opened before the first call, so that importing the package has no effects. */
export function bindPlatform(platform: Platform): PlatformBindings {
  let shared: Epochly | undefined;
  const sharedEpochly = (): Epochly => (shared ??= createEpochly(platform));
  return {
    createEpochly: (options) => createEpochly(platform, options),
    sharedEpochly,
    wrap: (model, options) => sharedEpochly().wrap(model, options),
    load: async (source, options) => sharedEpochly().load(source, options),
    registerAdapter: (adapter) => sharedEpochly().registerAdapter(adapter),
    listBackends: () => platform.listBackends(),
    openStore: (name = '') => platform.openStore(name),
    openKeyring: (source) => platform.openKeyring(source),
    openAuditStorage: (path) => platform.openAuditStorage(path),
    runWithContext: (context, task) => platform.runWithContext(context, task),
    currentContext: () => platform.currentContext(),
  };
}
