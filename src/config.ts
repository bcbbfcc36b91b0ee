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
}

/** What of the answers may be kept, and how it is protected. */
export interface PrivacyConfig {
  /** Default 'ephemeral': nothing leaves memory. */
  readonly mode: PrivacyMode;
  /** Default true. */
  readonly encryptAtRest: boolean;
  /** Default 'env'. */
  readonly encryptionKeySource: 'env' | 'file' | 'hsm' | 'browser';
  /** Regular expressions of what must not be kept. Default none. */
  readonly redactPatterns: readonly string[];
  /** Default true. */
  readonly cacheTenantIsolation: boolean;
  /** Default true. */
  readonly auditLogEnabled: boolean;
  /** Default '~/.epochly/audit/'. */
  readonly auditLogPath: string;
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

const ENV_PREFIX = 'EPOCHLY_INFERENCE_';
const SECTION_NAMES = Object.keys(SECTIONS) as readonly SectionName[];

/** Immutable. Every way of making one checks every field, and names the one that is wrong. */
export class InferenceConfig implements TopLevel, Sections {
  /** Whether anything is done at all; without it a proxy only passes calls on. Default true. */
  readonly enabled: boolean;
  /** Highest level of enhancement, 0 to 4. Default 2. */
  readonly maxLevel: number;
  /** The frameworks whose models are enhanced, of those that come with the package. Default all. */
  readonly frameworks: readonly string[];
  readonly batching: BatchingConfig;
  readonly compilation: CompilationConfig;
  readonly cache: CacheConfig;
  readonly privacy: PrivacyConfig;
  readonly safety: SafetyConfig;
  readonly serving: ServingConfig;

  /** @throws ConfigError naming the field. */
  constructor(init: InferenceConfigInit = {}) {
    const given = parse(init as Readonly<Record<string, unknown>>);
    const top = withDefaults(TOP_LEVEL, given['']) as unknown as TopLevel;
    this.enabled = top.enabled;
    this.maxLevel = top.maxLevel;
    this.frameworks = top.frameworks;
    const section = <Name extends SectionName>(name: Name): Sections[Name] =>
      withDefaults(SECTIONS[name], given[name]) as unknown as Sections[Name];
    this.batching = section('batching');
    this.compilation = section('compilation');
    this.cache = section('cache');
    this.privacy = section('privacy');
    this.safety = section('safety');
    this.serving = section('serving');
    Object.freeze(this);
  }

  /**
   * From plain data, in snake_case or camelCase.
   * @throws ConfigError naming an unknown key (and the one that was probably meant), or a wrong value.
   */
  static fromDict(data: Readonly<Record<string, unknown>>): InferenceConfig {
    return new InferenceConfig(data as InferenceConfigInit);
  }

  /**
   * From variables such as `EPOCHLY_INFERENCE_CACHE_L1_SIZE` or `EPOCHLY_INFERENCE_MAX_LEVEL`. Booleans are true, false,
   * 1, 0, yes, no, on, off; lists are separated by commas.
   *
   * @throws ConfigError naming the variable.
   */
  static fromEnv(env: Readonly<Record<string, string | undefined>>): InferenceConfig {
    return new InferenceConfig(readEnv(env));
  }

  /** Field by field: what code gives, else the environment, else the file, else the default. */
  static resolve({
    options,
    env = {},
    file,
  }: {
    readonly options?: InferenceConfigInit | undefined;
    readonly env?: Readonly<Record<string, string | undefined>> | undefined;
    readonly file?: Readonly<Record<string, unknown>> | undefined;
  }): InferenceConfig {
    const layers = [file ?? {}, readEnv(env), options ?? {}].map((each) =>
      parse(each as Readonly<Record<string, unknown>>),
    );
    const merged: Record<string, unknown> = {};
    for (const layer of layers) {
      for (const [name, fields] of Object.entries(layer)) {
        if (name === '') Object.assign(merged, fields);
        else merged[name] = { ...(merged[name] as object | undefined), ...fields };
      }
    }
    return new InferenceConfig(merged as InferenceConfigInit);
  }

