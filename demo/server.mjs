/** Serves the demo page: files only, with the headers that make it cross-origin isolated. */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';

const demo = fileURLToPath(new URL('./', import.meta.url));

/** First part of the path -> folder; everything else is the built page. */
const FOLDERS = { models: join(demo, 'models'), dist: join(demo, '../dist') };
const PAGE = join(demo, 'dist');

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
  '.onnx': 'application/octet-stream',
};

/** The file a path stands for; undefined where it would lie outside. */
function fileOf(pathname) {
  if (pathname === '/script-tag.html') return join(demo, 'script-tag.html');
  const path = normalize(decodeURIComponent(pathname)).replace(/^[/\\]+/, '');
  const [first, ...rest] = path.split(sep);
  const folder = FOLDERS[first] ?? PAGE;
  const file = join(folder, folder === PAGE ? path || 'index.html' : rest.join(sep));
  return file.startsWith(folder + sep) ? file : undefined;
}

async function answer(request, response) {
  const headers = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
  };
  const refuse = (status, text) => response.writeHead(status, { ...headers, 'Content-Type': 'text/plain' }).end(text);
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'GET only.');
  let file;
  try {
    file = fileOf(new URL(request.url, 'http://localhost').pathname);
  } catch {
    return refuse(400, 'That is no address.');
  }
  const info = file && (await stat(file).catch(() => undefined));
  if (!info?.isFile()) return refuse(404, 'There is nothing here.');
  const tag = `"${info.size.toString(36)}-${Math.round(info.mtimeMs).toString(36)}"`;
  const found = { ...headers, ETag: tag, 'Cache-Control': 'no-cache' };
  if (request.headers['if-none-match'] === tag) return response.writeHead(304, found).end();
  response.writeHead(200, {
    ...found,
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Content-Length': info.size,
  });
  if (request.method === 'HEAD') return response.end();
  pipeline(createReadStream(file), response, () => undefined);
}

/** Resolves with the server once it listens; rejects with what `listen` fails with. */
export function serve(port) {
  return new Promise((resolve, reject) => {
    const server = createServer((request, response) => void answer(request, response));
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
