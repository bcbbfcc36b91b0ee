/**
 * @module How a thread ends before its process does. Node stops the threads of a process that ends wherever they are; one
 * that comes back from native code then can do nothing but abort the whole process, with SIGABRT and no exit code of its
 * own. So a thread is asked to end by itself, which it does between two runs, and is waited for.
 */

import type { Worker } from 'node:worker_threads';

/** The message that asks for it. */
const END = { type: 'end' } as const;

export function isEnd(message: unknown): boolean {
  return (message as { readonly type?: unknown }).type === END.type;
}

/** The memory that says of a thread whether it has ended. */
export type EndFlag = Int32Array<SharedArrayBuffer>;

export function createEndFlag(): EndFlag {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** In the thread: says that it has ended, whatever ended it. */
export function raiseAtExit(flag: EndFlag): void {
  process.on('exit', () => {
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
  });
}

export function askToEnd(thread: Worker): void {
  thread.postMessage(END, []);
}

/** Blocks this thread until the other has ended: no longer than Node would, which joins its threads. */
export function waitForEnd(flag: EndFlag): void {
  Atomics.wait(flag, 0, 0);
}
