/** @module Keeps a process alive for as long as a host owes it an answer. */

import type { HostRequest } from '../../../src/host/protocol.ts';

export class CallCounter {
  readonly #hold: () => void;
  readonly #release: () => void;
  #owed = 0;

  constructor({ hold, release }: { readonly hold: () => void; readonly release: () => void }) {
    this.#hold = hold;
    this.#release = release;
  }

  get isOwed(): boolean {
    return this.#owed > 0;
  }

  /** Every request but a cancellation is answered once. */
  sent(request: HostRequest): void {
    if (request.type !== 'cancel' && this.#owed++ === 0) this.#hold();
  }

  answered(): void {
    if (--this.#owed === 0) this.#release();
  }
}
