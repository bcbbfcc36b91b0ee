/** `node scripts/size.mjs`: what an application pays for `import { wrap } from 'epochly'`, by export condition. */

import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('../', import.meta.url));
const ENTRY = 'virtual:size';

/**
 * Bytes of the chunks that must be there before the first call of wrap(): built by Vite, minified, each compressed by gzip.
 * What is imported later (load(), the adapter of the framework whose model is wrapped) is not in it.
 */
export async function coreSize(condition) {
  const { output } = await build({
    root,
    configFile: false,
    logLevel: 'error',
    resolve: { conditions: [condition] },
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === ENTRY ? ENTRY : undefined),
        load: (id) => (id === ENTRY ? `import { wrap } from 'epochly'; globalThis.wrap = wrap;` : undefined),
      },
    ],
    build: {
      write: false,
      minify: true,
      target: 'es2022',
      modulePreload: false,
      rollupOptions: { input: ENTRY, external: /^node:/ },
    },
  });
  const chunks = new Map(output.filter(({ type }) => type === 'chunk').map((chunk) => [chunk.fileName, chunk]));
  const needed = new Set();
  const follow = (name) => {
    if (needed.has(name) || !chunks.has(name)) return;
    needed.add(name);
    chunks.get(name).imports.forEach(follow);
  };
  follow([...chunks.values()].find(({ isEntry }) => isEntry).fileName);
  return [...needed].reduce((sum, name) => sum + gzipSync(chunks.get(name).code, { level: 9 }).length, 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const condition of ['browser', 'node', 'default'])
    console.log(`${condition}: ${await coreSize(condition)} bytes`);
}
