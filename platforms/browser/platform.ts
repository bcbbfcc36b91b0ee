/** @module The platform browser: pages and their workers. */

import { createSynchronousContext } from '../../src/context.ts';
import { UnsupportedOperationError } from '../../src/errors.ts';
import { systemClock } from '../../src/clock.ts';
import { sha256 } from '../../src/hash.ts';
import type { Platform } from '../../src/platform.ts';

export const browserPlatform: Platform = {
  name: 'browser',
  clock: systemClock,
  env: {},
  readConfigFile: () => undefined,
  digest: sha256,
  // What only load() needs comes with it: chunks of their own for bundlers.
  readModel: async (source, options) => (await import('./read-model.ts')).readModel(source, options),
  openHost: async (options) => (await import('./host/open-host.ts')).openHost(options),
  openStore: async (name) => (await import('./store/indexed-db-store.ts')).openIndexedDbStore(name || 'epochly'),
  async openRemoteStore() {
    throw new UnsupportedOperationError('A page cannot reach Redis: leave cache.redis_url empty in browsers.');
  },
  openKeyring: async () => (await import('./keyring/browser-keyring.ts')).openBrowserKeyring(),
  listBackends: async () => (await import('./list-backends.ts')).listBackends(),
  ...createSynchronousContext(),
  waitUntil(work) {
    work.catch(() => undefined);
  },
};
