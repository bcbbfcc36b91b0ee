/** @module epochly in browsers and their workers. */

import { bindPlatform } from '../../src/bind-platform.ts';
import type { PlatformBindings } from '../../src/bind-platform.ts';
import { browserPlatform } from './platform.ts';

export * from '../../src/index.ts';

const bindings: PlatformBindings = bindPlatform(browserPlatform);

/** Makes an epochly with a configuration, a cache and a profiler of its own. {@link PlatformBindings.createEpochly} says more. */
export const createEpochly: PlatformBindings['createEpochly'] = bindings.createEpochly;
/** The context of the request that is being served here. {@link PlatformBindings.currentContext} says more. */
export const currentContext: PlatformBindings['currentContext'] = bindings.currentContext;
/** The backends of this platform, best first, with the device each would run on. {@link PlatformBindings.listBackends} says more. */
export const listBackends: PlatformBindings['listBackends'] = bindings.listBackends;
/** Opens a model off the main thread, and wraps it. {@link PlatformBindings.load} says more. */
export const load: PlatformBindings['load'] = bindings.load;
/** Opens a place for an AuditChain. {@link PlatformBindings.openAuditStorage} says more. */
export const openAuditStorage: PlatformBindings['openAuditStorage'] = bindings.openAuditStorage;
/** The keyring of a master key. {@link PlatformBindings.openKeyring} says more. */
export const openKeyring: PlatformBindings['openKeyring'] = bindings.openKeyring;
/** Opens a store that outlives the process. {@link PlatformBindings.openStore} says more. */
export const openStore: PlatformBindings['openStore'] = bindings.openStore;
/** Adds an adapter to the epochly that `wrap` and `load` share. {@link PlatformBindings.registerAdapter} says more. */
export const registerAdapter: PlatformBindings['registerAdapter'] = bindings.registerAdapter;
/** Runs a task with a context as that of all calls made in it. {@link PlatformBindings.runWithContext} says more. */
export const runWithContext: PlatformBindings['runWithContext'] = bindings.runWithContext;
/** The epochly that `wrap` and `load` share, made at its first use. {@link PlatformBindings.sharedEpochly} says more. */
export const sharedEpochly: PlatformBindings['sharedEpochly'] = bindings.sharedEpochly;
/** Puts a proxy around a model: its own type, its answers reused. {@link PlatformBindings.wrap} says more. */
export const wrap: PlatformBindings['wrap'] = bindings.wrap;
