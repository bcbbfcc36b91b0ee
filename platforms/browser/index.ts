/** @module epochly in browsers and their workers. */

import { bindPlatform } from '../../src/bind-platform.ts';
import type { PlatformBindings } from '../../src/bind-platform.ts';
import { browserPlatform } from './platform.ts';

export * from '../../src/index.ts';

const bindings: PlatformBindings = bindPlatform(browserPlatform);

export const createEpochly: PlatformBindings['createEpochly'] = bindings.createEpochly;
export const listBackends: PlatformBindings['listBackends'] = bindings.listBackends;
export const load: PlatformBindings['load'] = bindings.load;
export const registerAdapter: PlatformBindings['registerAdapter'] = bindings.registerAdapter;
export const sharedEpochly: PlatformBindings['sharedEpochly'] = bindings.sharedEpochly;
export const wrap: PlatformBindings['wrap'] = bindings.wrap;
