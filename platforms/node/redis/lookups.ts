/** @module Lookups of one tick, asked together: each key once. */

import { markAsUntransferable } from 'node:worker_threads';
import type { RedisConnection } from './redis-connection.ts';

interface Waiter {
  readonly resolve: (bytes: Uint8Array | undefined) => void;
  readonly reject: (error: unknown) => void;
}

interface Asked extends Waiter {
  readonly name: string;
  /** Who asked for the same key. */
  others: Waiter[] | undefined;
}

/** More would hold up everybody else's commands in Redis for a millisecond and longer. */
const MAX_NAMES = 1000;
const now = Promise.resolve();

export class Lookups {
  readonly #connection: RedisConnection;
  readonly #nameOf: (key: string) => string;
  #batch: Map<string, Asked> | undefined;
  /** Commands that are not answered yet. */
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(connection: RedisConnection, nameOf: (key: string) => string) {
    this.#connection = connection;
    this.#nameOf = nameOf;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#batch === undefined) {
        this.#batch = new Map();
        this.#schedule();
      }
      const asked = this.#batch.get(key);
      if (asked === undefined) this.#batch.set(key, { name: this.#nameOf(key), resolve, reject, others: undefined });
      else (asked.others ??= []).push({ resolve, reject });
    });
  }

  /** Asks what is still to be asked, and waits for all answers. */
  async close(): Promise<void> {
    this.#flush();
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  /**
   * After all promises that this tick settles, whose callbacks may ask too. While Redis is busy with others, also after what
   * else the network brings in this turn of the event loop: the requests of a server come one a tick.
   */
  #schedule(): void {
    if (this.#inFlight > 0) setImmediate(this.#flush);
    else void now.then(() => process.nextTick(this.#flush));
  }

  readonly #flush = (): void => {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    for (const asked of this.#connection.bySlot([...batch.values()], ({ name }) => name)) {
      if (asked.length === 1) this.#askOne(asked[0] as Asked);
      else for (let i = 0; i < asked.length; i += MAX_NAMES) this.#askMany(asked.slice(i, i + MAX_NAMES));
    }
  };

  #askOne(asked: Asked): void {
    this.#inFlight++;
    this.#connection.listen(
      this.#connection.client.getBuffer(asked.name),
      (value) => {
        this.#end();
        settle(asked, value);
      },
      (error) => {
        this.#end();
        fail(asked, error);
      },
    );
  }

  #askMany(asked: readonly Asked[]): void {
    this.#inFlight++;
    this.#connection.listen(
      this.#connection.client.mgetBuffer(asked.map(({ name }) => name)),
      (values) => {
        this.#end();
        let i = 0;
        for (const each of asked) settle(each, values[i++] ?? null);
      },
      (error) => {
        this.#end();
        for (const each of asked) fail(each, error);
      },
    );
  }

  #end(): void {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#onIdle?.();
  }
}

function settle({ resolve, others }: Asked, value: Buffer | null): void {
  if (others !== undefined)
    for (const other of others) other.resolve(value === null ? undefined : new Uint8Array(value));
  resolve(value === null ? undefined : bytesOf(value));
}

function fail({ reject, others = [] }: Asked, error: Error): void {
  reject(error);
  for (const other of others) other.reject(error);
}

let marked: ArrayBufferLike | undefined;

/**
 * The same memory: to copy it would take as long as to look it up among many. It is part of what came from the network in one
 * piece, so it must not be transferred to another thread, which would take the neighbours with it.
 */
export function bytesOf(value: Buffer): Uint8Array {
  if (value.buffer !== marked) markAsUntransferable((marked = value.buffer));
  return new Uint8Array(value.buffer, value.byteOffset, value.length);
}
