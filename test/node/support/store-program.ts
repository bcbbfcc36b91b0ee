/** Programs of their own that use the store of the build. */

import { spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';

const STORE = new URL('../../../dist/platforms/node/store/', import.meta.url).href;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

export interface ProgramOptions {
  readonly args?: readonly string[];
  /** Who it becomes once it is loaded. */
  readonly user?: number | undefined;
  /** Kilobytes that no file of it may exceed. */
  readonly maxFileKilobytes?: number;
}

/** A module's text, in which `openSqliteStore` and `openDatabase` are there, and `args` are what it was given. */
export function startProgram(text: string, options: ProgramOptions = {}): ChildProcess {
  const { args = [], user, maxFileKilobytes } = options;
  const program = `
    const args = process.argv.slice(1);
    const driver = process.env.EPOCHLY_SQLITE_DRIVER;
    const module = await import('${STORE}open-sqlite-store.js');
    const { loadSqlite } = await import('${STORE}sqlite.js');
    const openSqliteStore = (options) => module.openSqliteStore({ driver, ...options });
    const openDatabase = (path) => loadSqlite(driver).open(path);
    loadSqlite(driver);
    ${user === undefined ? '' : `process.setgid(${user}); process.setuid(${user});`}
    ${text}`;
  const command = [process.execPath, '--input-type=module', '-e', program, '--', ...args];
  const spawnOptions: SpawnOptions = {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Node says of its SQLite that it is experimental.
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
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
