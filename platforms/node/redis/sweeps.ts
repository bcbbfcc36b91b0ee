/** @module What goes through all keys that begin alike: on every server that holds some, and past all else that is there. */

import type { StoreUsage, TrimOptions } from '../../../src/cache/byte-store.ts';
import type { RedisConnection } from './redis-connection.ts';
import { decodeName, encodeName, patternOf } from './redis-names.ts';

interface Found {
  readonly name: string;
  /** Of the key and the value. */
  readonly bytes: number;
  /** The larger, the less it is used. */
  readonly age: number;
}

/**
 * Redis keeps either the time of the last use or how often there was one, and refuses to tell the other. To ask for the length
 * counts as a use, so it comes last.
 */
const INSPECT = `
  local age = redis.pcall('object', 'idletime', KEYS[1])
  if type(age) == 'table' then age = -redis.call('object', 'freq', KEYS[1]) end
  return { age or 0, redis.call('strlen', KEYS[1]) }`;

/** How many names Redis looks at in one go. */
const SCAN_COUNT = 1000;
/** How many names, or commands, are in flight at once. */
const BATCH = 500;

export class Sweeps {
  readonly #connection: RedisConnection;
  /** What all names begin with. */
  readonly #prefix: string;
  readonly #prefixLength: number;

  constructor(connection: RedisConnection, prefix: string) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#prefixLength = encodeName(prefix).length;
  }

  async keys(prefix: string): Promise<readonly string[]> {
    const keys = new Set<string>();
    for await (const names of this.#scan(prefix)) for (const name of names) keys.add(this.#keyOf(name));
    return [...keys].toSorted();
  }

  async deletePrefix(prefix: string): Promise<void> {
    for await (const names of this.#scan(prefix)) await this.#unlink(names);
  }

  async usage(prefix: string): Promise<StoreUsage> {
    let [entries, bytes] = [0, 0];
    for await (const names of this.#scanOnce(prefix)) {
      entries += names.length;
      for (const each of await Promise.all(names.map((name) => this.#bytesOf(name)))) bytes += each;
    }
    return { entries, bytes };
  }

  async trim({ prefix, maxBytes }: TrimOptions): Promise<number> {
    if (maxBytes === Infinity) return 0;
    const found: Found[] = [];
    for await (const names of this.#scanOnce(prefix))
      found.push(...(await Promise.all(names.map((name) => this.#inspect(name)))));
    let excess = found.reduce((sum, { bytes }) => sum + bytes, -maxBytes);
    const names: string[] = [];
    for (const { name, bytes } of found.toSorted((a, b) => b.age - a.age)) {
      if (excess <= 0) break;
      names.push(name);
      excess -= bytes;
    }
    let deleted = 0;
    for (let i = 0; i < names.length; i += BATCH) deleted += await this.#unlink(names.slice(i, i + BATCH));
    return deleted;
  }

  async #inspect(name: string): Promise<Found> {
    const { client } = this.#connection;
    const [age, length] = (await this.#connection.ask(client.call('eval', INSPECT, 1, name))) as readonly unknown[];
    return { name, bytes: this.#keyOf(name).length + Number(length), age: Number(age) };
  }

  async #bytesOf(name: string): Promise<number> {
    const length = await this.#connection.ask(this.#connection.client.call('strlen', name));
    return this.#keyOf(name).length + Number(length);
  }

  #keyOf(name: string): string {
    return decodeName(name.slice(this.#prefixLength));
  }

  async #unlink(names: readonly string[]): Promise<number> {
    const { client } = this.#connection;
    const slots = this.#connection.bySlot(names, (name) => name);
    const counts = await Promise.all(slots.map((each) => this.#connection.ask(client.call('unlink', ...each))));
    return counts.reduce<number>((sum, count) => sum + Number(count), 0);
  }

  /** The same, each name once. */
  async *#scanOnce(prefix: string): AsyncGenerator<readonly string[]> {
    const seen = new Set<string>();
    for await (const names of this.#scan(prefix))
      yield names.filter((name) => {
        const before = seen.size;
        return seen.add(name).size > before;
      });
  }

  /** Names of keys that begin so, in parts. One that is there from first to last comes at least once, and may come again. */
  async *#scan(prefix: string): AsyncGenerator<readonly string[]> {
    const { keyPrefix } = this.#connection;
    const pattern = patternOf(keyPrefix + encodeName(this.#prefix + prefix));
    for (const node of await this.#connection.masters()) {
      let cursor = '0';
      do {
        const page = await this.#connection.ask(node.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT));
        cursor = page[0];
        const names = page[1].map((name) => name.slice(keyPrefix.length));
        for (let i = 0; i < names.length; i += BATCH) yield names.slice(i, i + BATCH);
      } while (cursor !== '0');
    }
  }
}
