/** A page in a Chromium of its own: its script is bundled, and the repository's files are served beside it. */

import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright';
import type { Browser, Page } from 'playwright';
import { chromiumArgs, chromiumPath } from './chromium.ts';

export interface PageOptions {
  /** The repository's root. */
  readonly root: string;
  /** The page's script, from there. */
  readonly script: string;
  readonly webgpu: boolean;
}

export interface OpenedPage {
  readonly browser: Browser;
  readonly page: Page;
  close(): Promise<void>;
}

/** Where the module is that looks for the worker files beside itself. */
const SCRIPT = '/dist/platforms/browser/host/page.js';
/** Threads of WebAssembly, and a finer clock, are for pages that share their process with nobody. */
const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

export async function openPage({ root, script, webgpu }: PageOptions): Promise<OpenedPage> {
  const entryPoints = [join(root, script)];
  const { outputFiles } = await build({ entryPoints, bundle: true, format: 'esm', target: 'es2022', write: false });
  const server = createServer(({ url }, response) => {
    const path = new URL(url ?? '/', 'http://localhost').pathname;
    const head = (type: string): unknown => response.writeHead(200, { 'Content-Type': type, ...ISOLATED });
    const file = join(root, normalize(decodeURIComponent(path)));
    if (path === '/') {
      head('text/html');
      response.end(`<script type="module" src="${SCRIPT}"></script>`);
    } else if (path === SCRIPT) {
      head('text/javascript');
      response.end(outputFiles[0]?.contents);
    } else if (existsSync(file) && statSync(file).isFile()) {
      head(TYPES[extname(file)] ?? 'application/octet-stream');
      createReadStream(file).pipe(response);
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: chromiumArgs(webgpu) });
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(error));
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return {
    browser,
    page,
    async close() {
      await browser.close();
      server.closeAllConnections();
      server.close();
    },
  };
}
