/** @module The channel to a host in a Web Worker. */

import { abortReason } from '../../../src/errors.ts';
import type { HostChannel } from '../../../src/host/channel.ts';
import { isReady, placeOf } from './place.ts';

/** A script that loads but never says that it is ready is not one of ours. */
const READY_WITHIN_MS = 60_000;

/**
 * Opens a module worker and resolves when it is ready to take messages. A worker that cannot be loaded (404, a wrong MIME
 * type, a policy) says so by an error event without a message, or by throwing, or, to its creator, not at all.
 */
export async function openWorker(
  url: string,
  assets: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
  release?: () => void,
): Promise<HostChannel> {
  const worker = new Worker(url, { type: 'module', name: 'epochly-host' });
  try {
    await ready(worker, url, signal);
  } catch (error) {
    worker.terminate();
    throw error;
  }
  const channel = new WorkerChannel(worker, release);
  channel.post(placeOf(assets));
  return channel;
}

function ready(worker: Worker, url: string, signal: AbortSignal | undefined): Promise<void> {
  const done = new AbortController();
  const until = { signal: done.signal };
  return new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`${url} did not start within ${READY_WITHIN_MS / 1000} s`)),
      READY_WITHIN_MS,
    );
    done.signal.addEventListener('abort', () => clearTimeout(timer));
    signal?.addEventListener('abort', () => reject(abortReason(signal)), until);
    worker.addEventListener('message', (event) => isReady(event.data) && resolve(), until);
    worker.addEventListener(
      'error',
      (event) => {
        event.preventDefault();
        reject(
          new Error(event.message || `${url} could not be loaded (missing, not JavaScript, or forbidden by a policy)`),
        );
      },
      until,
    );
    globalThis.document?.addEventListener(
      'securitypolicyviolation',
      (event) => {
        if (event.disposition !== 'enforce' || !/^(worker|child|script|default)-src/.test(event.effectiveDirective))
          return;
        // The policy names the URL, or only its scheme; other violations of the page at this moment are not ours.
        if (event.blockedURI !== url && !(url.startsWith('blob:') && event.blockedURI === 'blob')) return;
        reject(new Error(`the content security policy forbids it (${event.effectiveDirective})`));
      },
      until,
    );
  }).finally(() => done.abort());
}

class WorkerChannel implements HostChannel {
  readonly kind = 'worker';
  readonly killable = true;
  readonly #worker: Worker;
  readonly #release: (() => void) | undefined;
  readonly #onExit: ((reason: string) => void)[] = [];
  #exited = false;

  constructor(worker: Worker, release: (() => void) | undefined) {
    this.#worker = worker;
    this.#release = release;
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      // An error that nothing in the host caught: what the runtime left behind cannot be trusted.
      this.#exit(event.message || 'The worker failed.');
    });
    worker.addEventListener('messageerror', () => this.#exit('A message of the worker could not be read.'));
  }

  post(message: unknown, transfer: readonly ArrayBuffer[] = []): void {
    if (!this.#exited) this.#worker.postMessage(message, transfer as Transferable[]);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#worker.addEventListener('message', (event) => {
      if (!this.#exited) listener(event.data);
    });
  }

  onExit(listener: (reason: string) => void): void {
    this.#onExit.push(listener);
  }

  terminate(): void {
    this.#exit('The worker was terminated.');
  }

  #exit(reason: string): void {
    if (this.#exited) return;
    this.#exited = true;
    this.#worker.terminate();
    this.#release?.();
    for (const listener of this.#onExit) listener(reason);
  }
}
