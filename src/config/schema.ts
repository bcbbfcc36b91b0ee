/** @module Every field of the configuration: its kind, its range, its default. All else follows from this table. */

import { DEFAULT_CACHE_CONFIG, PRIVACY_MODES } from '../cache/cache-config.ts';

/** What a field holds, and what it may be. */
export type FieldSpec =
  | { readonly kind: 'boolean'; readonly initial: boolean }
  | { readonly kind: 'integer' | 'number'; readonly initial: number; readonly min: number; readonly max: number }
  | { readonly kind: 'string'; readonly initial: string; readonly oneOf?: readonly string[] | undefined }
  | { readonly kind: 'strings'; readonly initial: readonly string[] };

export type SectionSpec = Readonly<Record<string, FieldSpec>>;

const flag = (initial: boolean): FieldSpec => ({ kind: 'boolean', initial });
const text = (initial: string, oneOf?: readonly string[]): FieldSpec => ({ kind: 'string', initial, oneOf });
const numeric =
  (kind: 'integer' | 'number') =>
  (initial: number, min: number, max: number = Number.MAX_VALUE): FieldSpec => ({ kind, initial, min, max });
const integer = numeric('integer');
const number = numeric('number');

/** The frameworks of the adapters that come with the package; 'hosted' is what load() opens. */
export const BUILT_IN_FRAMEWORKS: readonly string[] = ['onnxruntime', 'tfjs', 'transformers', 'hosted'];

export const TOP_LEVEL: SectionSpec = {
  enabled: flag(true),
  maxLevel: integer(2, 0, 4),
  frameworks: { kind: 'strings', initial: BUILT_IN_FRAMEWORKS },
};

export type SectionName = 'batching' | 'compilation' | 'cache' | 'privacy' | 'safety' | 'serving';

export const SECTIONS: Readonly<Record<SectionName, SectionSpec>> = {
  batching: {
    enabled: flag(true),
    maxBatchSize: integer(0, 0),
    maxQueueDepth: integer(1024, 1),
    maxWaitMs: number(50, 0),
    gpuHeadroomPct: integer(20, 0, 100),
    targetLatencyMs: number(100, 0),
  },
  compilation: {
    enabled: flag(true),
    backend: text('auto'),
    warmupRequests: integer(3, 0),
    tolerance: number(1e-5, 0),
    keepVerdicts: flag(false),
    verdictsPath: text(''),
    memoryBudgetMb: number(0, 0),
  },
  cache: {
    enabled: flag(DEFAULT_CACHE_CONFIG.enabled),
    l1Size: integer(DEFAULT_CACHE_CONFIG.l1Size, 1),
    l1MaxBytes: integer(DEFAULT_CACHE_CONFIG.l1MaxBytes, 1),
    ttlSeconds: number(DEFAULT_CACHE_CONFIG.ttlSeconds, 0.001),
    privacyMode: text(DEFAULT_CACHE_CONFIG.privacyMode, PRIVACY_MODES),
    l2MaxBytes: integer(DEFAULT_CACHE_CONFIG.l2MaxBytes, 1),
    l2Path: text(DEFAULT_CACHE_CONFIG.l2Path),
    redisUrl: text(DEFAULT_CACHE_CONFIG.redisUrl),
    redisPrefix: text(DEFAULT_CACHE_CONFIG.redisPrefix),
    redisTimeoutMs: number(DEFAULT_CACHE_CONFIG.redisTimeoutMs, 1),
    crossNodeSingleFlight: flag(DEFAULT_CACHE_CONFIG.crossNodeSingleFlight),
  },
  privacy: {
    mode: text('ephemeral', PRIVACY_MODES),
    encryptAtRest: flag(true),
    allowPlaintextAtRest: flag(false),
    encryptionKeySource: text('env', ['env', 'file', 'hsm', 'browser']),
    encryptionKeyPath: text(''),
    createEncryptionKey: flag(false),
    redactPatterns: { kind: 'strings', initial: [] },
    redactBuiltIns: { kind: 'strings', initial: [] },
    cacheTenantIsolation: flag(true),
    auditLogEnabled: flag(true),
    auditLogPath: text('~/.epochly/audit/'),
    strictChecks: flag(false),
  },
  safety: {
    sampleRate: number(0.01, 0, 1),
    warmupTarget: integer(10, 1),
  },
  serving: {
    maxConcurrency: integer(64, 1),
  },
};

/** `maxBatchSize` as files, environment variables and metrics spell it: `max_batch_size`. */
export function toSnakeCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
}

/** Why a value does not fit its field; undefined where it does. */
export function whyNot(spec: FieldSpec, value: unknown): string | undefined {
  switch (spec.kind) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'true or false';
    case 'string':
      if (typeof value !== 'string') return 'a string';
      return spec.oneOf === undefined || spec.oneOf.includes(value) ? undefined : `one of ${spec.oneOf.join(', ')}`;
    case 'strings':
      return Array.isArray(value) && value.every((each) => typeof each === 'string') ? undefined : 'a list of strings';
    case 'integer':
    case 'number': {
      const whole = spec.kind === 'number' || Number.isSafeInteger(value);
      const fits =
        typeof value === 'number' && Number.isFinite(value) && whole && value >= spec.min && value <= spec.max;
      if (fits) return undefined;
      const upper = spec.max === Number.MAX_VALUE ? 'up' : `to ${spec.max}`;
      return `a ${spec.kind === 'integer' ? 'whole ' : ''}number from ${spec.min} ${upper}`;
    }
  }
}

/** A value from an environment variable, which is text; text that does not fit its kind stays as it is. */
export function fromText(spec: FieldSpec, value: string): unknown {
  switch (spec.kind) {
    case 'boolean':
      if (/^(true|1|yes|on)$/i.test(value)) return true;
      return /^(false|0|no|off)$/i.test(value) ? false : value;
    case 'integer':
    case 'number':
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value.trim()) ? Number(value) : value;
    case 'strings':
      return value
        .split(',')
        .map((each) => each.trim())
        .filter((each) => each !== '');
    case 'string':
      return value;
  }
}
