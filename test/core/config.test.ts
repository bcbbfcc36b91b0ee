import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { InferenceConfig } from '../../src/config.ts';
import { SECTIONS, TOP_LEVEL, toSnakeCase } from '../../src/config/schema.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('the defaults are those of the reference', () => {
  expect(new InferenceConfig()).toMatchObject({
    enabled: true,
    maxLevel: 2,
    batching: {
      enabled: true,
      maxBatchSize: 0,
      maxQueueDepth: 1024,
      maxWaitMs: 50,
      gpuHeadroomPct: 20,
      targetLatencyMs: 100,
    },
    compilation: { enabled: true, backend: 'auto', warmupRequests: 3, tolerance: 1e-5 },
    cache: { enabled: true, l1Size: 10_000, ttlSeconds: 86_400, privacyMode: 'ephemeral', redisUrl: '' },
    privacy: {
      mode: 'ephemeral',
      encryptAtRest: true,
      encryptionKeySource: 'env',
      redactPatterns: [],
      cacheTenantIsolation: true,
      auditLogEnabled: true,
      auditLogPath: '~/.epochly/audit/',
    },
  });
});

test('either spelling is taken, and toDict() round-trips', () => {
  fc.assert(
    fc.property(
      fc.record({
        max_level: fc.integer({ min: 0, max: 4 }),
        cache: fc.record({
          l1_size: fc.integer({ min: 1 }),
          ttl_seconds: fc.double({ min: 1, max: 1e9, noNaN: true }),
        }),
        privacy: fc.record({ redact_patterns: fc.array(fc.string()) }),
      }),
      (data) => {
        const config = InferenceConfig.fromDict(data);
        expect(config.cache.l1Size).toBe(data.cache.l1_size);
        expect(InferenceConfig.fromDict(config.toDict())).toEqual(config);
      },
    ),
  );
  expect(InferenceConfig.fromDict({ cache: { l1Size: 5 } }).cache.l1Size).toBe(5);
});

test('it cannot be changed', () => {
  const config = new InferenceConfig();
  expect(() => Object.assign(config, { maxLevel: 4 })).toThrow(TypeError);
  expect(() => Object.assign(config.cache, { l1Size: 1 })).toThrow(TypeError);
});

test.each<[string, unknown, string, RegExp]>([
  ['an unknown key', { cache: { l1_sise: 1 } }, 'cache.l1_sise', /has no cache\.l1_sise, but enabled, l1Size,/],
  ['an unknown section', { cash: {} }, 'cash', /has no cash, but enabled, .*, cache,/],
  ['a wrong type', { cache: { l1_size: '5' } }, 'cache.l1_size', /whole number from 1/],
  ['a value out of range', { maxLevel: 5 }, 'maxLevel', /from 0 to 4/],
  ['a fraction', { batching: { max_queue_depth: 1.5 } }, 'batching.max_queue_depth', /whole number/],
  [
    'a choice that is none',
    { privacy: { mode: 'open' } },
    'privacy.mode',
    /ephemeral, persisted_encrypted, hashes_only/,
  ],
  ['a section that is no object', { cache: 5 }, 'cache', /is an object/],
  ['both spellings', { cache: { l1Size: 1, l1_size: 2 } }, 'cache.l1_size', /twice/],
  ['a key from the prototype', { cache: { constructor: 1 } }, 'cache.constructor', /has no cache\.constructor/],
  ['an own __proto__', JSON.parse('{"cache": {"__proto__": 1}}'), 'cache.__proto__', /has no/],
])('%s is refused, with the field’s name', (_name, data, field, message) => {
  expect(() => InferenceConfig.fromDict(data as Record<string, unknown>)).toThrow(
    expect.objectContaining({ code: 'CONFIG', field, message: expect.stringMatching(message) }),
  );
});

