/** @module The platform Node. */

import type { Platform } from '../../src/platform.ts';
import { nodeClock } from './clock.ts';
import { readConfigFile } from './config-file.ts';
import { currentContext, runWithContext } from './context.ts';
import { describe } from './describe.ts';
import { digest } from './digest.ts';
import { openHost } from './host/open-host.ts';
import { listBackends } from './list-backends.ts';
import { memory } from './memory.ts';
import { onEnding } from './on-ending.ts';
import { readModel } from './read-model.ts';

export const nodePlatform: Platform = {
  name: 'node',
  clock: nodeClock,
  memory,
  describe,
  env: process.env,
  readConfigFile: () => readConfigFile(process.cwd()),
  digest,
  readModel,
  openHost,
  listBackends,
  // What only persistent tiers need comes with them.
  openStore: async (name) => (await import('./open-stores.ts')).openStore(name),
  openRemoteStore: async (url, options) => (await import('./open-stores.ts')).openRemoteStore(url, options),
  openKeyring: async (source) => (await import('./open-stores.ts')).openAnyKeyring(source),
  openAuditStorage: async (path) => (await import('./audit/folder-audit-storage.ts')).openAuditFolder(path),
  onEnding,
  runWithContext,
  currentContext,
  waitUntil(work) {
    work.catch(() => undefined);
  },
};
