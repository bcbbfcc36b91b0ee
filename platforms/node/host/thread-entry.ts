/** @module What runs in a host's worker thread. */

import { getHeapStatistics } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { serveHost } from '../../../src/host/serve.ts';
import { loadRuntime } from './load-runtime.ts';
import { isEnd, raiseAtExit } from './thread-end.ts';
import type { ThreadData } from './thread-host.ts';

const port = parentPort;
if (port === null) throw new Error('This module is the entry of a worker thread.');
const { framework, ended } = workerData as ThreadData;
raiseAtExit(ended);

serveHost(
  {
    post: (message, transfer = []) => port.postMessage(message, [...transfer]),
    onMessage: (listener) =>
      port.on('message', (message) => {
        // Runs are native calls of one turn each: here none is under way.
        if (isEnd(message)) process.exit();
        listener(message);
      }),
  },
  () => loadRuntime(framework),
  // Of a process's memory this much is the thread's own. What native code took in it, nobody can tell from others'.
  () => {
    const { used_heap_size: heapBytes, external_memory: externalBytes } = getHeapStatistics();
    return heapBytes + externalBytes;
  },
);
