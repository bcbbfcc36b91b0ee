/** Helpers of the tests for benches, which Node runs as JavaScript. */

import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** @param path from the repository's root; its packages are those of the repository */
export async function importTypeScript(path) {
  const outfile = join(root, '.cache/bench/helpers', relative('test', path).replace(/\.ts$/, '.mjs'));
  const entryPoints = [join(root, path)];
  await build({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node', packages: 'external' });
  return import(pathToFileURL(outfile).href);
}
