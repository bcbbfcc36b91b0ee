/** @module The files that threads and child processes run. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { HostError } from '../../../src/model-errors.ts';

/** @throws HostError where the file is not there: a bundler took the package apart. */
export function entryFile(url: URL): string {
  const path = fileURLToPath(url);
  if (existsSync(path)) return path;
  throw new HostError(
    `${path} is missing. In Node leave epochly out of the bundle, as an external package: threads and child processes run files of its own.`,
  );
}
