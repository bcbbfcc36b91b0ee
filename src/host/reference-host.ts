/** @module The host of the reference: opened again where it fails, replaced where it leaks, closed while nobody needs it. */

import { ClosedError, EpochlyError } from '../errors.ts';
import { Emitter } from '../events.ts';
import { LeakWatch } from '../leak-watch.ts';
import { HostError } from '../model-errors.ts';
import type { Clock } from '../platform.ts';
import { portableBuffers, reviveTensors } from '../portable.ts';
import type { Portable } from '../portable.ts';
import { HangWatch } from './hang-watch.ts';
import { copyTime } from './host-client.ts';
import type { HostClient } from './host-client.ts';
import type { OpenedHost } from './hosted-model.ts';
import { onceIdle, watchLeaks } from './recycling.ts';

export interface ReferenceHostParts {
  readonly clock: Clock;
  readonly first: OpenedHost;
  /** Opens the model again, in a fresh host. */
  readonly reopen: () => Promise<OpenedHost>;
}

/** Waits before a host that keeps failing is opened again; the last one repeats. */
const BACKOFF_MS = [0, 1000, 2000, 4000, 8000, 16_000, 30_000] as const;

export class ReferenceHost {
  /** Fires when another host has taken the place of one that failed, or whose memory grew; the event is why. */
  readonly onReplaced: Emitter<HostError>['event'];
  readonly #replacements = new Emitter<HostError>();
  readonly #clock: Clock;
  readonly #hangs: HangWatch;
  readonly #leaks: LeakWatch;
  /** Until it is ended: it may hold the model's bytes. */
  #reopen: (() => Promise<OpenedHost>) | undefined;
  /** The host that is open, or being opened; rejects where that failed. Undefined while none is needed. */
  #host: Promise<OpenedHost> | undefined;
  /** The host whose answers count; undefined while it is being replaced, and while none is needed. */
  #open: OpenedHost | undefined;
  #last: OpenedHost;
  /** Failures since the last answer. */
  #failures = 0;
  #retryAt = 0;
  #isClosing = false;
  /** Requests that are under way, or wait for a host. */
  #asking = 0;
  /** After so many milliseconds without one it is closed; undefined: it stays open. */
  #restAfterMs: number | undefined;
  #rest: Disposable | undefined;
  /** Hosts whose place was taken, while they are at what they were asked. */
  readonly #leaving = new Set<HostClient>();
  #recycling: Promise<void> | undefined;

  constructor({ clock, first, reopen }: ReferenceHostParts) {
    this.onReplaced = this.#replacements.event;
    this.#clock = clock;
    this.#hangs = new HangWatch(clock);
    this.#leaks = new LeakWatch(clock);
    this.#reopen = reopen;
    this.#last = first;
    this.#host = this.#adopt(first);
  }

  /** The host that was opened last. */
  get last(): OpenedHost {
    return this.#last;
  }

  /** Whether it can be asked at once. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Whether it is closed because nobody needs it. */
  get isResting(): boolean {
    return this.#host === undefined;
  }

  async run(args: readonly Portable[], signal: AbortSignal | undefined, transfer: boolean): Promise<Portable> {
    let used: HostClient | undefined;
    this.#asking++;
    this.#rest?.[Symbol.dispose]();
    try {
      const { client } = this.#open ?? (await this.#current());
      used = client;
      signal?.throwIfAborted();
      const answer = await client.request('run', args, {
        signal,
        transfer: transfer ? [...portableBuffers(args)] : undefined,
      });
      this.#failures = 0;
      const revived = reviveTensors(answer);
      copyTime(answer, revived);
      return revived;
    } catch (error) {
      // Only a host whose device is lost answers so; it cannot recover by itself.
      if (EpochlyError.isInstance(error, 'HOST_FAILED')) used?.fail(error as HostError);
      throw error;
    } finally {
      this.#asking--;
      this.#restLater(this.#restAfterMs);
    }
  }

  /**
   * Closes it as soon as nobody waits for it, and again when it was opened on demand and then not needed for so many milliseconds.
   * Undefined: it stays open from its next use on.
   */
  restAfter(idleMs: number | undefined): void {
    this.#rest?.[Symbol.dispose]();
    this.#restAfterMs = idleMs;
    this.#restLater(idleMs === undefined ? undefined : 0);
  }

  /** No host that fails is replaced any more. */
  beginClosing(): void {
    this.#isClosing = true;
    this.#rest?.[Symbol.dispose]();
  }

