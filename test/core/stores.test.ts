/** The contract suites of stores and tiers, on what needs nothing but memory. */

import { MemoryStore } from '../../src/cache/memory-store.ts';
import type { ByteStore } from '../../src/cache/byte-store.ts';
import type { CacheTier, TierPutOptions, TierScope, TierStats } from '../../src/cache/cache-tier.ts';
import { testByteStore } from '../contract/byte-store-contract.ts';
import { testCacheTier } from '../contract/cache-tier-contract.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

testByteStore('memory', { open: () => new MemoryStore() });

const clock = createFakeClock();

/** The least that is a tier: eight bytes of expiry in front of each value, and names that cannot be mistaken. */
class PlainTier implements CacheTier {
  readonly #store: ByteStore = new MemoryStore();
  readonly #stats = { hits: 0, misses: 0, puts: 0, errors: 0 };
  #closed = false;

  async get(key: string, scope?: TierScope): Promise<Uint8Array | undefined> {
    const stored = this.#closed ? undefined : await this.#store.get(nameOf(scope, key));
    const fresh = stored !== undefined && clock.now() < new DataView(stored.buffer).getFloat64(0);
    this.#stats[fresh ? 'hits' : 'misses']++;
    return fresh ? stored.slice(8) : undefined;
  }

  async put(key: string, value: Uint8Array, { ttlSeconds = 60, ...scope }: TierPutOptions = {}): Promise<void> {
    if (this.#closed) return;
    const stored = new Uint8Array(8 + value.length);
    new DataView(stored.buffer).setFloat64(0, clock.now() + ttlSeconds * 1000);
    stored.set(value, 8);
    await this.#store.put(nameOf(scope, key), stored);
    this.#stats.puts++;
  }

  async delete(key: string, scope?: TierScope): Promise<void> {
    if (!this.#closed) await this.#store.delete(nameOf(scope, key));
  }

  async clearPrefix(prefix: string, { tenant = 'default', model }: TierScope = {}): Promise<void> {
    await this.#deleteWhere((t, m, key) => t === tenant && (model ?? m) === m && key.startsWith(prefix));
  }

  async invalidateModel(model: string): Promise<void> {
    await this.#deleteWhere((_, m) => m === model);
  }

  async forgetTenant(tenant: string): Promise<void> {
    await this.#deleteWhere((t) => t === tenant);
  }

  getStats(): TierStats {
    return { ...this.#stats };
  }

  close(): void {
    this.#closed = true;
  }

  async #deleteWhere(test: (tenant: string, model: string, key: string) => boolean): Promise<void> {
    for (const name of this.#closed ? [] : await this.#store.keys(''))
      if (test(...(JSON.parse(name) as [string, string, string]))) await this.#store.delete(name);
  }
}

function nameOf({ tenant = 'default', model = '' }: TierScope = {}, key: string): string {
  return JSON.stringify([tenant, model, key]);
}

testCacheTier('plain', { open: () => new PlainTier(), advance: (ms) => clock.advance(ms) });
