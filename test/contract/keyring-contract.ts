/** @module What every Keyring must do, as tests. */

import { describe, expect, test } from 'vitest';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { SealedTier } from '../../src/cache/sealed/sealed-tier.ts';
import { systemClock } from '../../src/clock.ts';
import type { MaybePromise } from '../../src/platform.ts';
import type { DataKey, Keyring } from '../../src/privacy/keyring.ts';
import { fromHex, KEY_VECTORS, toHex } from './vectors/keys.ts';
import { STORE_VECTORS } from './vectors/store.ts';

export interface KeyringContractOptions {
  /** Opens a keyring whose master key is another one each time. */
  readonly open: () => MaybePromise<Keyring>;
  /**
   * Opens a keyring with this master key of 32 bytes, where one can be given, which asks `random` for nonces and data keys, where
   * it can be told to. Its bytes are then held against those of other platforms.
   */
  readonly openWith?: (master: Uint8Array, random: (length: number) => Uint8Array) => MaybePromise<Keyring>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const context = bytes('a context');
const rejection = async (call: () => unknown): Promise<unknown> => {
  try {
    return await call();
  } catch (error) {
    return error;
  }
};

/** Tests a keyring. @example testKeyring('mine', { open: () => new MyKeyring(randomKey()) }); */
export function testKeyring(name: string, { open, openWith }: KeyringContractOptions): void {
  const newDataKey = async (): Promise<DataKey> => {
    const keyring = await open();
    return keyring.openKey(await keyring.newKey(context), context);
  };

  describe(`the ${name} keyring keeps the contract`, () => {
    test('opens what it wrapped: 60 bytes, others each time, the same key each time', async () => {
      const keyring = await open();
      const wrapped = await keyring.newKey(context);
      expect(wrapped).toHaveLength(60);
      expect(await keyring.newKey(context)).not.toEqual(wrapped);
      const [a, b] = [await keyring.openKey(wrapped, context), await keyring.openKey(wrapped, context)];
      expect(await a.hash(bytes('x'))).toEqual(await b.hash(bytes('x')));
      expect(await b.open(await a.seal(bytes('x'), bytes('y')), bytes('y'))).toEqual(bytes('x'));
      expect(keyring.id).toMatch(/^[0-9a-z]{1,16}$/);
    });

    test('opens nothing that was changed, cut off, made longer or wrapped for something else', async () => {
      const keyring = await open();
      const wrapped = await keyring.newKey(context);
      const wrongs: [Uint8Array, Uint8Array][] = [
        [wrapped, bytes('another context')],
        [wrapped, bytes('')],
        [wrapped.subarray(1), context],
        [wrapped.subarray(0, -1), context],
        [Uint8Array.from([...wrapped, 0]), context],
        [new Uint8Array(60), context],
        [new Uint8Array(0), context],
      ];
      for (let i = 0; i < wrapped.length; i++) {
        const changed = wrapped.slice();
        changed[i] = (changed[i] as number) ^ 1;
        wrongs.push([changed, context]);
      }
      for (const [wrong, of] of wrongs)
        expect(await rejection(() => keyring.openKey(wrong, of))).toMatchObject({ code: 'KEY', reason: 'wrong' });
    });

    test('seals so that only the same bytes and the same additional data open', async () => {
      const key = await newDataKey();
      for (const length of [0, 1, 15, 16, 17, 100_000]) {
        const plaintext = Uint8Array.from({ length }, (_, i) => i);
        const sealed = await key.seal(plaintext, context);
        expect(sealed).toHaveLength(12 + length + 16);
        const opened = await key.open(sealed, context);
        expect(opened?.length).toBe(length);
        expect(opened?.every((byte, i) => byte === plaintext[i])).toBe(true);
      }
      const sealed = await key.seal(bytes('plaintext'), context);
      expect(await key.open(sealed, bytes('another'))).toBeUndefined();
      expect(await key.open(sealed, new Uint8Array(0))).toBeUndefined();
      for (let length = 0; length < sealed.length; length++)
        expect(await key.open(sealed.subarray(0, length), context)).toBeUndefined();
      expect(await key.open(Uint8Array.from([...sealed, 0]), context)).toBeUndefined();
      for (let bit = 0; bit < 8 * sealed.length; bit++) {
        const changed = sealed.slice();
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(await key.open(changed, context)).toBeUndefined();
      }
      expect(await (await newDataKey()).open(sealed, context)).toBeUndefined();
    });

    test('shares no memory with anybody, and takes what it was given as it was when it was called', async () => {
      const key = await newDataKey();
      const [plaintext, aad] = [bytes('plaintext'), bytes('data')];
      const sealing = key.seal(plaintext, aad);
      plaintext.fill(0);
      aad.fill(0);
      const sealed = await sealing;
      const copy = sealed.slice();
      const opened = (await key.open(sealed, bytes('data'))) as Uint8Array;
      expect(opened).toEqual(bytes('plaintext'));
      opened.fill(0);
      expect(sealed).toEqual(copy);
      expect(await key.open(sealed, bytes('data'))).toEqual(bytes('plaintext'));
      expect(opened.slice().buffer).not.toBe(opened.buffer);
      const hash = await key.hash(plaintext);
      const before = hash.slice();
      (await key.hash(plaintext)).fill(0);
      expect(hash).toEqual(before);
    });

    test('seals behind a header what it seals without one', async () => {
      const key = await newDataKey();
      const header = bytes('header');
      for (const length of [0, 1, 5000]) {
        const plaintext = new Uint8Array(length).fill(7);
        const sealed = await key.sealBehind?.(header, plaintext, bytes('data'));
        if (sealed === undefined) return;
        expect(sealed.slice(0, header.length)).toEqual(header);
        const behind = sealed.slice(header.length);
        expect(behind).toHaveLength((await key.seal(plaintext, bytes('data'))).length);
        expect(await key.open(behind, bytes('data'))).toEqual(plaintext);
        expect(await key.open(behind, bytes('other'))).toBeUndefined();
        expect([sealed.byteOffset, sealed.buffer.byteLength]).toEqual([0, sealed.length]);
      }
    });

    test('hashes to 32 bytes, other messages and other keys to others, in base64url alike', async () => {
      const [a, b] = [await newDataKey(), await newDataKey()];
      const hashes = new Set<string>();
      for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 3]) {
        const message = new Uint8Array(length);
        const hash = await a.hash(message);
        expect(hash).toHaveLength(32);
        if (a.hashText !== undefined) expect(await a.hashText(message)).toBe(toBase64Url(hash));
        hashes.add(toHex(hash)).add(toHex(await b.hash(message)));
      }
      expect(hashes.size).toBe(22);
    });

    test.runIf(openWith !== undefined)('gives the bytes that other platforms give', async () => {
      const { master, keyId, wrapped, dataKey, hashes, seals } = KEY_VECTORS;
      const random: string[] = [dataKey, wrapped.slice(0, 24), ...seals.map((each) => each.nonce)];
      const keyring = await (openWith as NonNullable<typeof openWith>)(fromHex(master), () =>
        fromHex(random.shift() ?? ''),
      );
      expect(keyring.id).toBe(keyId);
      const of = bytes(KEY_VECTORS.context);
      expect(toHex(await keyring.newKey(of))).toBe(wrapped);
      const key = await keyring.openKey(fromHex(wrapped), of);
      for (const { message, hash } of hashes) expect(toHex(await key.hash(bytes(message)))).toBe(hash);
      for (const { nonce, plaintext, aad, sealed } of seals) {
        const made = toHex(await key.seal(bytes(plaintext), bytes(aad)));
        expect(made).toBe(sealed);
        expect(made.startsWith(nonce)).toBe(true);
        expect(await key.open(fromHex(sealed), bytes(aad))).toEqual(bytes(plaintext));
      }
    });

    test.runIf(openWith !== undefined)('answers from a store that another platform sealed', async () => {
      const { prefix, tenant, model, nowMs, answers, records } = STORE_VECTORS;
      const store = new MemoryStore();
      for (const [key, record] of Object.entries(records)) store.put(key, fromHex(record));
      const keyring = await (openWith as NonNullable<typeof openWith>)(fromHex(KEY_VECTORS.master), randomOf);
      const clock = { ...systemClock, epochNow: () => nowMs };
      const tier = new SealedTier({ store, keyring, clock, prefix });
      for (const { key, value } of answers) expect(await tier.get(key, { tenant, model })).toEqual(bytes(value));
      expect(await tier.get('another key', { tenant, model })).toBeUndefined();
      await tier.close();
    });

    test.runIf(openWith !== undefined)('wraps anew what another one wrapped, and nothing else', async () => {
      const fill = (byte: number): Promise<Keyring> =>
        Promise.resolve((openWith as NonNullable<typeof openWith>)(new Uint8Array(32).fill(byte), randomOf));
      const [a, b, c] = [await fill(1), await fill(2), await fill(3)];
      const wrapped = await a.newKey(context);
      const again = await b.rewrap(wrapped, context, a);
      const [old, young] = [await a.openKey(wrapped, context), await b.openKey(again, context)];
      expect(await young.hash(context)).toEqual(await old.hash(context));
      for (const call of [
        () => a.openKey(again, context),
        () => b.rewrap(wrapped, context, c),
        () => b.rewrap(wrapped, bytes('another'), a),
      ])
        expect(await rejection(call)).toMatchObject({ code: 'KEY' });
    });
  });
}

const randomOf = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

function toBase64Url(hash: Uint8Array): string {
  return btoa(String.fromCharCode(...hash))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}
