/**
 * The web-standard names the core may use. They exist alike in browsers, workers, Node, Deno and Bun; the core is
 * compiled without the DOM and Node libraries, so any other global is a compile error.
 */
declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: ArrayBufferView | ArrayBuffer): string;
}
declare class Event {
  constructor(type: string);
  readonly type: string;
}
declare class EventTarget {
  addEventListener(
    type: string,
    listener: (event: Event) => void,
    options?: { once?: boolean; signal?: AbortSignal },
  ): void;
  removeEventListener(type: string, listener: (event: Event) => void): void;
  dispatchEvent(event: Event): boolean;
}
declare class AbortSignal extends EventTarget {
  static abort(reason?: unknown): AbortSignal;
  static any(signals: readonly AbortSignal[]): AbortSignal;
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
}
declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}
declare class DOMException extends Error {
  constructor(message?: string, name?: string);
}
declare class URL {
  constructor(url: string, base?: string | URL);
  readonly href: string;
  readonly protocol: string;
  readonly pathname: string;
  readonly search: string;
  toString(): string;
}
declare class Blob {
  constructor(parts?: readonly (ArrayBufferView | ArrayBuffer | string)[], options?: { type?: string });
  readonly size: number;
  readonly type: string;
  arrayBuffer(): Promise<ArrayBuffer>;
}
declare const performance: { now(): number; readonly timeOrigin: number };
declare const crypto: {
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID?(): string;
  /** Not on insecure origins. */
  readonly subtle?: { digest(algorithm: 'SHA-256', data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> };
};
declare function setTimeout(task: () => void, delayMs: number): unknown;
declare function clearTimeout(timer: unknown): void;
declare class MessagePort extends EventTarget {
  start(): void;
  postMessage(message: unknown): void;
}
declare class MessageChannel {
  readonly port1: MessagePort;
  readonly port2: MessagePort;
}
declare function queueMicrotask(task: () => void): void;
declare const console: { error(...values: unknown[]): void; warn(...values: unknown[]): void };
declare function structuredClone<T>(value: T): T;
declare class Headers {
  get(name: string): string | null;
}
declare class Response {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly body:
    | (AsyncIterable<Uint8Array> & { getReader(): { read(): Promise<{ done: boolean; value?: Uint8Array }> } })
    | null;
}
declare class ReadableStream implements AsyncIterable<unknown> {
  constructor(
    source: {
      pull(controller: { enqueue(part: unknown): void; close(): void }): Promise<void>;
      cancel(): Promise<void>;
    },
    strategy: { highWaterMark: number },
  );
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: unknown }>;
    cancel(): Promise<void>;
    releaseLock(): void;
  };
  [Symbol.asyncIterator](): AsyncIterator<unknown>;
}
declare function fetch(url: string, options?: { readonly signal?: AbortSignal }): Promise<Response>;
