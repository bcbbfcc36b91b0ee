/** @module Where an optional peer is installed. */

import nodeModule from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MissingPeerError } from '../../src/model-errors.ts';

export interface ResolvedPeer {
  readonly require: NodeJS.Require;
  readonly path: string;
}

/**
 * From this package, which finds what is installed beside it; then from the application, whose link to us may be one.
 * `versions` are those that were seen to work. @throws MissingPeerError
 */
export function resolvePeer(name: string, versions: string): ResolvedPeer {
  let cause: unknown;
  for (const from of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href]) {
    const require = nodeModule.createRequire(from);
    try {
      return { require, path: require.resolve(name) };
    } catch (error) {
      cause = error;
    }
  }
  throw new MissingPeerError(name, versions, { cause });
}
