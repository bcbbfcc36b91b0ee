/** @module The outside of a host: asks, waits, and knows when nobody will answer any more. */

import { abortReason } from '../errors.ts';
import { HostError } from '../model-errors.ts';
import { Emitter } from '../events.ts';
import type { HostChannel } from './channel.ts';
import { reviveError } from './protocol.ts';
import type { HostOperation, HostOperations, HostReply } from './protocol.ts';

interface Pending {
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** In place of a signal, where one is not worth its making: takes what to call when the caller leaves. */
  readonly onLeave?: ((listener: (reason: unknown) => void) => void) | undefined;
  readonly transfer?: readonly ArrayBuffer[] | undefined;
}

/** The host turned to the next request, or the caller of one has left. */
export interface HostTurn {
  /** Milliseconds that the run took in the host which it has answered, if that is what it did. */
  readonly ranMs?: number | undefined;
  /** Bytes of the host's memory, where it said. */
  readonly memoryBytes?: number | undefined;
}

const times = new WeakMap<object, number>();

/** Milliseconds that the host took for an answer, the way there and back left out; undefined of anything else. */
export function timeInHost(answer: unknown): number | undefined {
  return typeof answer === 'object' && answer !== null ? times.get(answer) : undefined;
}

/** What `timeInHost` knows of an answer, for what was made of it. */
export function copyTime(answer: unknown, made: unknown): void {
  const tookMs = timeInHost(answer);
  if (tookMs !== undefined && typeof made === 'object' && made !== null) times.set(made, tookMs);
}

export class HostClient {
  readonly channel: HostChannel;
  /** Fires once, when the host is gone or given up. */
  readonly onFailed: Emitter<HostError>['event'];
  readonly onTurn: Emitter<HostTurn>['event'];
  readonly #turns = new Emitter<HostTurn>();
  readonly #failures = new Emitter<HostError>();
  /** Requests whose callers wait for an answer. */
  readonly #pending = new Map<number, Pending>();
  /** Requests that the host has not answered, their callers waiting or not, in their order: it is at the first. */
  readonly #unanswered = new Map<number, HostOperation>();
  #lastId = 0;
  #failure: HostError | undefined;
  #onIdle: (() => void) | undefined;
  #retired: Promise<void> | undefined;

  constructor(channel: HostChannel) {
    this.channel = channel;
    this.onFailed = this.#failures.event;
    this.onTurn = this.#turns.event;
    channel.onMessage((message) => this.#receive(message as HostReply));
    channel.onExit((reason) => {
      // It owes nobody an answer any more: nothing is to be waited for before it is ended.
      this.#unanswered.clear();
      this.#onIdle?.();
      this.fail(new HostError(`The model's host is gone: ${reason} It is being replaced.`));
    });
  }

  /** The request that the host is at, where its caller has left; undefined where it waits, or the host is idle. */
  get abandoned(): number | undefined {
    const [current] = this.#unanswered.keys();
    return current === undefined || this.#pending.has(current) ? undefined : current;
  }

  /** Whether it was neither given up nor ended. */
  get isUsable(): boolean {
    return this.#failure === undefined && this.#retired === undefined;
  }

  get isIdle(): boolean {
    return this.#unanswered.size === 0;
  }

  /** @throws what the host answers with, the reason of the signal as soon as it aborts, HostError where the host fails. */
  request<O extends HostOperation>(
    type: O,
    body: HostOperations[O]['body'],
    { signal, onLeave, transfer }: RequestOptions = {},
  ): Promise<HostOperations[O]['answer']> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (signal?.aborted === true) return Promise.reject(abortReason(signal));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const leave = (reason: unknown): void => {
        if (!this.#pending.delete(id)) return;
        this.channel.post({ type: 'cancel', id });
        this.#turns.emit({});
        reject(reason);
      };
      const onAbort = (): void => leave(abortReason(signal as AbortSignal));
      const stopListening = (): void => signal?.removeEventListener('abort', onAbort);
      this.channel.post({ type, id, body }, transfer);
      this.#unanswered.set(id, type);
      this.#pending.set(id, {
        resolve: (answer) => {
          stopListening();
          resolve(answer as HostOperations[O]['answer']);
        },
        reject: (error) => {
          stopListening();
          reject(error);
        },
      });
      signal?.addEventListener('abort', onAbort);
      onLeave?.(leave);
    });
  }

  /** Gives the host up: whoever waits is rejected, and it is ended as soon as that is safe. */
  fail(error: HostError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const each of this.#pending.values()) each.reject(error);
    this.#pending.clear();
    this.#failures.emit(error);
    void this.retire();
  }

  /** Ends the host; one that must not be ended while it runs, once it has run. */
  retire(): Promise<void> {
    return (this.#retired ??= this.#end());
  }

  async #end(): Promise<void> {
    if (!this.channel.killable && !this.isIdle) await this.#idle();
    await this.channel.terminate();
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => (this.#onIdle = resolve));
  }

  #receive(reply: HostReply): void {
    const type = this.#unanswered.get(reply.id);
    this.#unanswered.delete(reply.id);
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ('error' in reply) {
      pending?.reject(reviveError(reply.error));
    } else {
      const { answer, tookMs } = reply;
      if (tookMs !== undefined && typeof answer === 'object' && answer !== null) times.set(answer, tookMs);
      pending?.resolve(answer);
    }
    this.#turns.emit(
      'answer' in reply ? { ranMs: type === 'run' ? reply.tookMs : undefined, memoryBytes: reply.memoryBytes } : {},
    );
    if (this.isIdle) this.#onIdle?.();
  }
}
