/** Small static servers on loopback, with the headers that a test is about. */

import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const root: string = fileURLToPath(new URL('../../../', import.meta.url));

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

export interface StaticServerOptions {
  /** Pages by path, from memory. */
  readonly pages?: Readonly<Record<string, string>>;
  /** Modules by path, from memory. */
  readonly scripts?: Readonly<Record<string, string>>;
  /** Folders by path prefix. */
  readonly folders?: Readonly<Record<string, string>>;
  /** Headers of every answer, or of those of one path. */
  readonly headers?: (path: string) => Readonly<Record<string, string>>;
  /** Takes what pages post, to any path. */
  readonly onPost?: (body: string) => void;
}

export interface StaticServer {
  readonly origin: string;
  readonly port: number;
  /** Paths that were asked for, in order. */
  readonly requests: readonly string[];
  /** Those that were not found. */
  readonly missing: readonly string[];
}

/** Listens on 127.0.0.1 until the test is over. */
export async function serve({
  pages = {},
  scripts = {},
  folders = {},
  headers = () => ({}),
  onPost = () => undefined,
}: StaticServerOptions): Promise<StaticServer> {
  const missing: string[] = [];
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '/').replace(/\?.*$/, ''));
    requests.push(path);
    if (request.method === 'POST') {
      void text(request).then((body) => {
        onPost(body);
        response.writeHead(204, headers(path)).end();
      });
      return;
    }
    const send = (type: string): void => {
      response.writeHead(200, { 'Content-Type': type, ...headers(path) });
    };
    const made = pages[path] ?? scripts[path];
    if (made !== undefined) {
      send(TYPES[path in pages ? '.html' : '.js'] as string);
      response.end(made);
      return;
    }
    const prefix = Object.keys(folders).find((each) => path.startsWith(each));
    const file =
      prefix === undefined ? undefined : join(folders[prefix] as string, normalize(path.slice(prefix.length)));
    if (file === undefined || statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
      if (path !== '/favicon.ico') missing.push(path);
      response.writeHead(404, headers(path)).end();
      return;
    }
    send(TYPES[extname(file)] ?? 'application/octet-stream');
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, port, missing, requests };
}
