/** Redis servers that the tests start: on a free port of this machine, keeping nothing, each in a folder of its own. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  /** To look behind the store's back. */
  readonly client: Redis;
  /** SIGSTOP, SIGCONT, or SIGKILL, after which it is gone. */
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): Promise<void>;
  /** Starts it again on its port, empty. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** Further arguments of redis-server. */
  readonly args?: readonly string[];
  /** Lines of a configuration file, which Sentinel insists on. */
  readonly config?: readonly string[];
  /** How the client of the test connects. */
  readonly connect?: Readonly<Record<string, unknown>>;
  /** Where the port goes. Default `--port`. */
  readonly portArgument?: string;
}

const EXECUTABLE = process.env['REDIS_SERVER_PATH'] ?? 'redis-server';
const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));
process.once('SIGTERM', () => process.exit(143));

/** A port that nobody listens on. A cluster's nodes talk to each other on the one 10,000 above. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    if (port < 55_000) return port;
  }
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { args = [], config = [], connect = {}, portArgument = '--port' } = options;
  const folder = await mkdtemp(join(tmpdir(), 'epochly-redis-'));
  const port = await freePort();
  await writeFile(join(folder, 'redis.conf'), config.join('\n'));
  const start = (): Promise<ChildProcess> => {
    const own = [
      '--bind',
      '127.0.0.1',
      portArgument,
      String(port),
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      folder,
    ];
    return launch([join(folder, 'redis.conf'), ...own, ...args], folder);
  };
  let child = await start();
  const gone = (): Promise<void> =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once('exit', () => resolve());
    });
  const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, ...connect });
  client.on('error', () => undefined);
  await client.ping();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid as number;
    },
    client,
    async signal(name) {
      child.kill(name);
      if (name === 'SIGKILL') await gone();
    },
    async restart() {
      child = await start();
    },
    async stop() {
      client.disconnect();
      child.kill('SIGKILL');
      await gone();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Rejects with what it printed, where it ends instead of being ready. */
async function launch(args: readonly string[], cwd: string): Promise<ChildProcess> {
  const child = spawn(EXECUTABLE, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let printed = '';
  await new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => {
      const help = 'Install Redis (on Debian: apt-get install redis-server), or set REDIS_SERVER_PATH.';
      reject(new Error(`These tests need a Redis server, and ${EXECUTABLE} could not be started. ${help}`, { cause }));
    });
    child.once('exit', () => reject(new Error(`redis-server ended:\n${printed}`)));
    const read = (data: Buffer): void => {
      printed += data.toString();
      if (/Ready to accept connections|Sentinel ID is/.test(printed)) resolve();
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
  });
  return child;
}

export interface RedisClusterServers {
  readonly servers: readonly RedisServer[];
  /** Where to begin, for a client. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  stop(): Promise<void>;
}

/** A cluster of three masters, without replicas. */
export async function startRedisCluster(): Promise<RedisClusterServers> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-require-full-coverage', 'no'];
  const servers = await Promise.all([1, 2, 3].map(() => startRedis({ args })));
  const [first] = servers as [RedisServer];
  const share = Math.ceil(16_384 / servers.length);
  for (const [i, { client }] of servers.entries()) {
    const slots = Array.from({ length: Math.min(share, 16_384 - i * share) }, (_, slot) => i * share + slot);
    await client.cluster('ADDSLOTS', ...(slots as [number]));
    await client.cluster('SET-CONFIG-EPOCH', i + 1);
    if (i > 0) await client.cluster('MEET', '127.0.0.1', first.port);
  }
  for (const { client } of servers) {
    const isWhole = async (): Promise<boolean> => {
      const info = (await client.cluster('INFO')) as string;
      const slots = (await client.cluster('SLOTS')) as readonly unknown[];
      return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3') && slots.length >= 3;
    };
    while (!(await isWhole())) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    servers,
    nodes: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
    stop: async () => void (await Promise.all(servers.map((each) => each.stop()))),
  };
}
