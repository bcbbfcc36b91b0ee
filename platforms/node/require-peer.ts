/** @module Loads an optional peer, which the application installed: no bundler meets it. */

import nodeModule from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MissingPeerError } from '../../src/model-errors.ts';

/**
 * What a package exports. Looked for from this package, which finds what is installed beside it; then from the application,
 * whose link to us may be one.
 *
 * @throws MissingPeerError
 */
export function requirePeer<Namespace>(name: string, versions: string): Namespace {
  let cause: unknown;
  for (const from of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href]) {
    try {
      return nodeModule.createRequire(from)(name) as Namespace;
    } catch (error) {
      cause = error;
    }
  }
  throw new MissingPeerError(name, versions, { cause });
}
