/** @module A host in a child process: may be killed at any time, and takes nothing with it when it crashes. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { HostError } from '../../../src/model-errors.ts';
import type { HostChannel, HostFramework } from '../../../src/host/channel.ts';
import type { HostRequest } from '../../../src/host/protocol.ts';
import { CallCounter } from './call-counter.ts';
import { entryFile } from './entry-file.ts';
import { endWithProcess } from './process-end.ts';

/**
 * Opens a child process. It ends with its parent, in the middle of a run or, where the parent was killed, after it; like a
 * thread it keeps it alive only while it owes it an answer. What a quiet one prints is nobody's to see.
 */
export async function openProcess(
  framework: HostFramework,
  { quiet = false }: { readonly quiet?: boolean } = {},
): Promise<HostChannel> {
  const entry = entryFile(new URL(/* webpackIgnore: true */ './process-entry.js', import.meta.url));
  const output = quiet ? 'ignore' : 'inherit';
  const child = fork(entry, [framework], {
    // Structured clones, so that typed arrays and bigints arrive as they are.
    serialization: 'advanced',
    stdio: ['ignore', output, output, 'ipc'],
    // Flags of the parent (a debugger's port, a test runner's loader) are not the child's.
    execArgv: [],
  });
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw new HostError(`No child process could be started: ${(cause as Error).message}`, { cause });
  }
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `its process ended (exit code ${code}).` : `its process was ended by ${signal}.`),
    );
  });
  const ending = endWithProcess({ begin: () => child.kill('SIGKILL') });
  void exited.then(() => ending[Symbol.dispose]());
  // One that cannot be written to, or that hung up, will answer nothing more: it is made to be gone, which its exit tells.
  const giveUp = (): void => void child.kill('SIGKILL');
  child.on('disconnect', giveUp);
  // A signal that cannot be sent: there is nothing more to be done about it.
  child.on('error', () => undefined);
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
  return {
    kind: 'process',
    killable: true,
    post(message) {
      try {
        if (child.connected) child.send(message as object, (error) => error !== null && giveUp());
      } catch (cause) {
        // The serialiser of child processes throws a plain Error.
        throw Object.assign(new DOMException((cause as Error).message, 'DataCloneError'), { cause });
      }
      // Also where it was not sent: what is owed keeps this process alive until the child's end is known.
      calls.sent(message as HostRequest);
    },
    onMessage(listener) {
      child.on('message', (message) => {
        calls.answered();
        listener(message);
      });
    },
    onExit(listener) {
      void exited.then(listener);
    },
    async terminate() {
      child.ref();
      child.kill('SIGKILL');
      await exited;
    },
  };
}
