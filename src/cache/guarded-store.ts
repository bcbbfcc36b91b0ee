/** @module A store that costs no more than its time-out when it is slow or dead, and comes back by itself. */

import { systemClock } from '../clock.ts';
import { ClosedError, EpochlyError } from '../errors.ts';
import type { EventSource } from '../events.ts';
import type { Clock, MaybePromise } from '../platform.ts';
import type { ByteStore, StoreBatch, StoreUsage, TrimOptions } from './byte-store.ts';
import { Deadlines } from './deadlines.ts';
import { StoreBreaker } from './store-breaker.ts';
import type { StoreState } from './store-breaker.ts';
import { StoreTimeoutError } from './store-errors.ts';

/** What a guarded store may take, and for how long it is left alone. */
export interface GuardOptions {
  /** Longest that a get, put, putIfAbsent, write or delete may take, in milliseconds. Default 250. */
  readonly timeoutMs?: number | undefined;
  /** Longest that keys, deletePrefix, usage, trim and close may take: they grow with what is kept. Default 60,000. */
  readonly sweepTimeoutMs?: number | undefined;
  /** So many failures in a row and the store is not asked for a while; one time-out is enough. Default 5. */
  readonly maxFailures?: number | undefined;
  /** How long it is not asked at first, of which up to a half at random is taken off. Default 250 ms. */
  readonly minBackoffMs?: number | undefined;
  /** How long at most: it doubles each time that the store fails again. Default 30,000 ms. */
  readonly maxBackoffMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** From 0 to below 1. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** A store and whether it is asked. */
export interface GuardedStore extends ByteStore {
  readonly state: StoreState;
  /** Told when it is no longer asked, when one call finds out whether it is back, and when it is asked again. */
  readonly onStateChange: EventSource<StoreState>;
}

/**
 * Guards a store: a call that takes longer than its time-out rejects with StoreTimeoutError, and from then on, or after several
 * failures in a row, calls reject at once with StoreUnavailableError. After a while one call is let through: where it succeeds
 * all are again, else the next waits twice as long. What answers at once still does.
 *
 * Not failures: ClosedError, an abort, and TypeError and RangeError, which are the caller's. What finishes late is ignored. A
 * lock may be waited for without an end, and an announcement is nobody's to wait for.
 *
 * @throws RangeError for a time or a number that is none.
 */
export function guardStore(store: ByteStore, options: GuardOptions = {}): GuardedStore {
  return new StoreGuard(store, options);
}

class StoreGuard implements GuardedStore {
  readonly #store: ByteStore;
  readonly #breaker: StoreBreaker;
  readonly #timeoutMs: number;
  readonly #sweepTimeoutMs: number;
  readonly #calls: Deadlines;
  readonly #sweeps: Deadlines;
  #closed = false;

  readonly onStateChange: EventSource<StoreState>;
  readonly batchEntries?: number;
  readonly changeCount?: () => number;
  readonly announce?: (message: string) => void;
  readonly onAnnounced?: EventSource<string>;
  readonly lock?: (name: string, signal?: AbortSignal) => Promise<Disposable>;

  constructor(
    store: ByteStore,
    {
      timeoutMs = 250,
      sweepTimeoutMs = 60_000,
      maxFailures = 5,
      minBackoffMs = 250,
      maxBackoffMs = 30_000,
      clock = systemClock,
      random = Math.random,
    }: GuardOptions,
  ) {
    for (const [name, value] of Object.entries({ timeoutMs, sweepTimeoutMs, maxFailures, minBackoffMs, maxBackoffMs }))
      if (!(value > 0)) throw new RangeError(`${name} is above 0, not ${value}.`);
    const backoff = { minMs: minBackoffMs, maxMs: maxBackoffMs, random };
    this.#store = store;
    this.#breaker = new StoreBreaker({ maxFailures, backoff, clock });
    this.#timeoutMs = timeoutMs;
    this.#sweepTimeoutMs = sweepTimeoutMs;
    this.#calls = new Deadlines(timeoutMs, clock);
    this.#sweeps = new Deadlines(sweepTimeoutMs, clock);
    this.onStateChange = this.#breaker.onStateChange;
    if (store.batchEntries !== undefined) this.batchEntries = store.batchEntries;
    if (store.changeCount !== undefined) this.changeCount = store.changeCount.bind(store);
    if (store.announce !== undefined) this.announce = store.announce.bind(store);
    if (store.onAnnounced !== undefined) this.onAnnounced = store.onAnnounced;
    if (store.lock !== undefined) this.lock = this.#guardLock(store.lock.bind(store));
  }

