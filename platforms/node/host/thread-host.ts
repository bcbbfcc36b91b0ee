/** @module A host in a worker thread: the fastest; not to be terminated while it runs native code. */

import { Worker } from 'node:worker_threads';
import type { HostChannel, HostFramework } from '../../../src/host/channel.ts';
import type { HostRequest } from '../../../src/host/protocol.ts';
import { CallCounter } from './call-counter.ts';
import { entryFile } from './entry-file.ts';
import { endWithProcess } from './process-end.ts';
import { askToEnd, createEndFlag, waitForEnd } from './thread-end.ts';
import type { EndFlag } from './thread-end.ts';

/** What a thread is given to begin with. */
export interface ThreadData {
  readonly framework: HostFramework;
  readonly ended: EndFlag;
}

/**
 * Opens a thread. It keeps the process alive until its first answer, and then only while it has something to answer.
 * Terminating a thread during a native onnxruntime run aborts the whole process: `killable` is false, who holds the
 * channel ends it only when it has answered everything, and a process that ends waits for the run that it is at.
 */
export async function openThread(framework: HostFramework): Promise<HostChannel> {
  const entry = entryFile(new URL(/* webpackIgnore: true */ './thread-entry.js', import.meta.url));
  const ended = createEndFlag();
  const worker = new Worker(entry, {
    workerData: { framework, ended } satisfies ThreadData,
    name: `epochly ${framework}`,
    // Flags of the process (`--input-type`, a test runner's loader) are not the thread's.
    execArgv: [],
  });
  await new Promise<void>((resolve, reject) => {
    worker.once('online', resolve);
    worker.once('error', reject);
  });
  const calls = new CallCounter({ hold: () => worker.ref(), release: () => worker.unref() });
  const ending = endWithProcess({
    begin: () => {
      if (calls.isOwed) askToEnd(worker);
    },
    finish: () => {
      if (calls.isOwed) waitForEnd(ended);
    },
  });
  worker.once('exit', () => ending[Symbol.dispose]());
  return {
    kind: 'worker',
    killable: false,
    post(message, transfer = []) {
      worker.postMessage(message, [...transfer]);
      calls.sent(message as HostRequest);
    },
    onMessage(listener) {
      worker.on('message', (message: unknown) => {
        calls.answered();
        listener(message);
      });
    },
    onExit(listener) {
      let failure: Error | undefined;
      worker.on('error', (error) => (failure = error));
      worker.once('exit', (code) =>
        listener(
          failure === undefined ? `its thread ended (exit code ${code}).` : `its thread failed: ${failure.message}.`,
        ),
      );
    },
    terminate: async () => void (await worker.terminate()),
  };
}
