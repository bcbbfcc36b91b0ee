/** @module A client of Redis, asked with a time-out, and its errors said in the store's words. */

import { backoffMs } from '../../../src/backoff.ts';
import { Deadlines } from '../../../src/cache/deadlines.ts';
import { StoreError, StoreTimeoutError, StoreUnavailableError } from '../../../src/cache/store-errors.ts';
import { EpochlyError } from '../../../src/errors.ts';
import type { Clock } from '../../../src/platform.ts';
import { hashSlotOf } from './hash-slot.ts';
import { keepNobodyAlive } from './keep-nobody-alive.ts';
import type { RedisClient, RedisCommand, RedisNode } from './redis-client.ts';

/** After so long without a word the system asks whether the other side is still there. */
export const KEEP_ALIVE_MS = 10_000;
/** So long it may take a server to hear that a connection ends. */
export const DISCONNECT_TIMEOUT_MS = 100;
/** Of the longest waits: a client of a Sentinel that is away keeps the process alive for two seconds, which can end after them. */
const BACKOFF = { minMs: 50, maxMs: 5000 };
/** Of a timer that is there to keep the process alive, and not to fire. */
const LONG_MS = 2 ** 31 - 1;

export interface RedisConnectionOptions {
  /** Whether the client was made here, and is to be looked after and closed here. */
  readonly isOwn: boolean;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly random: () => number;
}

export class RedisConnection {
  readonly client: RedisClient;
  /** What the client itself puts before each name. */
  readonly keyPrefix: string;
  readonly #isOwn: boolean;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  /** Why there is no connection. */
  #lastError: Error | undefined;
  /** Whether this connection's database was refused: it would go on with database 0, which is another one's. */
  #isRefused = false;
  #isClosed = false;
  /** Answers that are waited for: only they keep the process alive. */
  #inFlight = 0;
  readonly #keeper = setInterval(() => undefined, LONG_MS).unref();
  /** What had come from a server when it was last suspected of being gone. */
  readonly #suspects = new WeakMap<RedisNode, { readonly bytesRead: number; readonly at: number }>();

