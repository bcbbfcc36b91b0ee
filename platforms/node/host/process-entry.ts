/** @module What runs in a host's child process. */

import type { HostFramework } from '../../../src/host/channel.ts';
import { serveHost } from '../../../src/host/serve.ts';
import { loadRuntime } from './load-runtime.ts';

const framework = process.argv[2] as HostFramework;

// A parent that is gone needs no answers.
process.on('disconnect', () => process.exit(0));

serveHost(
  {
    post: (message) => void process.send?.(message),
    onMessage: (listener) => process.on('message', listener),
  },
  () => loadRuntime(framework),
);
