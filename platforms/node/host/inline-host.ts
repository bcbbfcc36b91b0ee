/** @module A host in place: no thread of its own, the same messages. */

import { MessageChannel } from 'node:worker_threads';
import type { HostChannel, HostFramework } from '../../../src/host/channel.ts';
import { serveHost } from '../../../src/host/serve.ts';
import { loadRuntime } from './load-runtime.ts';
import { CallCounter } from './call-counter.ts';
import type { HostRequest } from '../../../src/host/protocol.ts';

/** Blocks the thread while it runs. Its answers come as messages all the same, so that a host behaves alike everywhere. */
export function openInline(framework: HostFramework): HostChannel {
  const { port1, port2 } = new MessageChannel();
  serveHost(
    {
      post: (message, transfer = []) => port2.postMessage(message, [...transfer]),
      onMessage: (listener) => void port2.on('message', listener).unref(),
    },
    () => loadRuntime(framework),
  );
  const closed = new Promise<void>((resolve) => port1.once('close', () => resolve()));
  const calls = new CallCounter({ hold: () => port1.ref(), release: () => port1.unref() });
  return {
    kind: 'inline',
    killable: false,
    post(message, transfer = []) {
      port1.postMessage(message, [...transfer]);
      calls.sent(message as HostRequest);
    },
    onMessage(listener) {
      port1.on('message', (message: unknown) => {
        calls.answered();
        listener(message);
      });
      port1.unref();
    },
    onExit(listener) {
      void closed.then(() => listener('it was closed.'));
    },
    terminate() {
      port1.close();
      return closed;
    },
  };
}