  get state(): StoreState {
    return this.#breaker.state;
  }

  get(key: string): MaybePromise<Uint8Array | undefined> {
    return this.#call(() => this.#store.get(key));
  }

  put(key: string, bytes: Uint8Array): MaybePromise<void> {
    return this.#call(() => this.#store.put(key, bytes));
  }

  putIfAbsent(key: string, bytes: Uint8Array): MaybePromise<Uint8Array> {
    return this.#call(() => this.#store.putIfAbsent(key, bytes));
  }

  write(batch: StoreBatch): MaybePromise<void> {
    return this.#call(() => this.#store.write(batch));
  }

  delete(key: string): MaybePromise<void> {
    return this.#call(() => this.#store.delete(key));
  }

  keys(prefix: string): MaybePromise<readonly string[]> {
    return this.#sweep(() => this.#store.keys(prefix));
  }

  deletePrefix(prefix: string): MaybePromise<void> {
    return this.#sweep(() => this.#store.deletePrefix(prefix));
  }

  usage(prefix: string): MaybePromise<StoreUsage> {
    return this.#sweep(() => this.#store.usage(prefix));
  }

  trim(options: TrimOptions): MaybePromise<number> {
    return this.#sweep(() => this.#store.trim(options));
  }

  close(): MaybePromise<void> {
    this.#closed = true;
    const closing = this.#store.close();
    if (!(closing instanceof Promise)) return closing;
    return new Promise((resolve, reject) => {
      const wait = this.#sweeps.begin(() => reject(new StoreTimeoutError(this.#sweepTimeoutMs)));
      closing.then(resolve, reject).finally(() => this.#sweeps.end(wait));
    });
  }

  #call<T>(run: () => MaybePromise<T>): MaybePromise<T> {
    return this.#run(run, this.#calls, this.#timeoutMs);
  }

  /** As the one call that finds out whether the store is back it would take too long, so a lookup goes ahead of it. */
  #sweep<T>(run: () => MaybePromise<T>): MaybePromise<T> {
    const sweep = (): MaybePromise<T> => this.#run(run, this.#sweeps, this.#sweepTimeoutMs);
    if (this.state.kind === 'closed') return sweep();
    const found = this.get('');
    return found instanceof Promise ? found.then(sweep) : sweep();
  }

  #guardLock(lock: NonNullable<ByteStore['lock']>): NonNullable<ByteStore['lock']> {
    return async (name, signal) => {
      if (this.state.kind !== 'closed') await this.get('');
      const period = this.#breaker.enter();
      try {
        const held = await lock(name, signal);
        this.#breaker.succeed(period);
        return held;
      } catch (error) {
        if (signal?.aborted === true) this.#breaker.leave(period);
        else this.#fail(period, error);
        throw error;
      }
    };
  }

  #run<T>(run: () => MaybePromise<T>, deadlines: Deadlines, timeoutMs: number): MaybePromise<T> {
    if (this.#closed) return Promise.reject(new ClosedError('The store is closed.'));
    let period: number;
    try {
      period = this.#breaker.enter();
    } catch (error) {
      return Promise.reject(error as Error);
    }
    let result: MaybePromise<T>;
    try {
      result = run();
    } catch (error) {
      this.#fail(period, error);
      throw error;
    }
    if (!(result instanceof Promise)) {
      this.#breaker.succeed(period);
      return result;
    }
    const answer = result;
    return new Promise((resolve, reject) => {
      const wait = deadlines.begin(() => {
        const error = new StoreTimeoutError(timeoutMs);
        this.#fail(period, error);
        reject(error);
      });
      answer.then(
        (value) => {
          if (!deadlines.end(wait)) return;
          this.#breaker.succeed(period);
          resolve(value);
        },
        (error: unknown) => {
          if (!deadlines.end(wait)) return;
          this.#fail(period, error);
          reject(error);
        },
      );
    });
  }

  #fail(period: number, error: unknown): void {
    if (isFailure(error)) this.#breaker.fail(period, error, EpochlyError.isInstance(error, 'STORE_TIMEOUT'));
    else this.#breaker.leave(period);
  }
}

function isFailure(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError || EpochlyError.isInstance(error, 'CLOSED'))
    return false;
  return !(error instanceof Error && error.name === 'AbortError');
}
