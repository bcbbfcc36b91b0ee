/** @module Equal work that is in flight is done once, for as long as anybody waits for it. */

import { abortReason } from '../errors.ts';

interface Flight<T> {
  readonly promise: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

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
   * left, with that waiter's reason; who comes later begins a new run.
   *
   * @throws the reason of `signal` as soon as it aborts; what the run throws.
   */
  async share(key: string, signal: AbortSignal | undefined, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (signal?.aborted === true) throw abortReason(signal);
    let flight = this.#flights.get(key);
    if (flight === undefined) this.#flights.set(key, (flight = this.#begin(key, run)));
    flight.waiters++;
    if (signal === undefined) return flight.promise;
    return this.#waitUnlessAborted(key, flight, signal);
  }

  #begin(key: string, run: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const promise = run(controller.signal);
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
        flight.controller.abort(abortReason(signal));
      };
      signal.addEventListener('abort', leave, { once: true });
      flight.promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }

  #land(key: string, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
