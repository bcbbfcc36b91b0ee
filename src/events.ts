/** @module Typed events: `onX(listener)` returns a Disposable; a listener that throws or rejects harms nobody else. */

export type Listener<T> = (event: T) => void;

/** Subscribes a listener; disposing of the result unsubscribes it. */
export type EventSource<T> = (listener: Listener<T>) => Disposable;

/** Emits one kind of event. Costs one length check where nobody listens. */
export class Emitter<T> {
  #listeners: readonly Listener<T>[] = [];

  /** Subscribe. The same function may be subscribed more than once; each subscription is disposed of apart. */
  readonly event: EventSource<T> = (listener) => {
    const subscription: Listener<T> = (event) => listener(event);
    this.#listeners = [...this.#listeners, subscription];
    return {
      [Symbol.dispose]: () => {
        this.#listeners = this.#listeners.filter((each) => each !== subscription);
      },
    };
  };

  /** Whether anybody listens: ask before building an event that costs something. */
  get hasListeners(): boolean {
    return this.#listeners.length > 0;
  }

  /** Calls each listener in the order of subscription, and waits for none. */
  emit(event: T): void {
    for (const listener of this.#listeners) void notify(listener, event);
  }
}

/**
 * Calls a listener, at once. What it throws, or rejects with later, is written to the console: a broken subscriber may fail
 * neither the call that it is told of nor, as an uncaught error would in Node, the process.
 */
export async function notify<T>(listener: Listener<T>, event: T): Promise<void> {
  try {
    await listener(event);
  } catch (error) {
    console.error('epochly: a listener failed', error);
  }
}