  /** Ends all hosts: nobody expects an answer any more. */
  async end(): Promise<void> {
    this.#reopen = undefined;
    const opened = await this.#host?.catch(() => undefined);
    await this.#recycling;
    if (opened !== undefined) this.#leaving.add(opened.client);
    await Promise.all(Array.from(this.#leaving, (client) => this.#end(client)));
  }

  #restLater(afterMs: number | undefined): void {
    if (afterMs === undefined || this.#asking > 0 || this.#isClosing || this.#open === undefined) return;
    this.#rest = this.#clock.after(afterMs, () => {
      const opened = this.#open;
      if (opened === undefined || this.#asking > 0) return;
      this.#open = undefined;
      this.#host = undefined;
      this.#leave(opened.client);
    });
  }

  /** Ends a host once it has answered what it was asked: nothing new comes to it. */
  #leave(client: HostClient): void {
    this.#leaving.add(client);
    void onceIdle(client)
      .then(() => this.#end(client))
      .finally(() => this.#leaving.delete(client));
  }

  /** Ends a host from which nobody expects an answer any more. */
  async #end(client: HostClient): Promise<void> {
    // What can be ended at any time takes all that is in it along.
    if (client.channel.killable) return client.retire();
    const giveUp = (): void => client.fail(new HostError("The model's host did not close: it hangs."));
    const timer = this.#clock.after(this.#hangs.graceMs(client), giveUp);
    await client.request('close', undefined).catch(() => undefined);
    timer[Symbol.dispose]();
    // One that was given up is ended once it has run, which may be never.
    if (client.isIdle) await client.retire();
  }

  async #adopt(opened: OpenedHost): Promise<OpenedHost> {
    this.#open = opened;
    this.#last = opened;
    this.#hangs.watch(opened.client);
    this.#leaks.begin();
    watchLeaks(opened.client, this.#leaks, (grownBytes) => {
      this.#recycling = this.#recycle(opened, grownBytes);
    });
    opened.client.onFailed((error) => this.#replace(opened, error));
    return opened;
  }

  #replace(failed: OpenedHost, error: HostError): void {
    if (this.#open !== failed || this.#isClosing) return;
    this.#open = undefined;
    const waitMs = BACKOFF_MS[Math.min(this.#failures++, BACKOFF_MS.length - 1)] as number;
    this.#retryAt = this.#clock.now() + waitMs;
    this.#host =
      waitMs === 0
        ? this.#openAgain(error)
        : Promise.reject(new HostError(`The model's host keeps failing: ${error.message}`, { cause: error }));
    this.#host.catch(() => undefined);
  }

  /** Another host is opened while this one answers; calls go over to it, and this one ends with its last answer. */
  async #recycle(leaking: OpenedHost, grownBytes: number): Promise<void> {
    if (this.#open !== leaking || this.#isClosing || this.#reopen === undefined) return;
    try {
      const fresh = await this.#reopen();
      if (this.#open !== leaking || this.#isClosing) return await fresh.client.retire();
      this.#host = this.#adopt(fresh);
      this.#leave(leaking.client);
      const grownMb = Math.round(grownBytes / 1e6);
      this.#replacements.emit(new HostError(`The memory of the model's host grew run by run, by ${grownMb} MB.`));
    } catch {
      // The one that is there goes on.
      this.#leaks.failed();
    }
  }

  /** `error`: what the last one failed with; undefined where it was closed because nobody needed it. */
  async #openAgain(error: HostError | undefined): Promise<OpenedHost> {
    if (this.#reopen === undefined) throw new ClosedError();
    const opened = await this.#reopen();
    if (this.#isClosing) return opened;
    await this.#adopt(opened);
    if (error !== undefined) this.#replacements.emit(error);
    return opened;
  }

  /** The host, opened again where the last attempt failed long enough ago. @throws HostError while it must be waited. */
  async #current(): Promise<OpenedHost> {
    const host = (this.#host ??= this.#openAgain(undefined));
    try {
      return await host;
    } catch (cause) {
      if (this.#host !== host) return this.#current();
      const waitMs = this.#retryAt - this.#clock.now();
      if (waitMs > 0) {
        throw new HostError(
          `${(cause as Error).message} It is opened again in ${Math.ceil(waitMs)} ms at the earliest.`,
          { cause },
        );
      }
      this.#retryAt = this.#clock.now() + (BACKOFF_MS[Math.min(++this.#failures, BACKOFF_MS.length - 1)] as number);
      const again = this.#openAgain(new HostError((cause as Error).message, { cause }));
      this.#host = again;
      return again;
    }
  }
}
