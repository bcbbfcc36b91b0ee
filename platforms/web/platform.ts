/** @module The platform of which only web standards are known: everything in memory, no hosts. */

import { UnsupportedOperationError } from '../../src/errors.ts';
import { systemClock } from '../../src/clock.ts';
import { sha256 } from '../../src/hash.ts';
import type { Platform } from '../../src/platform.ts';
import { createSynchronousContext } from '../../src/context.ts';

const unsupported = async (): Promise<never> => {
  throw new UnsupportedOperationError(
    'load() needs a browser or Node. Here, open the model with its own framework and give it to wrap().',
  );
};

const noStore = async (): Promise<never> => {
  throw new UnsupportedOperationError('Nothing can be kept here: persistent caches need a browser or Node.');
};

export const webPlatform: Platform = {
  name: 'web',
  clock: systemClock,
  describe: () => '',
  env: {},
  readConfigFile: () => undefined,
  digest: sha256,
  readModel: unsupported,
  openHost: unsupported,
  openStore: noStore,
  openRemoteStore: noStore,
  openKeyring: noStore,
  openAuditStorage: noStore,
  onEnding: () => ({ [Symbol.dispose]: () => undefined }),
  listBackends: async () => [],
  ...createSynchronousContext(),
  waitUntil(work) {
    work.catch(() => undefined);
  },
};
