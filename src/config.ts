/** @module The configuration: from code, the environment, a file. */

import type { CacheConfig, PrivacyMode } from './cache/cache-config.ts';
import { fromText, SECTIONS, TOP_LEVEL, toSnakeCase, whyNot } from './config/schema.ts';
import type { FieldSpec, SectionName, SectionSpec } from './config/schema.ts';
import { ConfigError } from './errors.ts';

export type { CacheConfig, CacheConfig as CacheSettings } from './cache/cache-config.ts';

/** When requests are answered together. */
export interface BatchingConfig {
  /** Default true. */
  readonly enabled: boolean;
  /** Most requests in a batch; 0, the default, finds the limit by measurement. */
  readonly maxBatchSize: number;
  /** Most requests that wait; more are refused. Default 1024. */
  readonly maxQueueDepth: number;
  /** Longest a request waits for company, in milliseconds. Default 50. */
  readonly maxWaitMs: number;
  /** Share of the device's memory that is left free, in percent. Default 20. */
  readonly gpuHeadroomPct: number;
  /** Latency that batching must keep, in milliseconds. Default 100. */
  readonly targetLatencyMs: number;
}

/** When a model is compiled for a faster backend, and how its answers are checked. */
export interface CompilationConfig {
  /** Default true. */
  readonly enabled: boolean;
  /** Default 'auto'. */
  readonly backend: string;
  /** Runs before a compiled model is called ready. Default 3. */
  readonly warmupRequests: number;
  /** Largest difference from the reference, relative to its largest absolute value. Default 1e-5. */
  readonly tolerance: number;
  /** Whether what a search came to is kept for the next start, in any mode of privacy: nobody's data is in it. Default false. */
  readonly keepVerdicts: boolean;
  /** The SQLite file of verdicts, in browsers the database. Default '': `~/.epochly/verdicts.sqlite`, 'epochly-verdicts'. */
  readonly verdictsPath: string;
  /**
   * Megabytes that the copies of one model may take. Where the reference and a faster way do not both fit, the reference is closed
   * while nobody needs it. Default 0: no limit.
   */
  readonly memoryBudgetMb: number;
}

/** What of the answers may be kept, and how it is protected. */
export interface PrivacyConfig {
  /** Default 'ephemeral': nothing leaves memory. The same as `cache.privacyMode`: who gives one of them gives both. */
  readonly mode: PrivacyMode;
  /** False needs `allowPlaintextAtRest` as well. Default true. */
  readonly encryptAtRest: boolean;
  /** The second word for answers that lie readable in the store. Default false. */
  readonly allowPlaintextAtRest: boolean;
  /**
   * Where the master key is. 'env': 32 bytes in base64 or hexadecimal digits in `EPOCHLY_ENCRYPTION_KEY`; 'file'; 'hsm', through
   * PKCS#11; 'browser': a CryptoKey that cannot be exported, which is what 'env' is in browsers too. Default 'env'.
   */
  readonly encryptionKeySource: 'env' | 'file' | 'hsm' | 'browser';
  /**
   * Of 'file' the file, of 'hsm' the PKCS#11 library (the PIN is in `EPOCHLY_HSM_PIN`), of 'browser' the database. Default '':
   * `~/.epochly/master.key`, no library, 'epochly-keyring'.
   */
  readonly encryptionKeyPath: string;
  /** Whether 'file' and 'hsm' make a key where there is none. Default false. */
  readonly createEncryptionKey: boolean;
  /** Regular expressions: an answer in which one of them is found is not kept in persistent tiers. Default none. */
  readonly redactPatterns: readonly string[];
  /** Names of built-in patterns to the same end, such as 'email' and 'iban'. Default none. */
  readonly redactBuiltIns: readonly string[];
  /** Whether tenants have answers of their own. False: whoever asks the same is given the same. Default true. */
  readonly cacheTenantIsolation: boolean;
  /** Default true. */
  readonly auditLogEnabled: boolean;
  /**
   * In modes other than 'ephemeral', the folder of the audit log, in browsers its database. '' keeps it in memory. Default
   * '~/.epochly/audit/', in browsers 'epochly-audit'.
   */
  readonly auditLogPath: string;
  /** Whether nothing starts unless all of `SecurityValidator.runAllChecks` pass. Default false: what fails is written to the console. */
  readonly strictChecks: boolean;
}

