/** @module A store in Redis: one server, one that Sentinel watches, or a cluster. */

import type { ByteStore, StoreBatch, StoreEntry, StoreUsage, TrimOptions } from '../../../src/cache/byte-store.ts';
import { ClosedError } from '../../../src/errors.ts';
import type { EventSource } from '../../../src/events.ts';
import type { Clock } from '../../../src/platform.ts';
import { Announcements } from './announcements.ts';
import { Locks } from './locks.ts';
import { bytesOf, Lookups } from './lookups.ts';
import type { RedisCommand } from './redis-client.ts';
import type { RedisConnection } from './redis-connection.ts';
import { encodeName } from './redis-names.ts';
import { Sweeps } from './sweeps.ts';

export interface RedisStoreSettings {
  readonly prefix: string;
  readonly lockTtlMs: number;
  readonly clock: Clock;
  readonly random: () => number;
}

type Change =
  | { readonly kind: 'unlink' | 'touch'; readonly name: string }
  | { readonly kind: 'set'; readonly name: string; readonly value: readonly (Buffer | string | number)[] };

export class RedisStore implements ByteStore {
  readonly #connection: RedisConnection;
  readonly #lookups: Lookups;
  readonly #sweeps: Sweeps;
  readonly #locks: Locks;
  readonly #announcements: Announcements;
  readonly #nameOf: (key: string) => string;
  readonly #begun = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  readonly onAnnounced: EventSource<string>;

  constructor(connection: RedisConnection, { prefix, lockTtlMs, clock, random }: RedisStoreSettings) {
    const data = `${prefix}data:`;
    const channel = encodeName(`${prefix}announcements`);
    const nameOf = (lock: string): string => encodeName(`${prefix}lock:${lock}`);
    this.#connection = connection;
    this.#nameOf = (key) => encodeName(data + key);
    this.#lookups = new Lookups(connection, this.#nameOf);
    this.#sweeps = new Sweeps(connection, data);
    this.#locks = new Locks(connection, { nameOf, ttlMs: lockTtlMs, clock, random });
    this.#announcements = new Announcements(connection, { channel, clock, random });
    this.onAnnounced = this.#announcements.event;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#closed === undefined ? this.#lookups.get(key) : Promise.reject(closedError());
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    return this.write({ puts: [{ key, bytes }] });
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<Uint8Array> {
    this.#assertOpen();
    const name = this.#nameOf(key);
    const [, kept] = await this.#begin(
      this.#connection.transact([
        ['set', name, Buffer.from(bytes), 'NX'],
        ['getBuffer', name],
      ]),
    );
    return bytesOf(kept as Buffer);
  }

  async write({ deletes = [], puts = [], used = [] }: StoreBatch): Promise<void> {
    this.#assertOpen();
    const changes: Change[] = [
      ...deletes.map((key) => ({ kind: 'unlink' as const, name: this.#nameOf(key) })),
      ...puts.map((entry) => ({ kind: 'set' as const, name: this.#nameOf(entry.key), value: valueOf(entry) })),
      ...used.map((key) => ({ kind: 'touch' as const, name: this.#nameOf(key) })),
    ];
    const slots = this.#connection.bySlot(changes, ({ name }) => name);
    await this.#begin(allOf(slots.map((each) => this.#apply(each))));
  }

  async delete(key: string): Promise<void> {
    return this.write({ deletes: [key] });
  }

  async keys(prefix: string): Promise<readonly string[]> {
    this.#assertOpen();
    return this.#begin(this.#sweeps.keys(prefix));
  }

  async deletePrefix(prefix: string): Promise<void> {
    this.#assertOpen();
    return this.#begin(this.#sweeps.deletePrefix(prefix));
  }

  async usage(prefix: string): Promise<StoreUsage> {
    this.#assertOpen();
    return this.#begin(this.#sweeps.usage(prefix));
  }

  async trim(options: TrimOptions): Promise<number> {
    this.#assertOpen();
    return this.#begin(this.#sweeps.trim(options));
  }

  announce(message: string): void {
    this.#assertOpen();
    void this.#begin(this.#announcements.announce(message));
  }

  async lock(name: string, signal?: AbortSignal): Promise<Disposable> {
    this.#assertOpen();
    return this.#locks.acquire(name, signal);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #apply(changes: readonly Change[]): Promise<void> {
    const commands = commandsOf(changes);
    const [only] = commands as readonly [RedisCommand];
    if (commands.length === 1) await this.#connection.ask(this.#connection.client.call(...only));
    else await this.#connection.transact(commands);
  }

  async #close(): Promise<void> {
    this.#announcements.close();
    await Promise.allSettled([this.#locks.close(), this.#lookups.close(), ...this.#begun]);
    this.#connection.close();
  }

  /** Work that closing waits for. */
  async #begin<T>(work: Promise<T>): Promise<T> {
    this.#begun.add(work);
    try {
      return await work;
    } finally {
      this.#begun.delete(work);
    }
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw closedError();
  }
}

function closedError(): ClosedError {
  return new ClosedError('The store is closed.');
}

function valueOf({ bytes, expiresAt = Infinity }: StoreEntry): readonly (Buffer | string | number)[] {
  const value = Buffer.from(bytes);
  if (expiresAt === Infinity) return [value];
  // Redis refuses a time before the first millisecond of 1970.
  return [value, 'PXAT', Math.min(Math.max(1, Math.ceil(expiresAt)), Number.MAX_SAFE_INTEGER)];
}

/** First what is deleted, then what is put. */
function commandsOf(changes: readonly Change[]): readonly RedisCommand[] {
  const commands: RedisCommand[] = [];
  const names = (kind: Change['kind']): string[] =>
    changes.filter((each) => each.kind === kind).map(({ name }) => name);
  const [deleted, used] = [names('unlink'), names('touch')];
  if (deleted.length > 0) commands.push(['unlink', ...deleted]);
  for (const each of changes) if (each.kind === 'set') commands.push(['set', each.name, ...each.value]);
  if (used.length > 0) commands.push(['touch', ...used]);
  return commands;
}

/** Waits for all, also where one fails. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  for (const each of await Promise.allSettled(work)) if (each.status === 'rejected') throw each.reason;
}
