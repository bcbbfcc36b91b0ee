/** npm, as someone who uses the package has it: in folders of its own, away from the repository's node_modules. */

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './static-server.ts';

const runFile = promisify(execFile);

/** What npm prints. Fails with what it says. */
export async function npm(folder: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await runFile('npm', [...args], {
      cwd: folder,
      // onnxruntime-node's install step would download libraries for GPUs.
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
      maxBuffer: 64 * 1024 * 1024,
      shell: process.platform === 'win32',
    });
    return stdout;
  } catch (cause) {
    const { stderr = '' } = cause as { readonly stderr?: string };
    throw new Error(`npm ${args.join(' ')} failed: ${stderr}`, { cause });
  }
}

/** Installs packages into a folder that has, or gets, a package.json of its own. */
export async function npmInstall(folder: string, packages: readonly string[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true }), { flag: 'a' });
  await npm(folder, ['install', '--no-audit', '--no-fund', ...packages]);
}

/** A folder below .cache/ with packages in it: installed once, whole or not at all, and kept for the next run. */
export async function cachedInstall(path: string, packages: readonly string[]): Promise<string> {
  const folder = join(root, '.cache', path);
  if (statSync(folder, { throwIfNoEntry: false }) !== undefined) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const unfinished = mkdtempSync(`${folder}-`);
  try {
    await npmInstall(unfinished, packages);
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}

/** The package as it would be published, in a file; what was built is what is packed. */
export async function pack(into: string): Promise<{ readonly tarball: string; readonly files: readonly string[] }> {
  const printed = await npm(root, ['pack', '--json', '--ignore-scripts', '--pack-destination', into]);
  const [packed] = JSON.parse(printed) as readonly [
    { readonly filename: string; readonly files: readonly { readonly path: string }[] },
  ];
  return { tarball: join(into, packed.filename), files: packed.files.map(({ path }) => path) };
}