  /** Plain data in snake_case; `fromDict` makes the same configuration of it. */
  toDict(): Record<string, unknown> {
    const all = this as unknown as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    const dict = (fields: Readonly<Record<string, unknown>>, spec: SectionSpec): Record<string, unknown> =>
      Object.fromEntries(Object.keys(spec).map((name) => [toSnakeCase(name), fields[name]]));
    return {
      ...dict(all, TOP_LEVEL),
      ...Object.fromEntries(
        SECTION_NAMES.map((name) => [name, dict(all[name] as Readonly<Record<string, unknown>>, SECTIONS[name])]),
      ),
    };
  }
}

/** Checked fields by section; '' is the top level. */
type Parsed = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

function parse(data: Readonly<Record<string, unknown>>): Parsed {
  if (!isRecord(data)) throw new ConfigError('', 'The configuration is an object.');
  const parsed: Record<string, Readonly<Record<string, unknown>>> = {};
  const top: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(data)) {
    if (!SECTION_NAMES.includes(key as SectionName)) {
      top[key] = value;
    } else if (value !== undefined) {
      if (!isRecord(value)) throw new ConfigError(key, `The configuration's ${key} is an object.`);
      parsed[key] = parseFields(`${key}.`, SECTIONS[key as SectionName], value);
    }
  }
  parsed[''] = parseFields('', TOP_LEVEL, top);
  return parsed;
}

function parseFields(
  path: string,
  specs: SectionSpec,
  data: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(data)) {
    const name = Object.keys(specs).find((each) => each === key || toSnakeCase(each) === key);
    if (name === undefined) throw unknownKey(path, key, [...Object.keys(specs), ...(path === '' ? SECTION_NAMES : [])]);
    if (value === undefined) continue;
    if (Object.hasOwn(fields, name)) {
      throw new ConfigError(`${path}${key}`, `The configuration gives ${path}${name} twice, once in each spelling.`);
    }
    const wanted = whyNot(specs[name] as FieldSpec, value);
    if (wanted !== undefined) {
      throw new ConfigError(`${path}${key}`, `The configuration's ${path}${key} is ${wanted}, not ${show(value)}.`);
    }
    fields[name] = Array.isArray(value) ? Object.freeze([...(value as unknown[])]) : value;
  }
  return fields;
}

function withDefaults(
  specs: SectionSpec,
  given: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const defaults = Object.fromEntries(Object.entries(specs).map(([name, { initial }]) => [name, initial]));
  return Object.freeze({ ...defaults, ...given });
}

function readEnv(env: Readonly<Record<string, string | undefined>>): InferenceConfigInit {
  const data: Record<string, unknown> = {};
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(ENV_PREFIX) || value === undefined) continue;
    const found = ENV_FIELDS.get(variable);
    if (found === undefined) throw unknownKey('', variable, [...ENV_FIELDS.keys()]);
    const parsed = fromText(found.spec, value);
    const wanted = whyNot(found.spec, parsed);
    if (wanted !== undefined)
      throw new ConfigError(variable, `The environment variable ${variable} is ${wanted}, not ${show(value)}.`);
    if (found.section === '') data[found.name] = parsed;
    else data[found.section] = { ...(data[found.section] as object | undefined), [found.name]: parsed };
  }
  return data as InferenceConfigInit;
}

const ENV_FIELDS: ReadonlyMap<string, { readonly section: string; readonly name: string; readonly spec: FieldSpec }> =
  new Map(
    [['', TOP_LEVEL] as const, ...SECTION_NAMES.map((name) => [name, SECTIONS[name]] as const)].flatMap(
      ([section, specs]) =>
        Object.entries(specs).map(([name, spec]) => [
          `${ENV_PREFIX}${section === '' ? '' : `${section.toUpperCase()}_`}${toSnakeCase(name).toUpperCase()}`,
          { section, name, spec },
        ]),
    ),
  );

function unknownKey(path: string, key: string, known: readonly string[]): ConfigError {
  const nearest = known.toSorted((a, b) => editDistance(key, a) - editDistance(key, b))[0] as string;
  return new ConfigError(`${path}${key}`, `The configuration has no ${path}${key}. Did you mean ${path}${nearest}?`);
}

/** Levenshtein's distance, letter case and underscores aside. */
function editDistance(a: string, b: string): number {
  const [from, to] = [a, b].map((each) => each.toLowerCase().replaceAll('_', '')) as [string, string];
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
