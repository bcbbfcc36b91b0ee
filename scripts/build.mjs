/**
 * `npm run build`: everything that the package ships, into dist/. Bundles are built only where an input changed.
 *
 *   dist/src, dist/platforms   one module for one, with declarations, for bundlers and Node
 *   dist/epochly.js            one self-contained file for a script tag
 *   dist/workers               self-contained host files, one a framework
 *   dist/assets                the .wasm files that belong to the runtimes inside the host files
 */

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, version } from 'esbuild';

const root = fileURLToPath(new URL('../', import.meta.url));
const dist = join(root, 'dist');
const cacheFile = join(root, 'node_modules/.cache/epochly/bundles.json');

/** Folders of the packages whose files are shipped: the copies that the bundles are made of. */
const ort = join(root, 'node_modules/onnxruntime-web');
const tfjsWasm = join(root, 'node_modules/@tensorflow/tfjs-backend-wasm');

const ASSETS = [
  [ort, 'dist/ort-wasm-simd-threaded.wasm'],
  [ort, 'dist/ort-wasm-simd-threaded.asyncify.wasm'],
  [tfjsWasm, 'dist/tfjs-backend-wasm.wasm'],
  [tfjsWasm, 'dist/tfjs-backend-wasm-simd.wasm'],
];

/** The one bundle lies in dist/ itself, so the host files are beside it. */
const besideTheBundle = {
  name: 'beside-the-bundle',
  setup({ onLoad }) {
    onLoad({ filter: /browser[\\/]host[\\/]host-files\.js$/ }, ({ path }) => ({
      loader: 'js',
      contents: readFileSync(path, 'utf8').replaceAll("'../../../", "'./"),
    }));
  },
};

buildModules();
copyAssets();
await buildBundles();

function buildModules() {
  const info = join(root, 'node_modules/.cache/epochly/tsc.tsbuildinfo');
  // tsc trusts its notes, not the folder: without the folder the notes are of no use.
  if (!existsSync(join(dist, 'src'))) rmSync(info, { force: true });
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
  for (const folder of ['src', 'platforms', 'test']) removeOrphans(join(dist, folder));
}

/** Deletes what an earlier build made of sources that are gone. */
function removeOrphans(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      removeOrphans(path);
      if (readdirSync(path).length === 0) rmSync(path, { recursive: true });
    } else if (!existsSync(join(root, relative(dist, path)).replace(/(\.d)?\.js$|\.d\.ts$/, '.ts'))) {
      rmSync(path);
    }
  }
}

async function buildBundles() {
  const shared = {
    absWorkingDir: root,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    metafile: true,
    legalComments: 'linked',
    logLevel: 'warning',
    define: { 'process.env.NODE_ENV': '"production"' },
    // transformers.js brings an onnxruntime-web of its own; one copy, and so one .wasm, serves both.
    alias: { 'onnxruntime-web/webgpu': join(ort, 'dist/ort.webgpu.bundle.min.mjs') },
  };
  const hosts = ['onnxruntime-wasm', 'onnxruntime-webgpu', 'tfjs', 'transformers'].map((name) => ({
    ...shared,
    entryPoints: [`platforms/browser/host/files/${name}.ts`],
    outfile: `dist/workers/${name}.js`,
  }));
  const page = {
    ...shared,
    // From the modules just built: package.json says of those, not of the sources, which have side effects.
    entryPoints: ['dist/platforms/browser/index.js'],
    outfile: 'dist/epochly.js',
    plugins: [besideTheBundle],
  };
  const cache = readJson(cacheFile) ?? {};
  for (const options of [...hosts, page]) {
    const known = cache[options.outfile];
    if (known?.esbuild === version && isCurrent(known.files)) continue;
    const started = performance.now();
    const { metafile } = await build(options);
    const inputs = Object.keys(metafile.inputs).filter((path) => !path.startsWith('('));
    cache[options.outfile] = {
      esbuild: version,
      files: stamps([...inputs, ...Object.keys(metafile.outputs), 'scripts/build.mjs', 'package-lock.json']),
    };
    const kilobytes = Math.round(statSync(join(root, options.outfile)).size / 1000);
    saveJson(cacheFile, cache);
    console.log(`${options.outfile}  ${kilobytes} kB  ${Math.round(performance.now() - started)} ms`);
  }
}

function saveJson(path, value) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(value));
}

function stamps(paths) {
  return Object.fromEntries(
    paths.map((path) => {
      const { size, mtimeMs } = statSync(join(root, path));
      return [path, `${size} ${mtimeMs}`];
    }),
  );
}

function isCurrent(files) {
  return Object.entries(files).every(([path, stamp]) => {
    const stat = statSync(join(root, path), { throwIfNoEntry: false });
    return stat !== undefined && `${stat.size} ${stat.mtimeMs}` === stamp;
  });
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function copyAssets() {
  mkdirSync(join(dist, 'assets'), { recursive: true });
  for (const [from, path] of ASSETS) {
    const source = join(from, path);
    const target = join(dist, 'assets', path.slice('dist/'.length));
    if (statSync(target, { throwIfNoEntry: false })?.size !== statSync(source).size) cpSync(source, target);
  }
}
