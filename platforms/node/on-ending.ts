/** @module What is done before a process ends by itself. */

/**
 * Calls `finish` when nothing is left to do, and lets the process end once that settled. A process that is told to end, by
 * `process.exit()` or a signal, is not held up: whoever wants all to be written closes before.
 *
 * @see https://nodejs.org/api/process.html#event-beforeexit
 */
export function onEnding(finish: () => Promise<void>): Disposable {
  // Once: work that is begun here makes Node ask again.
  const listener = (): void => void finish().catch(() => undefined);
  process.once('beforeExit', listener);
  return { [Symbol.dispose]: () => void process.off('beforeExit', listener) };
}
