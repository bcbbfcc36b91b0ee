import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InferenceCache } from '../../src/cache/inference-cache.ts';
import { InferenceConfig } from '../../src/config.ts';
import type { InferenceConfigInit } from '../../src/config.ts';
import { EpochlyError } from '../../src/errors.ts';
import { findBreaches } from '../../src/privacy/cache-isolation.ts';
import type { TenantCache } from '../../src/privacy/cache-isolation.ts';
import { inputSize } from '../../src/privacy/input-size.ts';
import { SecurityError } from '../../src/privacy/security-result.ts';
import { SecurityValidator } from '../../src/privacy/security-validator.ts';
import { TenantIsolation } from '../../src/privacy/tenant-isolation.ts';
import { Tensor } from '../../src/tensor.ts';
import type { Portable } from '../../src/portable.ts';

const validator = new SecurityValidator();

/** A cache whose entries are named by a function of tenant and key. */
function named(
  nameOf: (tenant: string, key: string) => string,
): TenantCache & { readonly entries: Map<string, string> } {
  const entries = new Map<string, string>();
  return {
    entries,
    put: (tenant, key, value) => void entries.set(nameOf(tenant, key), value),
    get: (tenant, key) => entries.get(nameOf(tenant, key)),
    clear: () => entries.clear(),
  };
}

describe('cache isolation', () => {
  test('holds for names behind escaped ids, and nothing is left behind', async () => {
    const cache = named((tenant, key) => new TenantIsolation(tenant).namespaceKey(key));
    expect(await validator.checkCacheIsolation(cache)).toMatchObject({
      passed: true,
      check: 'cache_isolation',
      severity: 'info',
    });
    expect(cache.entries.size).toBe(0);
  });

  test('holds for the cache of answers, which keeps what it had', async () => {
    const cache = new InferenceCache();
    await cache.put(1, 'x', 'y');
    expect(await validator.checkCacheIsolation(cache)).toMatchObject({ passed: true });
    expect(await cache.get(1, 'x')).toBe('y');
    expect(cache.getStats().entries).toBe(1);
  });

  test.each<[string, (tenant: string, key: string) => string]>([
    ['forgets the tenant', (_, key) => key],
    ['joins id and key', (tenant, key) => tenant + key],
    ['separates them by a colon alone', (tenant, key) => `${tenant}:${key}`],
    ['escapes the colon alone', (tenant, key) => `${tenant.replaceAll(':', '%3A')}:${key}`],
    ['ignores letter case', (tenant, key) => `${JSON.stringify(tenant)}:${key}`.toLowerCase()],
    ['ignores spaces at the ends', (tenant, key) => JSON.stringify([tenant.trim(), key])],
    ['ends ids at a NUL', (tenant, key) => JSON.stringify([tenant.split('\0')[0], key])],
    ['takes forms of a letter for the same', (tenant, key) => JSON.stringify([tenant.normalize(), key])],
    [
      'takes the default tenant for an absent one',
      (tenant, key) => JSON.stringify([tenant === 'undefined' ? 'default' : tenant, key]),
    ],
    ['decodes ids', (tenant, key) => JSON.stringify([tenant.replaceAll('%3A', ':'), key])],
  ])('does not for a cache that %s', async (_, nameOf) => {
    const result = await validator.checkCacheIsolation(named(nameOf));
    expect(result).toMatchObject({
      passed: false,
      severity: 'critical',
      message: expect.stringContaining('was given'),
    });
    const [breach] = await findBreaches(named(nameOf));
    expect(breach?.tenant === breach?.owner.tenant && breach?.key === breach?.owner.key).toBe(false);
  });

  test('holds where nothing is kept; fails where the cache does', async () => {
    const none: TenantCache = { put: () => undefined, get: () => undefined };
    expect(await validator.checkCacheIsolation(none)).toMatchObject({ passed: true });
    const broken: TenantCache = { put: () => Promise.reject(new Error('no disk')), get: () => undefined };
    expect(await validator.checkCacheIsolation(broken)).toMatchObject({
      passed: false,
      message: expect.stringContaining('no disk'),
    });
  });

  test('answers that were there before are nobody’s breach but are not taken for one’s own', async () => {
    const cache = named((tenant, key) => JSON.stringify([tenant, key]));
    const get = cache.get.bind(cache);
    const foreign: TenantCache = { ...cache, get: async (tenant, key) => (await get(tenant, key)) ?? 'someone else’s' };
    expect(await validator.checkCacheIsolation(foreign)).toMatchObject({ passed: false });
  });
});

