import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { InferenceCache } from '../../src/cache/inference-cache.ts';
import type { CacheKey } from '../../src/cache/inference-cache.ts';
import { QuestionKeys } from '../../src/cache/question-keys.ts';
import type { CacheQuestion } from '../../src/cache/question-keys.ts';
import { encodePortable } from '../../src/codec.ts';
import type { Digest } from '../../src/platform.ts';
import type { Portable } from '../../src/portable.ts';
import { sha256Hex } from '../../src/sha256.ts';
import { portable } from '../helpers/arbitraries.ts';

const slotOf = (keys: QuestionKeys, question: CacheQuestion): string => (keys.keyOf(question) as CacheKey).slot;
const bytesOf = (value: Portable): string => Buffer.from(encodePortable(value)).toString('hex');

test('two questions share a slot exactly where they are equal, short or long', () => {
  const keys = new QuestionKeys(new InferenceCache(), (bytes) => sha256Hex(bytes));
  const question = fc.record({
    modelId: fc.integer({ min: 1, max: 2 }),
    identity: fc.constantFrom(undefined, '1', 'sha'),
    entryPoint: fc.constantFrom('', 'run', 'r'),
    tenant: fc.constantFrom('default', 'a', 'default:a'),
    args: fc.array(portable, { maxLength: 2 }),
  });
  const asValue = ({ modelId, identity, entryPoint, tenant = 'default', args }: CacheQuestion): Portable => [
    tenant,
    identity ?? modelId,
    entryPoint,
    args,
  ];
  fc.assert(
    fc.property(question, question, fc.nat(600), (a, b, padding) => {
      const pad = (each: typeof a): CacheQuestion => ({ ...each, args: [...each.args, new Uint8Array(padding)] });
      const same = bytesOf(asValue(pad(a))) === bytesOf(asValue(pad(b)));
      expect(slotOf(keys, pad(a)) === slotOf(keys, pad(b))).toBe(same);
      expect(slotOf(keys, pad(a))).toBe(slotOf(keys, pad(a)));
    }),
  );
});

test('a question is hashed from as many bytes on as the platform’s digest is faster', () => {
  const slot = (digest: Digest, length: number): string =>
    slotOf(new QuestionKeys(new InferenceCache(), digest), {
      modelId: 1,
      entryPoint: '',
      args: [new Uint8Array(length)],
    });
  const hashes = (digest: Digest, length: number): boolean => /^[0-9a-f]{64}$/.test(slot(digest, length));
  // An exact one is the question's bytes behind one character.
  const overhead = slot((bytes) => sha256Hex(bytes), 190).length - 1 - 190;
  const fast = Object.assign((bytes: Uint8Array) => sha256Hex(bytes), { fasterFromBytes: 200 });
  const lengths = [199, 200, 512, 513].map((total) => total - overhead);
  expect(lengths.map((length) => hashes(fast, length))).toEqual([false, true, true, true]);
  expect(lengths.map((length) => hashes((bytes) => sha256Hex(bytes), length))).toEqual([false, false, false, true]);
});

test('a short question cannot be made to look like the hash of a long one', () => {
  const keys = new QuestionKeys(new InferenceCache(), (bytes) => sha256Hex(bytes));
  const long = slotOf(keys, { modelId: 1, entryPoint: 'run', args: [new Uint8Array(4096)] });
  expect(long).toMatch(/^[0-9a-f]{64}$/);
  expect(slotOf(keys, { modelId: 1, entryPoint: 'run', args: [long] })).toMatch(/^=/);
});
