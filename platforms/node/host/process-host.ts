/** @module A host in a child process: may be killed at any time, and takes nothing with it when it crashes. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { HostError } from '../../../src/model-errors.ts';
import type { HostChannel, HostFramework } from '../../../src/host/channel.ts';
import type { HostRequest } from '../../../src/host/protocol.ts';
import { CallCounter } from './call-counter.ts';
import { entryFile } from './entry-file.ts';

/** Opens a child process. It ends with its parent, and like a thread keeps it alive only while it owes it an answer. */
export async function openProcess(framework: HostFramework): Promise<HostChannel> {
  const entry = entryFile(new URL(/* webpackIgnore: true */ './process-entry.js', import.meta.url));
  const child = fork(entry, [framework], {
    // Structured clones, so that typed arrays and bigints arrive as they are.
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Flags of the parent (a debugger's port, a test runner's loader) are not the child's.
    execArgv: [],
  });
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw new HostError(`No child process could be started: ${(cause as Error).message}`, { cause });
  }
  const exited = once(child, 'exit') as Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  const calls = new CallCounter({
    hold: () => {
      child.ref();
      child.channel?.ref();
    },
    release: () => {
      child.unref();
      child.channel?.unref();
    },
  });
  // Writing to a child that is about to exit fails; its exit says so.
  child.on('error', () => undefined);
  return {
    kind: 'process',
    killable: true,
    post(message) {
      if (!child.connected) return;
      try {
        child.send(message as object);
      } catch (cause) {
        // The serialiser of child processes throws a plain Error.
        throw Object.assign(new DOMException((cause as Error).message, 'DataCloneError'), { cause });
      }
      calls.sent(message as HostRequest);
    },
    onMessage(listener) {
      child.on('message', (message) => {
        calls.answered();
        listener(message);
      });
    },
    onExit(listener) {
      void exited.then(([code, signal]) =>
        listener(signal === null ? `its process ended (exit code ${code}).` : `its process was ended by ${signal}.`),
      );
    },
    async terminate() {
      child.ref();
      child.kill('SIGKILL');
      await exited;
    },
  };
}
