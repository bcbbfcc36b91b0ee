/** @module The platform browser: pages and their workers. */

import { createSynchronousContext } from '../../src/context.ts';
import { systemClock } from '../../src/clock.ts';
import { sha256 } from '../../src/hash.ts';
import { describe } from './describe.ts';
import { onEnding } from './on-ending.ts';
import type { Platform } from '../../src/platform.ts';

export const browserPlatform: Platform = {
  name: 'browser',
  clock: systemClock,
  describe,
  env: {},
  readConfigFile: () => undefined,
  digest: sha256,
  // What only load() needs comes with it: chunks of their own for bundlers.
  readModel: async (source, options) => (await import('./read-model.ts')).readModel(source, options),
  openHost: async (options) => (await import('./host/open-host.ts')).openHost(options),
  openStore: async (name) => (await import('./open-stores.ts')).openStore(name),
  openRemoteStore: async () => (await import('./open-stores.ts')).openRemoteStore(),
  openKeyring: async (source) => (await import('./open-stores.ts')).openAnyKeyring(source),
  openAuditStorage: async (path) => (await import('./open-stores.ts')).openAuditStorage(path),
  onEnding,
  listBackends: async () => (await import('./list-backends.ts')).listBackends(),
  ...createSynchronousContext(),
  waitUntil(work) {
    work.catch(() => undefined);
  },
};