test('the environment is read strictly', () => {
  const config = InferenceConfig.fromEnv({
    EPOCHLY_INFERENCE_MAX_LEVEL: '1',
    EPOCHLY_INFERENCE_CACHE_ENABLED: 'off',
    EPOCHLY_INFERENCE_CACHE_TTL_SECONDS: '1e3',
    EPOCHLY_INFERENCE_FRAMEWORKS: 'tfjs, onnxruntime',
    PATH: '/bin',
  });
  expect([config.maxLevel, config.cache.enabled, config.cache.ttlSeconds, config.frameworks]).toEqual([
    1,
    false,
    1000,
    ['tfjs', 'onnxruntime'],
  ]);
  for (const [name, value] of [
    ['EPOCHLY_INFERENCE_CACHE_L1_SIZE', '5x'],
    ['EPOCHLY_INFERENCE_CACHE_L1_SIZE', ''],
    ['EPOCHLY_INFERENCE_ENABLED', 'maybe'],
  ] as const) {
    expect(() => InferenceConfig.fromEnv({ [name]: value })).toThrow(
      expect.objectContaining({ code: 'CONFIG', field: name }),
    );
  }
});

test('code goes before the environment, the environment before the file, field by field', () => {
  const config = InferenceConfig.resolve({
    options: { cache: { l1Size: 1 } },
    env: {
      EPOCHLY_INFERENCE_CACHE_L1_SIZE: '2',
      EPOCHLY_INFERENCE_CACHE_TTL_SECONDS: '20',
      EPOCHLY_INFERENCE_MAX_LEVEL: '0',
    },
    file: { max_level: 3, cache: { l1_size: 3, ttl_seconds: 30, l1_max_bytes: 300 } },
  });
  expect([config.maxLevel, config.cache.l1Size, config.cache.ttlSeconds, config.cache.l1MaxBytes]).toEqual([
    0, 1, 20, 300,
  ]);
});

test('a variable that it does not know may be another program’s: it is passed over, with a word of it', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const config = InferenceConfig.fromEnv({ EPOCHLY_INFERENCE_CACHE_L1SIZE: '5', EPOCHLY_INFERENCE_MAX_LEVEL: '1' });
  expect([config.cache.l1Size, config.maxLevel]).toEqual([10_000, 1]);
  expect(warn.mock.calls).toEqual([[expect.stringContaining('knows no variable EPOCHLY_INFERENCE_CACHE_L1SIZE')]]);
});

test('fromEnv() without the variables says where they are', () => {
  for (const nothing of [undefined, null, 'PATH']) {
    expect(() => InferenceConfig.fromEnv(nothing as unknown as Record<string, string>)).toThrow(
      expect.objectContaining({ code: 'CONFIG', message: expect.stringContaining('fromEnv(process.env)') }),
    );
  }
});

test('the documentation lists every field, with its variable and its default', () => {
  const docs = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  const rows = Object.entries({ '': TOP_LEVEL, ...SECTIONS }).flatMap(([section, fields]) =>
    Object.entries(fields).map(([name, { initial }]) => {
      const key = section === '' ? toSnakeCase(name) : `${section}.${toSnakeCase(name)}`;
      const variable = `EPOCHLY_INFERENCE_${key.replace('.', '_').toUpperCase()}`;
      return `| \`${key}\` | \`${variable}\` | ${String(initial) || 'none'} |`;
    }),
  );
  expect(docs.match(/^\| `.*$/gm)).toEqual(rows);
});

test('each variable that the documentation names is read, and so is each default as it is written there', () => {
  const docs = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  const documented = [...docs.matchAll(/^\| `[a-z0-9_.]+` \| `(\w+)` \| (.+) \|$/gm)];
  const env = documented.map(([, variable, value]) => [variable, value === 'none' ? '' : value]);
  expect(env.length).toBeGreaterThan(20);
  const warn = vi.spyOn(console, 'warn');
  expect(InferenceConfig.fromEnv(Object.fromEntries(env) as Record<string, string>)).toEqual(new InferenceConfig());
  expect(warn).not.toHaveBeenCalled();
});
