/** @module What makes a module a host file: it serves a runtime over a port, and by itself where it is a worker. */

import type { Runtime } from '../../../../src/host/runtime.ts';
import { serveHost } from '../../../../src/host/serve.ts';
import { sayReady } from '../place.ts';
import { watchWasmMemory } from '../wasm-memory.ts';
import type { HostPlace } from '../place.ts';
import type { HostFileModule } from '../inline-channel.ts';

/** The side of a MessagePort, or of a worker's global scope, that messages go through. */
interface MessageSide {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void, options?: { once: boolean }): void;
  start?(): void;
}

/**
 * Returns the file's `connect`. In a dedicated worker the file connects itself: it says that it is ready, and takes the
 * first message for where it is.
 */
export function hostFile(loadRuntime: (place: HostPlace) => Promise<Runtime>): HostFileModule['connect'] {
  const scope = workerScope();
  // A page's own thread is others' as well.
  const readMemory = scope && watchWasmMemory();
  const connect = (side: MessageSide, place: HostPlace): void => {
    serveHost(
      {
        post: (message, transfer = []) => side.postMessage(message, transfer as Transferable[]),
        onMessage: (listener) => {
          side.addEventListener('message', (event) => listener(event.data));
          side.start?.();
        },
      },
      () => loadRuntime(place),
      readMemory,
    );
  };
  if (scope !== undefined) {
    scope.addEventListener('message', (event) => connect(scope, event.data as HostPlace), { once: true });
    sayReady((message) => scope.postMessage(message, []));
  }
  return connect;
}

/** The global scope of a dedicated worker, unless it is a thread that a WebAssembly runtime opened from this same file. */
function workerScope(): MessageSide | undefined {
  const scope = globalThis as typeof globalThis & {
    readonly DedicatedWorkerGlobalScope?: new () => unknown;
    readonly name?: string;
  };
  const isWorker = scope.DedicatedWorkerGlobalScope !== undefined && scope instanceof scope.DedicatedWorkerGlobalScope;
  return isWorker && !scope.name?.startsWith('em-pthread') ? (scope as unknown as MessageSide) : undefined;
}
