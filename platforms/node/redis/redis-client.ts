/** @module What is used of ioredis, by its shape: it is an optional peer, and a client may be the caller's own. */

/** A command in lower case, and its arguments. */
export type RedisCommand = readonly [command: string, ...parts: (string | Buffer | number)[]];

/** A client of ioredis, a `Redis` or a `Cluster`. */
export interface RedisLike {
  readonly isCluster: boolean;
  readonly status: string;
}

interface RedisCommands extends RedisLike {
  readonly options: { readonly keyPrefix?: string | Buffer | null | undefined };
  connect(): Promise<void>;
  /** With true it connects again. */
  disconnect(reconnect?: boolean): void;
  on(event: string, listener: (...values: never[]) => void): unknown;
  once(event: string, listener: (...values: never[]) => void): unknown;
  call(...command: RedisCommand): Promise<unknown>;
  multi(commands: readonly RedisCommand[]): { exec(): Promise<readonly (readonly [Error | null, unknown])[]> };
  getBuffer(name: string): Promise<Buffer | null>;
  mgetBuffer(names: readonly string[]): Promise<readonly (Buffer | null)[]>;
}

/** A connection to one server. */
export interface RedisNode extends RedisCommands {
  readonly isCluster: false;
  readonly stream?: { readonly bytesRead: number; destroy(): void } | undefined;
  readonly commandQueue: { readonly length: number };
  duplicate(options: Readonly<Record<string, unknown>>): RedisNode;
  scan(cursor: string, ...parts: (string | number)[]): Promise<readonly [cursor: string, names: readonly string[]]>;
  subscribe(channel: string): Promise<unknown>;
}

/** Connections to all servers of a cluster. */
export interface RedisCluster extends RedisCommands {
  readonly isCluster: true;
  nodes(role: 'all' | 'master'): readonly RedisNode[];
}

export type RedisClient = RedisNode | RedisCluster;

/** What the package ioredis exports. */
export interface IoRedis {
  readonly Redis: new (...options: readonly (string | Readonly<Record<string, unknown>>)[]) => RedisNode;
  readonly Cluster: new (nodes: readonly unknown[], options: Readonly<Record<string, unknown>>) => RedisCluster;
}

export function isRedisClient(value: unknown): value is RedisClient {
  if (typeof value !== 'object' || value === null) return false;
  const client = value as Partial<Record<'mgetBuffer' | 'multi' | 'nodes' | 'scan' | 'isCluster', unknown>>;
  if (typeof client.mgetBuffer !== 'function' || typeof client.multi !== 'function') return false;
  return typeof (client.isCluster === true ? client.nodes : client.scan) === 'function';
}
