/** @module The platform Node. */

import type { Platform } from '../../src/platform.ts';
import { nodeClock } from './clock.ts';
import { readConfigFile } from './config-file.ts';
import { currentContext, runWithContext } from './context.ts';
import { digest } from './digest.ts';
import { expandHome } from './expand-home.ts';
import { openHost } from './host/open-host.ts';
import { listBackends } from './list-backends.ts';
import { memory } from './memory.ts';
import { readModel } from './read-model.ts';

export const nodePlatform: Platform = {
  name: 'node',
  clock: nodeClock,
  memory,
  env: process.env,
  readConfigFile: () => readConfigFile(process.cwd()),
  digest,
  readModel,
  openHost,
  // What only persistent tiers need comes with them.
  async openStore(name) {
    const { openSqliteStore } = await import('./store/open-sqlite-store.ts');
    return openSqliteStore({ path: expandHome(name === '' ? '~/.epochly/answers.sqlite' : name) });
  },
  async openRemoteStore(url) {
    const { openRedisStore } = await import('./redis/open-redis-store.ts');
    return openRedisStore({ url });
  },
  async openKeyring(source) {
    const { openKeyring } = await import('./keyring/open-keyring.ts');
    return openKeyring(source.kind === 'file' ? { ...source, path: expandHome(source.path) } : source, process.env);
  },
  listBackends,
  runWithContext,
  currentContext,
  waitUntil(work) {
    work.catch(() => undefined);
  },
};
