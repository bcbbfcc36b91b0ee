/** @module Another host in the place of one that leaks: when, and what becomes of the old one. */

import type { LeakWatch } from '../leak-watch.ts';
import type { HostClient } from './host-client.ts';

/** Calls `onLeak` with the bytes that its memory grew by, where it is to be replaced. */
export function watchLeaks(
  client: HostClient,
  watch: Pick<LeakWatch, 'add'>,
  onLeak: (grownBytes: number) => void,
): void {
  client.onTurn(({ memoryBytes }) => {
    const grownBytes = memoryBytes === undefined ? undefined : watch.add(memoryBytes);
    if (grownBytes !== undefined) onLeak(grownBytes);
  });
}

/** Once it has answered all that it was asked, or is gone. */
export function onceIdle(client: HostClient): Promise<void> {
  if (client.isIdle) return Promise.resolve();
  return new Promise((resolve) => {
    const subscriptions = [
      client.onTurn(() => {
        if (client.isIdle) done();
      }),
      client.onFailed(() => done()),
    ];
    const done = (): void => {
      for (const each of subscriptions) each[Symbol.dispose]();
      resolve();
    };
  });
}