describe('privacy controls', () => {
  const check = (privacyMode: string, encryptionKeyPresent: boolean, redactionPatternsConfigured: boolean) =>
    validator.checkPrivacyControls({
      privacyMode: privacyMode as 'ephemeral',
      encryptionKeyPresent,
      redactionPatternsConfigured,
    });

  test.each([
    ['ephemeral', false, false, true, 'info'],
    ['persisted_encrypted', true, true, true, 'info'],
    ['persisted_encrypted', true, false, true, 'warning'],
    ['persisted_encrypted', false, true, false, 'critical'],
    ['hashes_only', true, false, true, 'info'],
    ['hashes_only', false, false, false, 'critical'],
    ['none', true, true, false, 'critical'],
  ])('%s, key %s, patterns %s: passed %s, %s', (mode, key, patterns, passed, severity) => {
    expect(check(mode, key, patterns)).toMatchObject({ check: 'privacy_controls', passed, severity });
  });

  test('a missing key is told how to be given', () => {
    expect(check('hashes_only', false, false).message).toContain('EPOCHLY_ENCRYPTION_KEY');
  });
});

describe('safety bypass resistance', () => {
  const check = (config: InferenceConfigInit, validatorsConfigured = false) =>
    validator.checkSafetyBypassResistance(config, { validatorsConfigured });

  test('holds for the defaults, as a whole and field by field', () => {
    expect(check({})).toMatchObject({ check: 'safety_bypass_resistance', passed: true, severity: 'info' });
    expect(check(new InferenceConfig())).toMatchObject({ passed: true, severity: 'info' });
  });

  test.each<[string, InferenceConfigInit]>([
    ['cacheTenantIsolation', { privacy: { cacheTenantIsolation: false } }],
    ['encryptAtRest', { privacy: { mode: 'persisted_encrypted', encryptAtRest: false } }],
    ['encryptAtRest', { privacy: { mode: 'hashes_only', encryptAtRest: false } }],
    ['tolerance', { maxLevel: 3, compilation: { tolerance: 1 } }],
    ['sampleRate', { maxLevel: 3, safety: { sampleRate: 0 } }],
    ['validator', { maxLevel: 4 }],
  ])('does not with %s: %j', (field, config) => {
    const result = check(config);
    expect(result).toMatchObject({ passed: false, severity: 'critical', message: expect.stringContaining(field) });
    expect(check(new InferenceConfig(config))).toMatchObject({ passed: false });
  });

  test.each<[string, InferenceConfigInit]>([
    ['tolerance', { maxLevel: 3, compilation: { tolerance: 0.05 } }],
    ['warmupTarget', { maxLevel: 3, safety: { warmupTarget: 1 } }],
    ['warmupRequests', { maxLevel: 3, compilation: { warmupRequests: 0 } }],
    ['auditLogEnabled', { privacy: { auditLogEnabled: false } }],
    ['l2Path', { cache: { l2Path: 'x.db' } }],
    ['redisUrl', { cache: { redisUrl: 'redis://x' } }],
  ])('warns of %s: %j', (field, config) => {
    expect(check(config)).toMatchObject({ passed: true, severity: 'warning', message: expect.stringContaining(field) });
  });

  test('what has no effect is no fault', () => {
    expect(check({ maxLevel: 2, compilation: { tolerance: 1 }, safety: { sampleRate: 0 } })).toMatchObject({
      severity: 'info',
    });
    expect(check({ enabled: false, maxLevel: 4 })).toMatchObject({ severity: 'info' });
    expect(check({ maxLevel: 4 }, true)).toMatchObject({ severity: 'info' });
    expect(check({ privacy: { encryptAtRest: false } })).toMatchObject({ severity: 'info' });
    expect(check({ maxLevel: 4, compilation: { tolerance: 0.01 } }, true)).toMatchObject({ severity: 'info' });
  });
});

