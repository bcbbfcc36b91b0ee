/** @module The seam: what the core asks of the place it runs in. Each folder in platforms/ implements it. */

import type { ByteStore } from './cache/byte-store.ts';
import type { RequestContext } from './context.ts';
import type { HostChannel, HostOptions } from './host/channel.ts';
import type { ModelFiles, ReadOptions } from './host/model-files.ts';
import type { ModelSource } from './host/model-sources.ts';
import type { AuditStorage } from './privacy/audit-storage.ts';
import type { Keyring, KeySource } from './privacy/keyring.ts';

/** A value now or later: what can answer at once may. */
export type MaybePromise<T> = T | Promise<T>;

/** Time, injectable. Milliseconds. */
export interface Clock {
  /** Monotonic, from an arbitrary origin, with the best resolution there is. */
  now(): number;
  /** Milliseconds since the Unix epoch. */
  epochNow(): number;
  /** Calls `task` once after `delayMs`; disposing cancels it. Keeps a Node process alive only where `keepsAlive` is true. */
  after(delayMs: number, task: () => void, keepsAlive?: boolean): Disposable;
  /** Calls `task` in the next turn of the event loop, after all that this turn has settled. */
  soon(task: () => void): void;
}

/** Where inference can run. */
export type Backend = 'webgpu' | 'webgl' | 'webnn' | 'wasm' | 'cuda' | 'tensorrt' | 'dml' | 'coreml' | 'cpu';

/** A backend this platform may have, and the device it would run on. */
export interface BackendInfo {
  readonly backend: Backend;
  readonly available: boolean;
  /** The device, as its driver names it. */
  readonly device?: string;
  /** WebAssembly: the most threads that a run may be shared among. */
  readonly threads?: number;
  /** A GPU interface emulated on the CPU: slow, used only when it is named. */
  readonly isFallbackAdapter?: boolean;
  /** Why it is not available, and what would make it so. */
  readonly reason?: string;
}

export interface RemoteStoreOptions {
  /** What all of the store's names begin with. */
  readonly prefix: string;
  /** Longest for one answer, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * SHA-256 of `bytes` as 64 hexadecimal digits: at once for what is small, later where only an asynchronous implementation is fast
 * enough. `bytes` may be reused by the caller as soon as this returns.
 */
export interface Digest {
  (bytes: Uint8Array): MaybePromise<string>;
  /** From so many bytes on it takes less time than to make a text of them. Default 513. */
  readonly fasterFromBytes?: number | undefined;
}

/** What the core needs from where it runs. */
export interface Platform {
  readonly name: 'browser' | 'node' | 'web';
  readonly clock: Clock;
  /** The memory of this process, in bytes, where it can be asked: what is used, and what is left of it. */
  readonly memory?: (() => { readonly usedBytes: number; readonly availableBytes: number }) | undefined;
  /** What decides how fast, and how right, a model runs here and can be told at once: the browser or the system, processors, drivers. */
  readonly describe: () => string;
  /** Environment variables; empty in browsers. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The configuration file's content (`epochly` in package.json, or epochly.config.json); undefined where there is none. */
  readConfigFile(): Readonly<Record<string, unknown>> | undefined;
  readonly digest: Digest;
  /** Reads all files of a model and their SHA-256. */
  readModel(source: ModelSource, options: ReadOptions): Promise<ModelFiles>;
  /** Opens a place for a model to live in. Rejects with the reason where that kind cannot be had here. */
  openHost(options: HostOptions): Promise<HostChannel>;
  /** Candidates, best first, with the device each would run on. */
  listBackends(): Promise<readonly BackendInfo[]>;
  /**
   * A store that outlives the process: a SQLite file in Node, an IndexedDB database in browsers. `name`: the file's path, the
   * database's name; '' is the platform's own choice. Rejects with the reason where there can be none.
   */
  openStore(name: string): Promise<ByteStore>;
  /**
   * A store that several machines share: Redis, in Node. Opens also where it cannot be reached now. Rejects with the reason where
   * there can be none.
   */
  openRemoteStore(url: string, options: RemoteStoreOptions): Promise<ByteStore>;
  /** The master key; 'plaintext' is none, and checksums in place of secrecy. @throws KeyError where it cannot be had, or is no key */
  openKeyring(source: KeySource | 'plaintext'): Promise<Keyring>;
  /** Where the audit log is written: a folder in Node, an IndexedDB database in browsers. @throws ConfigError where it cannot be */
  openAuditStorage(path: string): Promise<AuditStorage>;
  /** Calls `finish` where the process or the page may be about to end. Disposing of the result calls it off. */
  onEnding(finish: () => Promise<void>): Disposable;
  /** Runs `task` with `context` as the current one: through AsyncLocalStorage in Node, for the synchronous part in browsers. */
  runWithContext<T>(context: RequestContext, task: () => T): T;
  currentContext(): RequestContext | undefined;
  /** Work that outlives the call that began it: what it throws is swallowed, and a closing process waits for it. */
  waitUntil(work: Promise<unknown>): void;
}
