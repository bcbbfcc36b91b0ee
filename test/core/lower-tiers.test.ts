/** A near tier beside a shared one: what is kept in the near one was so before, and goes nowhere else. */

import { expect, test } from 'vitest';
import { encodeInOrder } from '../../src/codec.ts';
import type { CacheTier, TierPutOptions, TierScope } from '../../src/cache/cache-tier.ts';
import { AnswerForm } from '../../src/cache/inference-cache.ts';
import type { CacheKey } from '../../src/cache/inference-cache.ts';
import { LowerTiers } from '../../src/cache/lower-tiers.ts';
import { sha256Hex } from '../../src/sha256.ts';
import { createFakeClock } from '../helpers/fake-clock.ts';

const clock = createFakeClock();
const key: CacheKey = { slot: 'slot', modelId: 1, identity: 'model', tenant: 'acme', stamp: 0 };

/** A tier that keeps what it is given, under a stamp that the test moves on. */
class StampedTier {
  readonly entries = new Map<string, Uint8Array>();
  generation = 0;
  /** Called when a read has its answer, before anybody has it. */
  onRead: () => void = () => undefined;

  async get(name: string, { model }: TierScope): Promise<Uint8Array | undefined> {
    const found = this.entries.get(`${model} ${this.generation} ${name}`);
    this.onRead();
    return found;
  }
  put(name: string, value: Uint8Array, { model, stamp }: TierPutOptions): void {
    if (stamp === undefined || stamp === this.stampOf()) this.entries.set(`${model} ${this.generation} ${name}`, value);
  }
  stampOf(): string {
    return `g${this.generation}`;
  }
}

function setUp() {
  const [near, far] = [new StampedTier(), new StampedTier()];
  const tiers = [
    { name: 'l2', tier: near as unknown as CacheTier },
    { name: 'l3', tier: far as unknown as CacheTier },
  ] as const;
  const waitUntil = (): void => undefined;
  return { near, far, lower: new LowerTiers({ tiers, clock, digest: sha256Hex, ttlMs: 1e6, waitUntil }) };
}

const old = new Uint8Array([
  ...new Uint8Array(new Float64Array([clock.epochNow() + 1e6]).buffer),
  ...encodeInOrder([AnswerForm.WHOLE, 'old']),
]);

test('what was found in the shared tier fills the near one', async () => {
  const { far, lower } = setUp();
  far.entries.set('model 0 slot', old);
  expect((await lower.look(key, undefined)).found?.source).toBe('l3');
  expect((await lower.look(key, undefined)).found?.source).toBe('l2');
});

test('and not where it was invalidated while it was on its way', async () => {
  const { far, lower } = setUp();
  far.entries.set('model 0 slot', old);
  far.onRead = () => far.generation++;
  expect((await lower.look(key, undefined)).found?.source).toBe('l3');
  far.onRead = () => undefined;
  expect((await lower.look(key, undefined)).found).toBeUndefined();
});

test('nor is an answer kept anywhere that was begun before', async () => {
  const { near, far, lower } = setUp();
  expect(await lower.look(key, undefined)).toEqual({});
  far.generation++;
  expect(lower.write(key, [AnswerForm.WHOLE, 'old'])).toBeUndefined();
  await lower.flush();
  expect((await lower.look(key, undefined)).found).toBeUndefined();
  expect(far.entries.size).toBe(0);
  lower.write(key, [AnswerForm.WHOLE, 'new']);
  expect((await lower.look(key, undefined)).found?.kept[1]).toBe('new');
  expect(near.entries.size).toBeGreaterThan(0);
});
