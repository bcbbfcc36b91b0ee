/** @module The configuration file: epochly.config.json, else `epochly` in package.json. */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigError } from '../../src/errors.ts';

/**
 * Looked for from `folder` up to the nearest folder with a package.json. epochly.config.json goes before package.json.
 * @throws ConfigError naming the file where it is not valid JSON, or not an object.
 */
export function readConfigFile(folder: string): Readonly<Record<string, unknown>> | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const file = readJson(join(at, 'epochly.config.json'));
    if (file !== undefined) return file;
    const manifest = readJson(join(at, 'package.json'));
    if (manifest !== undefined) return section(join(at, 'package.json'), manifest['epochly']);
    if (at === dirname(at)) return undefined;
  }
}

function readJson(path: string): Readonly<Record<string, unknown>> | undefined {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return section(path, JSON.parse(content));
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(path, `${path} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
}

function section(path: string, value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw new ConfigError(path, `The configuration in ${path} is an object.`);
}
