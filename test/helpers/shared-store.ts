/** One store that several connections have open, as processes have a file or nodes a server. */

import type { ByteStore, StoreBatch, TrimOptions } from '../../src/cache/byte-store.ts';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { Emitter } from '../../src/events.ts';
import type { EventSource } from '../../src/events.ts';

/** How a connection learns of what others did: by a number, by what they announce, or not at all. */
export type Telling = 'count' | 'announcements' | 'nothing';

export class SharedStore {
  /** What is kept, past all connections. */
  readonly memory: MemoryStore = new MemoryStore();
  readonly connections: Connection[] = [];
  /** Who holds a lock, and who waits. */
  readonly locks: Map<string, Promise<void>> = new Map();

  connect(telling: Telling = 'count'): ByteStore {
    const connection = new Connection();
    this.connections.push(connection);
    const { memory } = this;
    const changing =
      <Args extends readonly unknown[], T>(change: (...args: Args) => T) =>
      (...args: Args): T => {
        for (const other of this.connections) if (other !== connection) other.changes++;
        return change(...args);
      };
    return {
      get: (key) => memory.get(key),
      keys: (prefix) => memory.keys(prefix),
      usage: (prefix) => memory.usage(prefix),
      put: changing((key: string, bytes: Uint8Array) => memory.put(key, bytes)),
      putIfAbsent: changing((key: string, bytes: Uint8Array) => memory.putIfAbsent(key, bytes)),
      write: changing((batch: StoreBatch) => memory.write(batch)),
      delete: changing((key: string) => memory.delete(key)),
      deletePrefix: changing((prefix: string) => memory.deletePrefix(prefix)),
      trim: changing((options: TrimOptions) => memory.trim(options)),
      close: () => undefined,
      lock: (name) => this.#lock(name),
      ...(telling === 'count' && { changeCount: () => connection.changes }),
      ...(telling === 'announcements' && {
        announce: (message: string) => {
          for (const other of this.connections) if (other !== connection) other.announced.emit(message);
        },
        onAnnounced: connection.onAnnounced,
      }),
    };
  }

  /** All bytes that are kept, by name. */
  contents(): Record<string, Uint8Array> {
    return Object.fromEntries(this.memory.keys('').map((name) => [name, this.memory.get(name) as Uint8Array]));
  }

  async #lock(name: string): Promise<Disposable> {
    const before = this.locks.get(name);
    let release: () => void = () => undefined;
    this.locks.set(name, new Promise((resolve) => (release = resolve)));
    await before;
    return { [Symbol.dispose]: release };
  }
}

class Connection {
  /** Of others. */
  changes = 0;
  readonly announced: Emitter<string> = new Emitter();
  readonly onAnnounced: EventSource<string> = this.announced.event;
}

/** The same, but that nothing comes at once; `pause` is waited for before each call. */
export function slowStore(store: ByteStore, pause: () => Promise<void> = async () => undefined): ByteStore {
  const slow: Record<string, unknown> = {};
  for (const name of ['get', 'put', 'putIfAbsent', 'write', 'delete', 'keys', 'deletePrefix', 'usage', 'trim', 'close'])
    slow[name] = async (...args: readonly unknown[]): Promise<unknown> => {
      await pause();
      return (store as unknown as Record<string, (...args: readonly unknown[]) => unknown>)[name]?.(...args);
    };
  const { batchEntries, changeCount, announce, onAnnounced, lock } = store;
  return { ...slow, batchEntries, changeCount, announce, onAnnounced, lock } as unknown as ByteStore;
}
