/** @module epochly wherever there are web standards and nothing else is known: Deno, Bun, workers, edge. */

import { bindPlatform } from '../../src/bind-platform.ts';
import type { PlatformBindings } from '../../src/bind-platform.ts';
import { webPlatform } from './platform.ts';

export * from '../../src/index.ts';

const bindings: PlatformBindings = bindPlatform(webPlatform);

export const createEpochly: PlatformBindings['createEpochly'] = bindings.createEpochly;
export const listBackends: PlatformBindings['listBackends'] = bindings.listBackends;
export const load: PlatformBindings['load'] = bindings.load;
export const registerAdapter: PlatformBindings['registerAdapter'] = bindings.registerAdapter;
export const sharedEpochly: PlatformBindings['sharedEpochly'] = bindings.sharedEpochly;
export const wrap: PlatformBindings['wrap'] = bindings.wrap;
