/** Packages that only benches compare with: installed when one is run, in a folder of their own. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** bentocache is there once more because it looks for Kysely beside itself. */
const DEPENDENCIES = {
  '@keyv/sqlite': '4.0.8',
  bentocache: '1.6.1',
  keyv: '5.6.0',
  knex: '3.1.0',
  kysely: '0.27.6',
  sqlite3: '5.1.7',
};
const MANIFEST = JSON.stringify({
  private: true,
  dependencies: DEPENDENCIES,
  allowScripts: { [`sqlite3@${DEPENDENCIES.sqlite3}`]: true },
});
/** They are found from where they lie, each in the one form in which they find one another. */
const LOADER = 'load.mjs';
const folder = fileURLToPath(new URL('../../../.cache/bench/peers/', import.meta.url));

/** Imports one of them. @throws where it could not be installed */
export async function importPeer(name) {
  install();
  const { load } = await import(pathToFileURL(join(folder, LOADER)).href);
  return load(name);
}

function install() {
  const manifest = join(folder, 'package.json');
  const done = join(folder, 'installed');
  if (existsSync(done) && readFileSync(done, 'utf8') === MANIFEST) return;
  console.log('Installing what is compared with (once; about a minute)…');
  mkdirSync(folder, { recursive: true });
  writeFileSync(manifest, MANIFEST);
  writeFileSync(join(folder, LOADER), 'export const load = (name) => import(name);\n');
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  writeFileSync(done, MANIFEST);
}
