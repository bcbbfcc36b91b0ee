/** Node in other versions than the one that runs the tests: npm has them as packages. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachedInstall } from './npm.ts';

/** The newest patch of a version such as '24' or '20.19.0': this process's own, or one that is installed for the tests. */
export async function nodeBinary(version: string): Promise<string> {
  if (process.versions.node.split('.', 1)[0] === version) return process.execPath;
  const name = binaryPackage();
  const folder = join(await cachedInstall(`node/${version}`, [`${name}@${version}`]), 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly bin: { readonly node: string };
  };
  return join(folder, bin.node);
}

/** What the package `node` installs by a script: it is asked for by its own name, so that no script need run. */
function binaryPackage(): string {
  const { platform, arch } = process;
  const prefix = platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node';
  return `${prefix}-${platform === 'win32' ? 'win' : platform}-${arch}`;
}
