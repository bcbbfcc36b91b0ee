/** Programs of their own that use the store of the build. */

import { spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';

export const STORE_MODULE = new URL('../../../dist/platforms/node/store/open-sqlite-store.js', import.meta.url).href;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

export interface ProgramOptions {
  readonly args?: readonly string[];
  readonly user?: number | undefined;
  /** Kilobytes that no file of it may exceed. */
  readonly maxFileKilobytes?: number;
  /** Of Node itself. */
  readonly node?: string;
}

/** A module's text, in which `openSqliteStore` is there and `args` are what it was given. */
export function startProgram(text: string, options: ProgramOptions = {}): ChildProcess {
  const { args = [], user, maxFileKilobytes, node = process.execPath } = options;
  const program = `
    const args = process.argv.slice(1);
    const { openSqliteStore } = await import(${JSON.stringify(STORE_MODULE)});
    ${text}`;
  const command = [node, '--no-warnings', '--input-type=module', '-e', program, '--', ...args];
  const spawnOptions: SpawnOptions = {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  };
  if (maxFileKilobytes === undefined) return spawn(command[0] as string, command.slice(1), spawnOptions);
  const limit = `ulimit -f ${maxFileKilobytes}; exec "$@"`;
  return spawn('bash', ['-c', limit, 'bash', ...command], spawnOptions);
}

/** What it printed on both streams, once it has ended. */
export async function endOf(child: ChildProcess): Promise<Ended> {
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, output };
}

export function runProgram(text: string, options?: ProgramOptions): Promise<Ended> {
  return endOf(startProgram(text, options));
}