describe('input size', () => {
  const small = new SecurityValidator({ maxInputSizeBytes: 10 });

  test('is 10 MiB at most unless it is said', () => {
    expect(validator.maxInputSizeBytes).toBe(10_485_760);
    expect(validator.checkInputSize(new Float32Array(2_621_440))).toMatchObject({
      passed: true,
      details: { bytes: 10_485_760 },
    });
    expect(validator.checkInputSize(new Float32Array(2_621_441))).toMatchObject({ passed: false, check: 'input_size' });
    for (const maxInputSizeBytes of [0, 1.5, -1, NaN, Infinity])
      expect(() => new SecurityValidator({ maxInputSizeBytes }), String(maxInputSizeBytes)).toThrow(RangeError);
  });

  test.each<[Portable, boolean]>([
    ['1234567890', true],
    ['12345678901', false],
    ['äöüßé', true],
    ['äöüßéx', false],
    ['💥💥xx', true],
    ['💥💥xxx', false],
    ['\ud800\ud800\ud800', true],
    ['\ud800\ud800\ud800xx', false],
    [[1, true, null], true],
    [[1, true, null, false], false],
    [{ ab: 5 }, true],
    [{ abc: 5 }, false],
    [2n ** 80n - 1n, true],
    [2n ** 80n, false],
    [new Tensor('float32', new Float32Array(2), [2]), true],
    [new Tensor('float32', new Float32Array(3), [3]), false],
    [new Tensor('string', ['12345', '67890'], [2]), true],
    [new Tensor('string', ['12345', '678901'], [2]), false],
    [[new Uint8Array(5), undefined, new Uint8Array(5)], true],
    [[new Uint8Array(5), new Uint8Array(6)], false],
  ])('%o within ten bytes: %s', (input, passed) => {
    expect(small.checkInputSize(input)).toMatchObject({ passed });
  });

  test('of a part of a buffer is that of the part; views of other kinds and buffers count as well', () => {
    expect(small.checkInputSize(new Uint8Array(100).subarray(0, 10))).toMatchObject({ passed: true });
    expect(small.checkInputSize(new ArrayBuffer(11) as unknown as Portable)).toMatchObject({ passed: false });
    expect(small.checkInputSize(new DataView(new ArrayBuffer(11)) as unknown as Portable)).toMatchObject({
      passed: false,
    });
  });

  test('stops counting once it is too much, and at cycles', () => {
    let reads = 0;
    const counted = Array.from({ length: 100 }, () => ({
      get x(): number {
        reads++;
        return 1;
      },
    }));
    expect(small.checkInputSize(counted)).toMatchObject({ passed: false });
    expect(reads).toBeLessThan(5);
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    expect(validator.checkInputSize(cyclic as Portable)).toMatchObject({
      passed: false,
      message: expect.stringContaining('nested'),
    });
  });

  test('of strings is what TextEncoder makes of them', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string(),
      fc.array(fc.constantFrom('\ud83d', '\udca5', 'ä', '€', 'a')).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (value) => {
        expect(inputSize(value, Infinity)).toBe(new TextEncoder().encode(value).length);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('all checks', () => {
  const fine = {
    cache: named((tenant, key) => JSON.stringify([tenant, key])),
    privacyMode: 'ephemeral',
    encryptionKeyPresent: false,
    redactionPatternsConfigured: false,
    config: {},
  } as const;
  const bad = {
    ...fine,
    cache: named((_, key) => key),
    privacyMode: 'hashes_only',
    config: { privacy: { cacheTenantIsolation: false } },
  } as const;

  test('are reported together', async () => {
    expect(await validator.runAllChecks(fine)).toMatchObject({ passed: true, failed: [], results: { length: 3 } });
    expect(await validator.runAllChecks({ ...fine, cache: undefined })).toMatchObject({
      passed: true,
      results: { length: 2 },
    });
    expect(await validator.runAllChecks(bad)).toMatchObject({
      passed: false,
      failed: ['cache_isolation', 'privacy_controls', 'safety_bypass_resistance'],
    });
  });

  test('a strict validator throws, naming each that failed; warnings are no failure', async () => {
    const strict = new SecurityValidator({ strict: true });
    expect(await strict.runAllChecks({ ...fine, config: { privacy: { auditLogEnabled: false } } })).toMatchObject({
      passed: true,
    });
    const error = await strict.runAllChecks(bad).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SecurityError);
    expect(EpochlyError.isInstance(error, 'SECURITY')).toBe(true);
    const { message, results } = error as SecurityError;
    for (const name of ['cache_isolation', 'privacy_controls', 'safety_bypass_resistance'])
      expect(message).toContain(name);
    expect(results).toHaveLength(3);
  });
});
