/** @module Equal work that is in flight is done once, for as long as anybody waits for it. */

import { abortReason } from '../errors.ts';

interface Flight<T> {
  readonly promise: Promise<T>;
  /** None where who began it has no signal, and so never leaves: making one takes longer than all else here. */
  readonly controller: AbortController | undefined;
  waiters: number;
}

type SharedRun<T> = (signal: AbortSignal | undefined) => Promise<T>;

/** Shares runs by key. A failure is everybody's who waited for it, and is not kept. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /** How many runs are in flight. */
  get size(): number {
    return this.#flights.size;
  }

  /** Whether a run of this key could be joined. */
  has(key: string): boolean {
    return this.#flights.has(key);
  }

  /**
   * Waits for the run of `key`, beginning it where there is none. The run's signal aborts when its last waiter has
   * left, with that waiter's reason; who comes later begins a new run. A run begun without a signal gets none.
   *
   * @throws the reason of `signal` as soon as it aborts; what the run throws.
   */
  share(key: string, signal: AbortSignal | undefined, run: SharedRun<T>): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(abortReason(signal));
    let flight = this.#flights.get(key);
    if (flight === undefined) this.#flights.set(key, (flight = this.#begin(key, signal !== undefined, run)));
    flight.waiters++;
    if (signal === undefined) return flight.promise;
    return this.#waitUnlessAborted(key, flight, signal);
  }

  #begin(key: string, mayEnd: boolean, run: SharedRun<T>): Flight<T> {
    const controller = mayEnd ? new AbortController() : undefined;
    const promise = run(controller?.signal);
    const flight: Flight<T> = { promise, controller, waiters: 0 };
    const land = (): void => this.#land(key, flight);
    promise.then(land, land);
    return flight;
  }

  #waitUnlessAborted(key: string, flight: Flight<T>, signal: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const leave = (): void => {
        reject(abortReason(signal));
        if (--flight.waiters > 0) return;
        this.#land(key, flight);
        flight.controller?.abort(abortReason(signal));
      };
      signal.addEventListener('abort', leave, { once: true });
      flight.promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }

  #land(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
