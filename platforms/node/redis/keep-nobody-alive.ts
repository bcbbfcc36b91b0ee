/** @module Connections that keep no process alive: those that are idle, the attempts to connect, and the waits between them. */

import type { RedisClient } from './redis-client.ts';

interface Unreferable {
  unref?(): unknown;
}

/**
 * From now on neither a socket nor a timer of the client keeps the process alive, in a cluster nor those of its servers. Whoever
 * waits for an answer sees to it that the process waits as well.
 */
export function keepNobodyAlive(client: RedisClient): void {
  const unref = (value: Unreferable): unknown => value.unref?.();
  // ioredis sets each anew whenever it connects or waits, and tells of it too late: a socket that connects is one already.
  onSet(client, 'stream', unref);
  onSet(client, 'reconnectTimeout', unref);
  if (!client.isCluster) return;
  onSet(client, 'slotsTimer', unref);
  for (const node of client.nodes('all')) keepNobodyAlive(node);
  client.on('+node', keepNobodyAlive);
  // It listens on a connection of its own to what happens in the cluster.
  const { subscriber } = client as { readonly subscriber?: object };
  if (subscriber !== undefined) onSet(subscriber, 'subscriber', keepNobodyAlive);
}

/** Calls `listener` with what the property is, and with each that it is set to, but for none. */
function onSet<T extends object>(target: object, name: string, listener: (value: T) => void): void {
  let value = (target as Readonly<Record<string, T | null | undefined>>)[name];
  if (value) listener(value);
  Object.defineProperty(target, name, {
    configurable: true,
    enumerable: true,
    get: () => value,
    set(next: T | null | undefined) {
      value = next;
      if (next) listener(next);
    },
  });
}
