/** @module The time that one hop has: how it is told of its end, and of the caller's leaving. */

/** What a hop is told of the time it has. */
export interface HopOptions {
  /** Aborts where nobody waits for the hop any more: the caller left, or its time is up. */
  readonly signal: AbortSignal;
  /** Calls a listener with the reason when `signal` aborts: for what is asked often, since making a signal costs more than all else here. */
  readonly onLeave: (listener: (reason: unknown) => void) => void;
  /** Milliseconds that are left to the hop; Infinity where nobody set an end. */
  readonly deadlineMs: number;
}

/** How long a hop is waited for. */
export class HopTime {
  /** Whether it no longer is. */
  isUp = false;
  /** Whether it has answered, or failed. */
  hasEnded = false;
  #reason: unknown;
  #stop: AbortController | undefined;
  #listener: ((reason: unknown) => void) | undefined;

  /** The signal is made when it is asked for: many hops take none. */
  optionsOf(deadlineMs: number): HopOptions {
    const signal = (): AbortSignal => this.#signal();
    return {
      get signal() {
        return signal();
      },
      onLeave: (listener) => {
        this.#listener = listener;
        if (this.isUp) listener(this.#reason);
      },
      deadlineMs,
    };
  }

  end(reason: unknown): void {
    this.isUp = true;
    this.#reason = reason;
    this.#listener?.(reason);
    this.#stop?.abort(reason);
  }

  #signal(): AbortSignal {
    if (this.#stop === undefined) {
      this.#stop = new AbortController();
      if (this.isUp) this.#stop.abort(this.#reason);
    }
    return this.#stop.signal;
  }
}
