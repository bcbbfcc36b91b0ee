/** A store that does everything wrong that a store can, at random, and can be told which. */

import type { ByteStore, StoreBatch, StoreUsage, TrimOptions } from '../../src/cache/byte-store.ts';
import type { MemoryStore } from '../../src/cache/memory-store.ts';
import type { MaybePromise } from '../../src/platform.ts';

/**
 * 'throw': fails before it does anything. 'late': fails after it was done. 'half': of a batch does some, then fails. 'delay':
 * answers later. Of what is read, 'corrupt' flips a bit, 'truncate' cuts it, 'extend' adds to it, 'swap' gives another name's,
 * 'rollback' gives what was there before, and 'lose' nothing.
 */
export type Fault =
  | 'throw'
  | 'late'
  | 'half'
  | 'delay'
  | 'corrupt'
  | 'truncate'
  | 'extend'
  | 'swap'
  | 'rollback'
  | 'lose';

export interface ChaosOptions {
  /** From 0 to less than 1. */
  readonly random: () => number;
  readonly faults: readonly Fault[];
  /** Chance of a fault in each call. */
  readonly rate: number;
}

export class ChaosStore implements ByteStore {
  readonly #memory: MemoryStore;
  readonly #random: () => number;
  readonly #faults: readonly Fault[];
  readonly #past = new Map<string, Uint8Array[]>();
  rate: number;
  /** Faults that were made. */
  readonly made: Map<Fault, number> = new Map();

  constructor(memory: MemoryStore, { random, faults, rate }: ChaosOptions) {
    this.#memory = memory;
    this.#random = random;
    this.#faults = faults;
    this.rate = rate;
  }

  get(key: string): MaybePromise<Uint8Array | undefined> {
    return this.#do(
      () => this.#memory.get(key),
      (bytes, fault) => this.#spoil(key, bytes, fault),
    );
  }

  put(key: string, bytes: Uint8Array): MaybePromise<void> {
    return this.write({ puts: [{ key, bytes }] });
  }

  putIfAbsent(key: string, bytes: Uint8Array): MaybePromise<Uint8Array> {
    return this.#do(
      () => {
        this.#keep([key]);
        return this.#memory.putIfAbsent(key, bytes);
      },
      (kept, fault) => this.#spoil(key, kept, fault) ?? kept,
    );
  }

  write(batch: StoreBatch): MaybePromise<void> {
    return this.#do(
      () => {
        this.#keep([...(batch.deletes ?? []), ...(batch.puts ?? []).map(({ key }) => key)]);
        this.#memory.write(batch);
      },
      (nothing) => nothing,
      () => this.#memory.write({ ...batch, puts: (batch.puts ?? []).filter(() => this.#random() < 0.5) }),
    );
  }

  delete(key: string): MaybePromise<void> {
    return this.write({ deletes: [key] });
  }

  keys(prefix: string): MaybePromise<readonly string[]> {
    return this.#do(
      () => this.#memory.keys(prefix),
      (names) => names,
    );
  }

  deletePrefix(prefix: string): MaybePromise<void> {
    return this.#do(
      () => {
        this.#keep(this.#memory.keys(prefix));
        this.#memory.deletePrefix(prefix);
      },
      (nothing) => nothing,
    );
  }

  usage(prefix: string): MaybePromise<StoreUsage> {
    return this.#do(
      () => this.#memory.usage(prefix),
      (usage) => usage,
    );
  }

  trim(options: TrimOptions): MaybePromise<number> {
    return this.#do(
      () => this.#memory.trim(options),
      (count) => count,
    );
  }

  close(): void {}

  /** Whoever has the file puts some of what was there back, under its own names or others'. */
  tamper(prefix: string): void {
    const names = [...this.#past.keys(), ...this.#memory.keys(prefix)].filter((name) => name.startsWith(prefix));
    for (let i = 0; i < 3 && names.length > 0; i++) {
      const [to, from] = [this.#pick(names), this.#pick(names)];
      const bytes = this.#pick([...(this.#past.get(this.#random() < 0.5 ? to : from) ?? []), this.#memory.get(from)]);
      if (bytes !== undefined) this.#memory.put(to, bytes);
    }
  }

  #do<T>(call: () => T, spoil: (value: T, fault: Fault) => T, half?: () => void): MaybePromise<T> {
    const fault = this.#random() < this.rate ? this.#pick(this.#faults) : undefined;
    if (fault !== undefined) this.made.set(fault, (this.made.get(fault) ?? 0) + 1);
    if (fault === 'throw') throw new Error('chaos: not done');
    if (fault === 'half' && half !== undefined) {
      half();
      throw new Error('chaos: done in part');
    }
    const value = call();
    if (fault === 'late') throw new Error('chaos: done, and failed');
    if (fault === undefined) return value;
    const spoiled = spoil(value, fault);
    return fault === 'delay' ? later(spoiled, Math.floor(this.#random() * 8)) : spoiled;
  }

  #spoil(key: string, bytes: Uint8Array | undefined, fault: Fault): Uint8Array | undefined {
    if (fault === 'lose') return undefined;
    if (fault === 'rollback') return this.#pick([undefined, ...(this.#past.get(key) ?? [])]);
    if (fault === 'swap') {
      const name = this.#pick(this.#memory.keys(''));
      return name === undefined ? bytes : this.#memory.get(name);
    }
    if (bytes === undefined || bytes.length === 0) return bytes;
    const at = Math.floor(this.#random() * bytes.length);
    if (fault === 'truncate') return bytes.slice(0, at);
    if (fault === 'extend') return Uint8Array.from([...bytes, ...bytes.subarray(at)]);
    if (fault === 'corrupt') bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(this.#random() * 8));
    return bytes;
  }

  #keep(names: readonly string[]): void {
    for (const name of names) {
      const bytes = this.#memory.get(name);
      if (bytes === undefined) continue;
      const past = this.#past.get(name) ?? [];
      past.push(bytes);
      this.#past.set(name, past);
    }
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)] as T;
  }
}

async function later<T>(value: T, turns: number): Promise<T> {
  for (let i = 0; i < turns; i++) await undefined;
  return value;
}
