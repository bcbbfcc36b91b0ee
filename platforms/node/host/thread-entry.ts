/** @module What runs in a host's worker thread. */

import { parentPort, workerData } from 'node:worker_threads';
import type { HostFramework } from '../../../src/host/channel.ts';
import { serveHost } from '../../../src/host/serve.ts';
import { loadRuntime } from './load-runtime.ts';

const port = parentPort;
if (port === null) throw new Error('This module is the entry of a worker thread.');

serveHost(
  {
    post: (message, transfer = []) => port.postMessage(message, [...transfer]),
    onMessage: (listener) => port.on('message', listener),
  },
  () => loadRuntime((workerData as { readonly framework: HostFramework }).framework),
);
