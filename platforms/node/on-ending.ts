/** @module What is done before a process ends by itself. */

/** One listener of the process for all: Node warns of more than ten. */
const finishers = new Set<() => Promise<void>>();

/**
 * Calls `finish` when nothing is left to do, and lets the process end once that settled. A process that is told to end, by
 * `process.exit()` or a signal, is not held up: whoever wants all to be written closes before.
 *
 * @see https://nodejs.org/api/process.html#event-beforeexit
 */
export function onEnding(finish: () => Promise<void>): Disposable {
  // One of its own, for the same may be given twice.
  const finisher = (): Promise<void> => finish();
  if (finishers.size === 0) process.on('beforeExit', finishAll);
  finishers.add(finisher);
  return { [Symbol.dispose]: () => leave(finisher) };
}

function finishAll(): void {
  const due = [...finishers];
  for (const finisher of due) {
    // Once: work that is begun here makes Node ask again.
    leave(finisher);
    void finisher().catch(() => undefined);
  }
}

function leave(finisher: () => Promise<void>): void {
  if (finishers.delete(finisher) && finishers.size === 0) process.off('beforeExit', finishAll);
}
