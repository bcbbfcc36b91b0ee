/** @module Tells a host that hangs from one that is slow. */

import { afterAwake } from '../awake-timer.ts';
import { HostError } from '../model-errors.ts';
import type { Clock } from '../platform.ts';
import type { HostClient } from './host-client.ts';

/** How long a run may go on that nobody waits for, in milliseconds, where it can be ended: a mistake costs a reopening. */
const GRACE_MS = 10_000;
/** The same where it cannot: a mistake leaves a second copy of the model in memory until the run has ended. */
const UNKILLABLE_GRACE_MS = 60_000;
/** How many times as long as the slowest run so far. */
const SLOWNESS = 4;

/**
 * Gives hosts up that hang. From outside, a run that hangs and a long one look alike; so only one that its caller has left
 * is taken for hung, and only once it has gone on far longer than any run before. Whoever waits for a run may wait: a
 * call that may be given up has a deadline or a signal.
 */
export class HangWatch {
  readonly #clock: Clock;
  #slowestRunMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds that are given to a host for what nobody waits for, and to close. */
  graceMs({ channel }: HostClient): number {
    return Math.max(channel.killable ? GRACE_MS : UNKILLABLE_GRACE_MS, SLOWNESS * this.#slowestRunMs);
  }

  watch(client: HostClient): void {
    let watched: number | undefined;
    let timer: Disposable | undefined;
    client.onTurn(({ ranMs = 0 }) => {
      this.#slowestRunMs = Math.max(this.#slowestRunMs, ranMs);
      const { abandoned } = client;
      if (abandoned === watched) return;
      timer?.[Symbol.dispose]();
      watched = abandoned;
      timer = abandoned === undefined ? undefined : this.#giveUpLater(client);
    });
  }

  #giveUpLater(client: HostClient): Disposable {
    const graceMs = this.graceMs(client);
    return afterAwake(this.#clock, graceMs, () =>
      client.fail(
        new HostError(
          `The model's host is still at a run that its caller left ${Math.round(graceMs / 1000)} s ago: it hangs. It is being replaced.`,
        ),
      ),
    );
  }
}