/** How much of the calls is looked at. */
export interface SafetyConfig {
  /** Share of calls that are sampled after the warm-up, 0 to 1. Default 0.01. */
  readonly sampleRate: number;
  /** Calls that make a model's baseline. Default 10. */
  readonly warmupTarget: number;
}

/** How much is served at once. */
export interface ServingConfig {
  /** Most requests in flight. Default 64. */
  readonly maxConcurrency: number;
}

interface Sections {
  readonly batching: BatchingConfig;
  readonly compilation: CompilationConfig;
  readonly cache: CacheConfig;
  readonly privacy: PrivacyConfig;
  readonly safety: SafetyConfig;
  readonly serving: ServingConfig;
}

interface TopLevel {
  readonly enabled: boolean;
  readonly maxLevel: number;
  readonly frameworks: readonly string[];
}

/** Any part of the configuration; what is left out has its default. */
export type InferenceConfigInit = { readonly [Field in keyof TopLevel]?: TopLevel[Field] | undefined } & {
  readonly [Name in SectionName]?:
    | { readonly [Field in keyof Sections[Name]]?: Sections[Name][Field] | undefined }
    | undefined;
};

type Data = Readonly<Record<string, unknown>>;
type Variables = Readonly<Record<string, string | undefined>>;

const ENV_PREFIX = 'EPOCHLY_INFERENCE_';

/** Immutable. Every way of making one checks every field, and names the one that is wrong. */
export class InferenceConfig implements TopLevel, Sections {
  /** Whether anything is done at all; without it a proxy only passes calls on. Default true. */
  declare readonly enabled: boolean;
  /** Highest level of enhancement, 0 to 4. Default 2. */
  declare readonly maxLevel: number;
  /** The frameworks whose models are enhanced, of those that come with the package. Default all. */
  declare readonly frameworks: readonly string[];
  declare readonly batching: BatchingConfig;
  declare readonly compilation: CompilationConfig;
  declare readonly cache: CacheConfig;
  declare readonly privacy: PrivacyConfig;
  declare readonly safety: SafetyConfig;
  declare readonly serving: ServingConfig;

  /** @throws ConfigError naming the field. */
  constructor(init: InferenceConfigInit = {}) {
    const { '': top, ...sections } = parse(init as Data);
    Object.assign(this, withDefaults(TOP_LEVEL, top));
    for (const [name, specs] of Object.entries(SECTIONS)) {
      Object.assign(this, { [name]: withDefaults(specs, sections[name]) });
    }
    Object.freeze(this);
  }

  /**
   * From plain data, in snake_case or camelCase.
   * @throws ConfigError naming an unknown key (and those that there are), or a wrong value.
   */
  static fromDict(data: Data): InferenceConfig {
    return new InferenceConfig(data as InferenceConfigInit);
  }

  /**
   * From variables such as `EPOCHLY_INFERENCE_CACHE_L1_SIZE` or `EPOCHLY_INFERENCE_MAX_LEVEL`. Booleans are true, false,
   * 1, 0, yes, no, on, off; lists are separated by commas. Of a variable that is none of these a warning is written: another
   * program may have named it.
   *
   * @throws ConfigError naming the variable whose value is wrong.
   */
  static fromEnv(env: Variables): InferenceConfig {
    if (!isRecord(env))
      throw new ConfigError('', 'Give fromEnv() the variables: InferenceConfig.fromEnv(process.env).');
    return InferenceConfig.resolve({ env });
  }

  /** Field by field: what code gives, else the environment, else the file, else the default. */
  static resolve({
    options,
    env = {},
    file,
  }: {
    readonly options?: InferenceConfigInit | undefined;
    readonly env?: Variables | undefined;
    readonly file?: Data | undefined;
  }): InferenceConfig {
    const merged: Record<string, Data> = {};
    for (const layer of [parse(file ?? {}), readEnv(env), parse((options ?? {}) as Data)]) {
      for (const [name, fields] of Object.entries(layer)) merged[name] = { ...merged[name], ...fields };
    }
    const { '': top, ...sections } = merged;
    return new InferenceConfig({ ...top, ...sections });
  }

