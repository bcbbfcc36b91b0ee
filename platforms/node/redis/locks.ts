/** @module Locks that all stores of a prefix share. */

import { randomBytes } from 'node:crypto';
import { backoffMs } from '../../../src/backoff.ts';
import { abortReason, ClosedError } from '../../../src/errors.ts';
import type { Clock } from '../../../src/platform.ts';
import type { RedisConnection } from './redis-connection.ts';

export interface LocksOptions {
  readonly nameOf: (lock: string) => string;
  /** How long a lock outlives its holder, in milliseconds. */
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly random: () => number;
}

const BACKOFF = { minMs: 10, maxMs: 250 };
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;
const RENEW = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0`;

/**
 * Locks as Redis's documentation describes them for one server ("Distributed Locks with Redis"): a key with a random token
 * that expires unless its holder renews it. They save work that would be done twice. They promise no more than that: a holder
 * that was stopped for longer than the lock lasts, or a server that lost its memory, can leave two who hold it.
 */
export class Locks {
  readonly #connection: RedisConnection;
  readonly #options: LocksOptions;
  readonly #closing = new AbortController();
  /** Gives back what is held. */
  readonly #held = new Set<() => void>();
  readonly #releases = new Set<Promise<void>>();

  constructor(connection: RedisConnection, options: LocksOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  acquire(lock: string, signal?: AbortSignal): Promise<Disposable> {
    const { signal: closing } = this.#closing;
    const leaving = signal === undefined ? closing : AbortSignal.any([signal, closing]);
    return new Promise((resolve, reject) => {
      if (leaving.aborted) return reject(abortReason(leaving));
      const leave = (): void => reject(abortReason(leaving));
      leaving.addEventListener('abort', leave, { once: true });
      this.#acquire(this.#options.nameOf(lock), leaving)
        .then(resolve, reject)
        .finally(() => leaving.removeEventListener('abort', leave));
    });
  }

  /** Gives back what is held, and lets nobody wait on. */
  async close(): Promise<void> {
    this.#closing.abort(new ClosedError('The store is closed.'));
    for (const release of this.#held) release();
    await Promise.all(this.#releases);
  }

  async #acquire(name: string, leaving: AbortSignal): Promise<Disposable> {
    const { clock, random, ttlMs } = this.#options;
    const token = randomBytes(16).toString('hex');
    for (let attempt = 0; !leaving.aborted; attempt++) {
      if (await this.#take(name, token, ttlMs)) {
        const release = this.#hold(name, token);
        if (!leaving.aborted) return { [Symbol.dispose]: release };
        release();
        break;
      }
      const waitMs = backoffMs(attempt, { ...BACKOFF, random });
      // A process that has nothing else to do waits for it as well.
      await new Promise<void>((resolve) => void clock.after(waitMs, resolve, true));
    }
    throw abortReason(leaving);
  }

  async #take(name: string, token: string, ttlMs: number): Promise<boolean> {
    try {
      const { client } = this.#connection;
      return (await this.#connection.ask(client.call('set', name, token, 'NX', 'PX', ttlMs))) !== null;
    } catch (error) {
      // It may have been taken all the same.
      this.#release(name, token);
      throw error;
    }
  }

  /** Renews a lock until what this returns is called, or it is found to be lost. */
  #hold(name: string, token: string): () => void {
    const { clock, ttlMs } = this.#options;
    const { client } = this.#connection;
    let timer: Disposable | undefined;
    const renew = (): void => {
      timer = clock.after(ttlMs / 3, () => {
        renew();
        this.#connection.ask(client.call('eval', RENEW, 1, name, token, ttlMs)).then(
          (kept) => {
            if (Number(kept) === 0) timer?.[Symbol.dispose]();
          },
          // The next may reach Redis.
          () => undefined,
        );
      });
    };
    renew();
    const release = (): void => {
      if (!this.#held.delete(release)) return;
      timer?.[Symbol.dispose]();
      this.#release(name, token);
    };
    this.#held.add(release);
    return release;
  }

  #release(name: string, token: string): void {
    const released = this.#connection.ask(this.#connection.client.call('eval', RELEASE, 1, name, token)).then(
      () => void this.#releases.delete(released),
      () => void this.#releases.delete(released),
    );
    this.#releases.add(released);
  }
}
