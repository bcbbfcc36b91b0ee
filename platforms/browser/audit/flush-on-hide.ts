/** @module Writes what waits when a page may be about to end. */

/**
 * Flushes the log whenever the page is hidden: that may be the last a page is told before it ends, and what was handed to
 * IndexedDB by then is written. In a worker, which is told nothing, this does nothing. Disposing of the result ends it.
 *
 * @see https://developer.mozilla.org/docs/Web/API/Document/visibilitychange_event
 */
export function flushOnHide(log: { flush(): Promise<void> }): Disposable {
  if (typeof document === 'undefined') return { [Symbol.dispose]: () => undefined };
  const ending = new AbortController();
  const { signal } = ending;
  // A log that cannot be flushed counts that itself.
  const flush = (): void => void log.flush().catch(() => undefined);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && flush(), { signal });
  // Safari does not tell that a page is hidden when it is left.
  addEventListener('pagehide', flush, { signal });
  return { [Symbol.dispose]: () => ending.abort() };
}
