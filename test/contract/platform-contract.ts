/** @module What every Platform must do, as tests. */

import { describe, expect, test } from 'vitest';
import { createRequestContext } from '../../src/context.ts';
import { ModelLoadError } from '../../src/model-errors.ts';
import type { Platform } from '../../src/platform.ts';

export interface PlatformContractOptions {
  readonly platform: Platform;
  /** The content of an ONNX model in one file, where the platform reads models. */
  readonly model?: () => Promise<Uint8Array>;
}

/** SHA-256 of nothing and of 'abc' (FIPS 180-4), and of a million times 'a'. */
const DIGESTS = [
  ['', 1, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 1, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  ['a', 1_000_000, 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
] as const;

/** Tests a platform. @example testPlatform('mine', { platform: myPlatform }); */
export function testPlatform(name: string, { platform, model }: PlatformContractOptions): void {
  const context = (endpoint: string) => createRequestContext({ endpoint, clock: platform.clock });

  describe(`the ${name} platform keeps the contract`, () => {
    test('has a clock that never goes back, and one that tells the date', () => {
      const times = Array.from({ length: 100 }, () => platform.clock.now());
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(Math.abs(platform.clock.epochNow() - Date.now())).toBeLessThan(1000);
    });

    test('calls what is due once, in order, and not what was called off', async () => {
      const called: string[] = [];
      const cancelled = platform.clock.after(5, () => called.push('cancelled'));
      await new Promise<void>((resolve) => {
        platform.clock.after(30, () => {
          called.push('late');
          resolve();
        });
        platform.clock.after(1, () => called.push('early'));
        cancelled[Symbol.dispose]();
        cancelled[Symbol.dispose]();
      });
      expect(called).toEqual(['early', 'late']);
    });

    test.each(DIGESTS)('hashes %j times %i', async (text, times, expected) => {
      const bytes = new TextEncoder().encode(text.repeat(times));
      const digest = platform.digest(bytes);
      // The caller may reuse its bytes at once.
      bytes.fill(0);
      expect(await digest).toBe(expected);
    });

    test('hashes a part of a buffer', async () => {
      const bytes = new TextEncoder().encode('xabcx').subarray(1, 4);
      expect(await platform.digest(bytes)).toBe(DIGESTS[1][2]);
    });

    test('knows the current context of what runs at once, nested ones included', () => {
      const [outer, inner] = [context('outer'), context('inner')];
      expect(platform.currentContext()).toBeUndefined();
      const seen = platform.runWithContext(outer, () => [
        platform.currentContext(),
        platform.runWithContext(inner, () => platform.currentContext()),
        platform.currentContext(),
      ]);
      expect(seen).toEqual([outer, inner, outer]);
      expect(() =>
        platform.runWithContext(outer, () => {
          throw new Error('thrown');
        }),
      ).toThrow('thrown');
      expect(platform.currentContext()).toBeUndefined();
    });

    test('lists backends with a reason for each that is not there', async () => {
      const backends = await platform.listBackends();
      expect(new Set(backends.map((each) => each.backend)).size).toBe(backends.length);
      for (const { backend, available, reason } of backends) {
        if (!available) expect(reason, backend).toBeTruthy();
      }
    });

    test('lets nobody hear of work that fails after its call', async () => {
      platform.waitUntil(Promise.reject(new Error('too late to matter')));
      await new Promise<void>((resolve) => platform.clock.after(1, resolve));
    });

    describe.runIf(model !== undefined)('reads models', () => {
      const read = async (): Promise<Uint8Array<ArrayBuffer>> =>
        new Uint8Array(await (model as NonNullable<typeof model>)());

      test('from bytes, a buffer and a Blob alike', async () => {
        const bytes = await read();
        const sources = [bytes, bytes.buffer, new Blob([bytes])];
        const all = await Promise.all(sources.map((source) => platform.readModel(source, {})));
        const identity = await platform.digest(bytes);
        for (const files of all) {
          expect(files).toMatchObject({ format: 'onnx', identity });
          expect(files.files).toHaveLength(1);
          expect(files.files[0]?.bytes.byteLength).toBe(bytes.byteLength);
        }
      });

      test('and says what is none', async () => {
        for (const source of [new Uint8Array(0), new TextEncoder().encode('<!doctype html>')]) {
          await expect(platform.readModel(source, {})).rejects.toThrow(ModelLoadError);
        }
      });
    });
  });
}
