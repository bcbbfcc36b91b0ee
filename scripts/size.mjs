/** How large the package is for a page that imports it: minified and compressed, without what is loaded later. */

import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

/** Bytes (gzip) of the chunks that `code` needs before it runs; what it imports dynamically is apart. */
export async function gzippedSize(code, conditions) {
  const { metafile, outputFiles } = await build({
    stdin: { contents: code, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    splitting: true,
    outdir: 'size',
    write: false,
    metafile: true,
    target: 'es2022',
    external: ['node:*'],
    conditions,
    platform: 'neutral',
  });
  const names = new Set();
  const follow = (name) => {
    if (names.has(name)) return;
    names.add(name);
    for (const { kind, path, external } of metafile.outputs[name].imports) {
      if (kind === 'import-statement' && !external) follow(path);
    }
  };
  follow('size/stdin.js');
  const needed = outputFiles.filter(({ path }) => [...names].some((name) => path.endsWith(name)));
  return needed.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const condition of ['browser', 'node', 'default']) {
    const wrap = await gzippedSize(`import { wrap } from 'epochly'; globalThis.wrap = wrap;`, [condition]);
    const all = await gzippedSize(`export * from 'epochly';`, [condition]);
    console.log(`${condition}: wrap ${wrap} bytes, everything ${all} bytes`);
  }
}
