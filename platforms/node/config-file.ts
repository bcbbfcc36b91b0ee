/** @module The configuration file: epochly.config.json, else `epochly` in package.json. */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigError } from '../../src/errors.ts';

type Content = Readonly<Record<string, unknown>>;

/** How `epochly` in package.json begins where it is no dependency, whose value is a string. */
const SECTION = /"epochly"\s*:\s*[^"\s]/;

/**
 * The nearest, looked for from `folder` up to the root: a package of a monorepo has its root's. In one folder
 * epochly.config.json goes before package.json.
 *
 * @throws ConfigError naming the file where it is not valid JSON, or not an object.
 */
export function readConfigFile(folder: string): Content | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const found = ownFile(join(at, 'epochly.config.json')) ?? manifestSection(join(at, 'package.json'));
    if (found !== undefined || at === dirname(at)) return found;
  }
}

function ownFile(path: string): Content | undefined {
  const text = readText(path);
  return text === undefined ? undefined : checked(path, parse(path, text));
}

/** package.json is everybody's: one that is not JSON to the letter (comments) is no error unless there is a section in it. */
function manifestSection(path: string): Content | undefined {
  const text = readText(path);
  if (text === undefined || !text.includes('"epochly"')) return undefined;
  let manifest: { readonly epochly?: unknown };
  try {
    manifest = parse(path, text) as typeof manifest;
  } catch (error) {
    if (SECTION.test(text)) throw error;
    return undefined;
  }
  return manifest.epochly === undefined ? undefined : checked(path, manifest.epochly);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch {
    return undefined;
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(path, `${path} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
}

function checked(path: string, value: unknown): Content {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Content;
  throw new ConfigError(path, `The configuration in ${path} is an object.`);
}
