/** @module Where a store's writing is done: in a thread of its own, or here where none can be had. */

import { Worker } from 'node:worker_threads';
import type { Clock } from '../../../src/platform.ts';
import { entryFile } from '../host/entry-file.ts';
import { serveWrites } from './serve-writes.ts';
import type { SqliteDriver } from './sqlite.ts';
import type { WriteReply, WriteRequest } from './write-protocol.ts';
import type { Writer } from './writer.ts';

/** The asking end. Messages arrive in their order; nothing arrives before the turn in which it was opened is over. */
export interface WritePlace {
  /** Whether writing holds up the thread that asks. */
  readonly holdsUp: boolean;
  post(request: WriteRequest, transfer?: readonly ArrayBuffer[]): void;
  onReply(listener: (reply: WriteReply) => void): void;
  /** Keeps the process alive until it was released as often. */
  hold(): void;
  release(): void;
  /** Resolves when it is gone, with the reason where it was not told to close. */
  readonly ended: Promise<string | undefined>;
}

export interface WriteThreadData {
  readonly driver: SqliteDriver;
  readonly path: string;
}

/** Keeps the process alive while it is held, and until it was released once. @throws HostError where the file of the thread is missing. */
export function openWriteThread(workerData: WriteThreadData): WritePlace {
  const entry = entryFile(new URL(/* webpackIgnore: true */ './write-thread-entry.js', import.meta.url));
  // Flags of the process (`--input-type`, a test runner's loader) are not the thread's.
  const worker = new Worker(entry, { workerData, name: 'epochly store', execArgv: [] });
  let holds = 0;
  let closed = false;
  let failure: Error | undefined;
  worker.on('error', (error) => (failure = error));
  worker.on('message', ({ type }: WriteReply) => (closed ||= type === 'closed'));
  return {
    holdsUp: false,
    post: (request, transfer = []) => worker.postMessage(request, [...transfer]),
    onReply: (listener) => void worker.on('message', listener),
    hold() {
      if (holds++ === 0) worker.ref();
    },
    release() {
      if (--holds === 0) worker.unref();
    },
    ended: new Promise((resolve) => {
      worker.once('exit', (code) =>
        resolve(closed ? undefined : `Its thread ended: ${failure?.message ?? `exit code ${code}`}.`),
      );
    }),
  };
}

export function openWritesHere(writer: Writer, clock: Clock): WritePlace {
  let ask: (request: WriteRequest) => void = () => undefined;
  let answer: (reply: WriteReply) => void = () => undefined;
  let end: () => void;
  const ended = new Promise<undefined>((resolve) => (end = () => resolve(undefined)));
  const port = {
    post: (reply: WriteReply) => answer(reply),
    onMessage: (listener: typeof ask) => void (ask = listener),
    close: () => end(),
  };
  clock.soon(() => serveWrites(port, writer));
  return {
    holdsUp: true,
    post: (request) => clock.soon(() => ask(request)),
    onReply: (listener) => void (answer = listener),
    // What is due in the next turn keeps the process alive by itself.
    hold: () => undefined,
    release: () => undefined,
    ended,
  };
}
