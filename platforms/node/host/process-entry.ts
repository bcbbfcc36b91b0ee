/** @module What runs in a host's child process. */

import type { HostFramework } from '../../../src/host/channel.ts';
import { serveHost } from '../../../src/host/serve.ts';
import { loadRuntime } from './load-runtime.ts';

const framework = process.argv[2] as HostFramework;

// A parent that is gone needs no answers, also where that shows only as one is sent.
const leave = (): never => process.exit(0);
process.on('disconnect', leave);

serveHost(
  {
    post: (message) => void process.send?.(message, undefined, undefined, (error) => error !== null && leave()),
    onMessage: (listener) => process.on('message', listener),
  },
  () => loadRuntime(framework),
  () => process.memoryUsage.rss(),
);