  /** Plain data in snake_case; `fromDict` makes the same configuration of it. */
  toDict(): Record<string, unknown> {
    return inSnakeCase(this as unknown as Data);
  }
}

function inSnakeCase(fields: Data): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [toSnakeCase(name), isRecord(value) ? inSnakeCase(value) : value]),
  );
}

/** Checked fields by section; '' is the top level. */
type Parsed = Readonly<Record<string, Data>>;

function parse(data: Data): Parsed {
  if (!isRecord(data)) throw new ConfigError('', 'The configuration is an object.');
  const parsed: Record<string, Data> = {};
  const top: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(data)) {
    if (!Object.hasOwn(SECTIONS, key)) {
      top[key] = value;
    } else if (value !== undefined) {
      if (!isRecord(value)) throw new ConfigError(key, `The configuration's ${key} is an object.`);
      parsed[key] = parseFields(`${key}.`, SECTIONS[key as SectionName], value);
    }
  }
  parsed[''] = parseFields('', TOP_LEVEL, top);
  return withOneMode(parsed);
}

/** The mode has two names, of which the reference's cache has one and its privacy section the other. */
function withOneMode({ cache, privacy, ...rest }: Parsed): Parsed {
  const mode = privacy?.['mode'] ?? cache?.['privacyMode'];
  if (mode === undefined) return { ...rest, ...(cache && { cache }), ...(privacy && { privacy }) };
  if ((cache?.['privacyMode'] ?? mode) !== mode) {
    throw new ConfigError(
      'cache.privacy_mode',
      `The configuration gives cache.privacy_mode ${show(cache?.['privacyMode'])} and privacy.mode ${show(mode)}. They are the same: give one.`,
    );
  }
  return { ...rest, cache: { ...cache, privacyMode: mode }, privacy: { ...privacy, mode } };
}

function parseFields(path: string, specs: SectionSpec, data: Data): Data {
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(data)) {
    const name = Object.keys(specs).find((each) => each === key || toSnakeCase(each) === key);
    if (name === undefined) {
      const known = Object.keys(path === '' ? { ...specs, ...SECTIONS } : specs);
      throw new ConfigError(`${path}${key}`, `The configuration has no ${path}${key}, but ${known.join(', ')}.`);
    }
    if (value === undefined) continue;
    if (Object.hasOwn(fields, name)) {
      throw new ConfigError(`${path}${key}`, `The configuration gives ${path}${name} twice, once in each spelling.`);
    }
    check(`${path}${key}`, specs[name] as FieldSpec, value);
    fields[name] = Array.isArray(value) ? Object.freeze([...(value as unknown[])]) : value;
  }
  return fields;
}

function withDefaults(specs: SectionSpec, given: Data = {}): Data {
  const defaults = Object.fromEntries(Object.entries(specs).map(([name, { initial }]) => [name, initial]));
  return Object.freeze({ ...defaults, ...given });
}

function check(field: string, spec: FieldSpec, value: unknown): void {
  const wanted = whyNot(spec, value);
  if (wanted !== undefined)
    throw new ConfigError(field, `The configuration's ${field} is ${wanted}, not ${show(value)}.`);
}

function readEnv(env: Variables): Parsed {
  const parsed: Record<string, Record<string, unknown>> = {};
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(ENV_PREFIX) || text === undefined) continue;
    const found = ENV_FIELDS.get(variable);
    if (found === undefined) {
      console.warn(`epochly knows no variable ${variable}.`);
      continue;
    }
    const { section, name, spec } = found;
    const value = fromText(spec, text);
    check(variable, spec, value);
    (parsed[section] ??= {})[name] = value;
  }
  return withOneMode(parsed);
}

const ENV_FIELDS: ReadonlyMap<string, { readonly section: string; readonly name: string; readonly spec: FieldSpec }> =
  new Map(
    Object.entries({ '': TOP_LEVEL, ...SECTIONS }).flatMap(([section, specs]) =>
      Object.entries(specs).map(([name, spec]) => [
        ENV_PREFIX + toSnakeCase(section === '' ? name : `${section}_${name}`).toUpperCase(),
        { section, name, spec },
      ]),
    ),
  );

function isRecord(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return typeof value === 'string' ? `"${value}"` : String(value);
}
