/** @module What is done when a page may be about to end. */

/**
 * Calls `finish` whenever the page is hidden: that may be the last a page is told before it ends, and what was handed to
 * IndexedDB by then is written. In a worker, which is told nothing, this does nothing.
 *
 * @see https://developer.mozilla.org/docs/Web/API/Document/visibilitychange_event
 */
export function onEnding(finish: () => Promise<void>): Disposable {
  if (typeof document === 'undefined') return { [Symbol.dispose]: () => undefined };
  const ending = new AbortController();
  const { signal } = ending;
  const listener = (): void => void finish().catch(() => undefined);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && listener(), { signal });
  // Safari does not tell that a page is hidden when it is left.
  addEventListener('pagehide', listener, { signal });
  return { [Symbol.dispose]: () => ending.abort() };
}
