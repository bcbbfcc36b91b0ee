/** Programs of TypeScript in a process of their own, from the sources. */

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Program {
  /** Runs it with arguments and returns what it wrote. Rejects where it fails. */
  run(args?: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
}

/**
 * A program whose imports are named from the repository's root, as in './src/errors.ts'. It finds packages as the sources do, and
 * is gone after the test.
 */
export async function createProgram(source: string): Promise<Program> {
  const folder = await mkdtemp(join(root, 'node_modules', '.cache-program-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'program.mjs');
  await build({
    stdin: { contents: source, resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile: file,
    logLevel: 'error',
  });
  return {
    async run(args = [], env = {}) {
      const { stdout } = await promisify(execFile)(process.execPath, [file, ...args], {
        env: { ...process.env, ...env },
      });
      return stdout.trim();
    },
  };
}
