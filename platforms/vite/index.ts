/** @module `epochly/vite`: what a Vite project needs for hosts to open, in development and in the build. */

import { createReadStream, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

export interface EpochlyViteOptions {
  /**
   * Sends the headers that make pages cross-origin isolated, which WebAssembly needs for threads, from the development and
   * preview servers. Your own server must send them too. Switch it off where a page embeds what cannot be isolated.
   * Default true.
   */
  readonly isolate?: boolean;
  /**
   * Whether the build copies the host files and their .wasm (40 MB, of which a page fetches what it uses). Where false, give
   * `workerUrl` and `assetsUrl` to `load()`. Default true.
   */
  readonly assets?: boolean;
}

const ISOLATED: Readonly<Record<string, string>> = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/**
 * @example
 * import { epochly } from 'epochly/vite';
 * export default defineConfig({ plugins: [epochly()] });
 */
export function epochly({ isolate = true, assets = true }: EpochlyViteOptions = {}): Plugin {
  const headers = isolate ? ISOLATED : {};
  return {
    name: 'epochly',
    enforce: 'pre',
    config: () => ({
      // Bundled into one file with other dependencies, a module no longer knows where its package is.
      optimizeDeps: { exclude: ['epochly'] },
      server: { headers },
      preview: { headers },
    }),
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        if (!serveHostFile(request, response, isolate)) next();
      });
    },
    transform(code, id) {
      if (assets || !/[\\/]browser[\\/]host[\\/]host-files\.[jt]s/.test(id)) return undefined;
      // Vite copies what it can read from the source text, so it is made to look away.
      return { code: code.replaceAll('import.meta.url)', 'String(import.meta.url))'), map: null };
    },
  };
}

export default epochly;

const TYPES: Readonly<Record<string, string>> = { js: 'text/javascript', wasm: 'application/wasm' };

/** Host files are complete as they are: the development server would take them apart like sources. */
function serveHostFile(request: IncomingMessage, response: ServerResponse, isolate: boolean): boolean {
  const path = (request.url ?? '').replace(/[?#].*$/, '');
  const [, file, extension] = /\/dist\/((?:workers|assets)\/[\w.-]+\.(js|wasm))$/.exec(path) ?? [];
  if (file === undefined || extension === undefined) return false;
  const absolute = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  const stat = statSync(absolute, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  response.writeHead(200, {
    ...(isolate ? ISOLATED : {}),
    'Content-Type': TYPES[extension] ?? 'application/octet-stream',
    'Content-Length': stat.size,
    'Cache-Control': 'no-cache',
  });
  createReadStream(absolute).pipe(response);
  return true;
}
