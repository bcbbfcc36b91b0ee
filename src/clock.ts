/** @module Time, from web standards that browsers, their workers, Node, Deno and Bun share. */

import type { Clock } from './platform.ts';

/** Node's ports keep the process alive, unless they are told not to. */
type Port = InstanceType<typeof MessageChannel>['port1'] & { ref?(): void; unref?(): void };

/** A timer that is to wait longer fires at once: its time is a signed number of 32 bits. */
const LONGEST_MS = 2 ** 31 - 1;

/** Posts to itself: the next turn of the event loop, which a timer would put off by milliseconds. */
let channel: { readonly port1: Port; readonly port2: Port } | undefined;
const due: (() => void)[] = [];

export const systemClock: Clock = {
  now: () => performance.now(),
  epochNow: () => Date.now(),
  after(delayMs, task, keepsAlive = false) {
    let timer: ReturnType<typeof setTimeout>;
    const wait = (leftMs: number): void => {
      const next = (): void => (leftMs > LONGEST_MS ? wait(leftMs - LONGEST_MS) : task());
      timer = setTimeout(next, Math.min(leftMs, LONGEST_MS));
      // Node's timers do as well; elsewhere they are numbers.
      if (!keepsAlive) (timer as { unref?(): void }).unref?.();
    };
    wait(delayMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  soon(task) {
    if (channel === undefined) {
      channel = new MessageChannel();
      channel.port1.addEventListener('message', () => {
        if (due.length === 1) channel?.port1.unref?.();
        due.shift()?.();
      });
      channel.port1.start();
    }
    channel.port1.ref?.();
    due.push(task);
    channel.port2.postMessage(undefined);
  },
};
