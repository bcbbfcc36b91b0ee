/** @module The channel to a host in place: same thread, same messages. */

import type { HostChannel } from '../../../src/host/channel.ts';
import type { HostFileUrls } from './host-files.ts';
import type { HostPlace } from './place.ts';

/** What a host file exports. */
export interface HostFileModule {
  connect(port: MessagePort, place: HostPlace): void;
}

/** Imports the host file into the page. Its answers come as messages all the same, so a host behaves alike everywhere. */
export async function openInline(urls: HostFileUrls, warning: string | undefined): Promise<HostChannel> {
  const file = (await import(/* webpackIgnore: true */ /* @vite-ignore */ urls.script)) as HostFileModule;
  const { port1, port2 } = new MessageChannel();
  // One thread: waiting for others is not allowed on a page's own, and where no worker opens there are none.
  file.connect(port2, { assets: urls.assets, threads: 1 });
  return new InlineChannel(port1, warning);
}

class InlineChannel implements HostChannel {
  readonly kind = 'inline';
  readonly killable = false;
  readonly warning?: string;
  readonly #port: MessagePort;
  readonly #onExit: ((reason: string) => void)[] = [];
  #exited = false;

  constructor(port: MessagePort, warning: string | undefined) {
    this.#port = port;
    if (warning !== undefined) this.warning = warning;
  }

  post(message: unknown, transfer: readonly ArrayBuffer[] = []): void {
    if (!this.#exited) this.#port.postMessage(message, transfer as Transferable[]);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#port.addEventListener('message', (event) => {
      if (!this.#exited) listener(event.data);
    });
    this.#port.start();
  }

  onExit(listener: (reason: string) => void): void {
    this.#onExit.push(listener);
  }

  terminate(): void {
    if (this.#exited) return;
    this.#exited = true;
    this.#port.close();
    for (const listener of this.#onExit) listener('The host was closed.');
  }
}
