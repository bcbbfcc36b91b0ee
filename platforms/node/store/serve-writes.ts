/** @module The writing end of a store: performs what it is asked in turn, and answers. */

import { UnusableFileError } from './writer.ts';
import type { Writer } from './writer.ts';
import type { Outcome, StoreTask, WritePort, WriteRequest } from './write-protocol.ts';

export function serveWrites(port: WritePort, writer: Writer): void {
  /** What waits for the file to be opened; undefined while it is open. */
  let waiting: (readonly StoreTask[])[] | undefined = [];

  function perform(tasks: readonly StoreTask[]): void {
    if (waiting !== undefined) {
      waiting.push(tasks);
      return;
    }
    const { identity } = writer;
    try {
      const outcomes = writer.perform(tasks);
      port.post({ type: 'performed', outcomes }, valuesOf(outcomes));
      writer.keepUp();
    } catch (error) {
      if (!(error instanceof UnusableFileError)) throw error;
      waiting = [tasks];
      port.post({ type: 'unusable', identity, damaged: error.damaged });
    }
  }

  function open(task: () => string | undefined): void {
    const tasks = waiting ?? [];
    waiting = [];
    try {
      const warning = task();
      port.post({ type: 'opened', identity: writer.identity, warning });
    } catch (error) {
      // Nothing more will be asked for than to close.
      return port.post({ type: 'failed', reason: (error as Error).message });
    }
    waiting = undefined;
    tasks.forEach(perform);
  }

  port.onMessage((request: WriteRequest) => {
    switch (request.type) {
      case 'perform':
        return perform(request.tasks);
      case 'reopen':
        return open(() => writer.reopen(request.identity, request.damaged));
      case 'close':
        writer.close();
        port.post({ type: 'closed' });
        return port.close();
    }
  });
  open(() => writer.open());
}

/** What was read or kept for a task is the asker's own. */
function valuesOf(outcomes: readonly Outcome[]): readonly ArrayBuffer[] {
  return outcomes.flatMap((outcome) =>
    'value' in outcome && ArrayBuffer.isView(outcome.value) ? [outcome.value.buffer as ArrayBuffer] : [],
  );
}
