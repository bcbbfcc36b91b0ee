/** @module What runs in the thread that writes for a store. */

import { parentPort, workerData } from 'node:worker_threads';
import { nodeClock } from '../clock.ts';
import { serveWrites } from './serve-writes.ts';
import { loadSqlite } from './sqlite.ts';
import { Writer } from './writer.ts';
import type { WriteThreadData } from './write-place.ts';

const port = parentPort;
if (port === null) throw new Error('This module is the entry of a worker thread.');
const { driver, path } = workerData as WriteThreadData;

serveWrites(
  {
    post: (reply, transfer = []) => port.postMessage(reply, [...transfer]),
    onMessage: (listener) => void port.on('message', listener),
    close: () => port.close(),
  },
  new Writer({ sqlite: loadSqlite(driver), path, clock: nodeClock }),
);
