/** @module What stores tell each other, published and heard through Redis. */

import { randomBytes } from 'node:crypto';
import { backoffMs } from '../../../src/backoff.ts';
import { Emitter } from '../../../src/events.ts';
import type { EventSource } from '../../../src/events.ts';
import type { Clock } from '../../../src/platform.ts';
import type { RedisConnection } from './redis-connection.ts';
import type { RedisNode } from './redis-client.ts';
import { decodeName, encodeName } from './redis-names.ts';

const BACKOFF = { minMs: 50, maxMs: 5000 };
const ID_LENGTH = 16;

export interface AnnouncementsOptions {
  readonly channel: string;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * Announcements over PUBLISH and SUBSCRIBE; in a cluster any node passes on what any other was told. The second connection
 * that a subscriber needs is made for the first one. What is published while it is away is lost: each time that the
 * subscription begins, an empty announcement says so.
 */
export class Announcements {
  readonly #connection: RedisConnection;
  readonly #options: AnnouncementsOptions;
  readonly #id = randomBytes(ID_LENGTH / 2).toString('hex');
  readonly #heard = new Emitter<string>();
  #subscriber: RedisNode | undefined;
  #isListening = false;
  #closed = false;

  readonly event: EventSource<string> = (listener) => {
    if (!this.#isListening && !this.#closed) void this.#listen();
    return this.#heard.event(listener);
  };

  constructor(connection: RedisConnection, options: AnnouncementsOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Whoever cannot be reached now is not told. */
  async announce(message: string): Promise<void> {
    const { client } = this.#connection;
    // In a cluster by one node, which keeps them in order.
    const [node = client] = client.isCluster ? client.nodes('master') : [];
    const published = node.call('publish', this.#options.channel, this.#id + encodeName(message));
    await this.#connection.ask(published).catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    this.#subscriber?.disconnect();
  }

  async #listen(): Promise<void> {
    this.#isListening = true;
    const { clock, random } = this.#options;
    for (let attempt = 0; !this.#closed; attempt++) {
      if (await this.#subscribe()) attempt = 0;
      if (this.#closed) return;
      await new Promise<void>((resolve) => void clock.after(backoffMs(attempt, { ...BACKOFF, random }), resolve));
    }
  }

  /** Listens for as long as the connection lasts. Whether there was one. */
  async #subscribe(): Promise<boolean> {
    const subscriber = this.#connection.another();
    if (subscriber === undefined) return false;
    this.#subscriber = subscriber;
    subscriber.on('error', () => undefined);
    subscriber.on('message', (_: string, payload: string) => this.#hear(payload));
    const ended = new Promise<void>((resolve) => subscriber.once('end', resolve));
    try {
      const { channel } = this.#options;
      await this.#connection.ask(subscriber.connect().then(() => subscriber.subscribe(channel)));
    } catch {
      subscriber.disconnect();
      return false;
    }
    this.#heard.emit('');
    await ended;
    return true;
  }

  #hear(payload: string): void {
    if (payload.length < ID_LENGTH || payload.startsWith(this.#id)) return;
    this.#heard.emit(decodeName(payload.slice(ID_LENGTH)));
  }
}