  constructor(client: RedisClient, { isOwn, timeoutMs, clock, random }: RedisConnectionOptions) {
    this.client = client;
    this.keyPrefix = String(client.options.keyPrefix ?? '');
    this.#isOwn = isOwn;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#deadlines = new Deadlines(timeoutMs, clock);
    if (!isOwn) return;
    keepNobodyAlive(client);
    // Of an attempt to connect the first error says why it failed; others follow from it.
    let isFirst = true;
    client.on('connecting', () => {
      isFirst = true;
      this.#isRefused = false;
    });
    client.on('error', (error: Error) => {
      if (isFirst) this.#lastError = error;
      isFirst = false;
      // Before anything else can be sent. It is tried again: the server may become another one.
      if (!isOfSelect(error)) return;
      this.#isRefused = true;
      client.disconnect(true);
    });
    client.on('close', () => (this.#lastError ??= new Error('The connection was closed.')));
    client.on('ready', () => {
      if (this.#isRefused) return;
      this.#lastError = undefined;
      void this.#connectNodes();
    });
    let attempts = 0;
    client.on('ready', () => (attempts = 0));
    client.on('end', () => {
      // Where it gave up: it knew no Sentinel that answered.
      if (!this.#isClosed) clock.after(backoffMs(attempts++, { ...BACKOFF, random }), () => this.#connectAgain());
    });
    client.on('+node', () => {
      if (client.status === 'ready') void this.#connectNodes();
    });
  }

  /** Connects, or finds that it cannot: then it goes on trying. @throws StoreError where the server has no such database. */
  async open(): Promise<void> {
    const connected = this.client.connect().then(() => this.#connectNodes());
    await this.ask(connected).catch(() => undefined);
    const refusal = this.#refusal();
    if (refusal === undefined) return;
    this.close();
    throw refusal;
  }

  /** What Redis answers. @throws StoreTimeoutError, StoreUnavailableError, StoreError */
  ask<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => this.listen(answer, resolve, reject));
  }

  /** The same without a promise, for what is asked most. */
  listen<T>(answer: Promise<T>, onAnswer: (value: T) => void, onError: (error: Error) => void): void {
    if (this.#inFlight++ === 0) this.#keeper.ref();
    const wait = this.#deadlines.begin(() => {
      this.#end();
      onError(this.#explain(new StoreTimeoutError(this.#timeoutMs)));
    });
    answer.then(
      (value) => {
        if (!this.#deadlines.end(wait)) return;
        this.#end();
        onAnswer(value);
      },
      (error: Error) => {
        if (!this.#deadlines.end(wait)) return;
        this.#end();
        onError(this.#explain(error));
      },
    );
  }

  /** Commands on names of one slot, all or none of them. */
  async transact(commands: readonly RedisCommand[]): Promise<readonly unknown[]> {
    const results = await this.ask(this.client.multi(commands).exec());
    return results.map(([error, result]) => {
      if (error !== null) throw this.#explain(error);
      return result;
    });
  }

  /** What may go to Redis in one command or transaction: all that a server holds, or in a cluster a slot. */
  bySlot<T>(items: readonly T[], nameOf: (item: T) => string): readonly (readonly T[])[] {
    if (!this.client.isCluster) return items.length === 0 ? [] : [items];
    const slots = new Map<number, T[]>();
    for (const item of items) {
      const slot = hashSlotOf(this.keyPrefix + nameOf(item));
      const same = slots.get(slot);
      if (same === undefined) slots.set(slot, [item]);
      else same.push(item);
    }
    return [...slots.values()];
  }

  /** All servers that hold entries of their own. */
  async masters(): Promise<readonly RedisNode[]> {
    const { client } = this;
    if (!client.isCluster) return [client];
    // A cluster that is not connected has none yet: a command waits until it is, or says why not.
    if (client.status !== 'ready') await this.ask(client.call('exists', 'epochly'));
    return client.nodes('master');
  }

  /** One more connection, that does not connect again by itself; undefined where no server is known. */
  another(): RedisNode | undefined {
    const { client } = this;
    const nodes = client.isCluster ? client.nodes('master') : [client];
    const node = nodes[Math.floor(Math.random() * nodes.length)]?.duplicate({
      lazyConnect: true,
      keepAlive: KEEP_ALIVE_MS,
      disconnectTimeout: DISCONNECT_TIMEOUT_MS,
      retryStrategy: null,
      enableOfflineQueue: true,
      readOnly: false,
    });
    if (node !== undefined) keepNobodyAlive(node);
    return node;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#keeper);
    if (this.#isOwn) this.client.disconnect();
  }

  #connectAgain(): void {
    if (!this.#isClosed) this.client.connect().catch(() => undefined);
  }

  #end(): void {
    if (--this.#inFlight === 0) this.#keeper.unref();
  }

  /** A cluster connects to a server when it is first asked; what else is asked in that moment would be tried again, much later. */
  async #connectNodes(): Promise<void> {
    const masters = this.client.isCluster ? this.client.nodes('master') : [];
    const waiting = masters.filter(({ status }) => status === 'wait');
    await Promise.allSettled(waiting.map((node) => node.connect()));
  }

  #explain(error: Error): Error {
    if (error.name === 'ReplyError') {
      const [first = error] = (error as { readonly previousErrors?: readonly Error[] }).previousErrors ?? [];
      return new StoreError(`Redis refused: ${first.message}`, { cause: error });
    }
    this.#suspectAll();
    if (EpochlyError.isInstance(error)) return error;
    const cause = this.#lastError ?? error;
    // The connection tries again, where ioredis says of Sentinels that it does not.
    const message = cause.message.replace(' and retry is disabled', '');
    return this.#refusal() ?? new StoreUnavailableError(`Redis cannot be reached: ${message}`, { cause });
  }

  #refusal(): StoreError | undefined {
    const cause = this.#lastError;
    if (cause === undefined || !isOfSelect(cause) || SAID_TO_ALL.test(cause.message)) return undefined;
    const number = String(cause.command.args[0]);
    const message = `Redis does not let this client use its database ${number}: ${cause.message}. No other one is used in its place: name one that it has.`;
    return new StoreError(message, { cause });
  }

  /**
   * A server that went without closing its connection is waited for until the system gives up on it, which is a quarter of an
   * hour. So one that sent nothing between two failures, with commands unanswered all the while, is connected to anew.
   */
  #suspectAll(): void {
    if (!this.#isOwn) return;
    const now = this.#clock.now();
    for (const node of nodesOf(this.client)) {
      const { stream } = node;
      const before = this.#suspects.get(node);
      if (stream === undefined || node.commandQueue.length === 0) this.#suspects.delete(node);
      else if (before?.bytesRead !== stream.bytesRead)
        this.#suspects.set(node, { bytesRead: stream.bytesRead, at: now });
      else if (now - before.at >= this.#timeoutMs) {
        this.#suspects.delete(node);
        stream.destroy();
      }
    }
  }
}

/** What a server answers to the first command, whichever it is. */
const SAID_TO_ALL = /^(NOAUTH|DENIED|LOADING)|max number of clients/;

/** An error that ioredis passes on while it goes on: `SELECT` failed. */
function isOfSelect(error: Error): error is Error & { readonly command: { readonly args: readonly unknown[] } } {
  return error.name === 'ReplyError' && (error as { readonly command?: { name?: unknown } }).command?.name === 'select';
}

function nodesOf(client: RedisClient): readonly RedisNode[] {
  return client.isCluster ? client.nodes('all') : [client];
}
